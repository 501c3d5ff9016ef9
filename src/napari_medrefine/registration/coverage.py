"""How much of an overview was photographed at higher magnification, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from skimage.draw import polygon

from napari_medrefine.registration.placement import Placement

LARGEST = 1024  # pixels of the map's longer side
SAMPLES = 4  # per map pixel and side: edges are averaged, so shares are right to a fraction of it
_AT_ONCE = 8  # rows of samples


@dataclass(frozen=True, eq=False)
class Coverage:
    """Which parts of an overview were photographed, and how.

    Attributes
    ----------
    labels : ndarray
        ``(h, w)`` uint8: the number of the last of `names` that covers most of a pixel, counted
        from 1; 0 where nothing does, that is, what is missing.
    names : tuple of str
        What the numbers mean, e.g. ``("10x", "40x")``.
    shares : dict of str to float
        Share of the overview's area that each name covers, 0 to 1.
    missing : float
        Share that nothing covers.
    factor : int
        How many overview pixels make one of the map along a side.
    """

    labels: npt.NDArray[np.uint8]
    names: tuple[str, ...]
    shares: dict[str, float]
    missing: float
    factor: int


def coverage(shape: tuple[int, int], fields: Mapping[str, Sequence[Placement]]) -> Coverage:
    """Return which parts of an overview its fields cover.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the overview in pixels.
    fields : mapping of str to sequence of Placement
        Placements by what they are to be counted as (an objective), the finest last.
    """
    factor = max(1, -(-max(shape) // LARGEST))
    small = (-(-shape[0] // factor), -(-shape[1] // factor))
    inside = _area(small, factor, shape)
    labels = np.zeros(small, np.uint8)
    total = np.zeros_like(inside, dtype=bool)
    shares = {}
    for number, (name, places) in enumerate(fields.items(), 1):
        covered = np.zeros_like(total)
        for place in places:
            _draw(covered, place, SAMPLES / factor)
        covered &= inside
        shares[name] = float(covered.sum() / inside.sum())
        labels[_blocks(covered) > 0.5] = number
        total |= covered
    missing = 1 - float(total.sum() / inside.sum())
    return Coverage(labels, tuple(fields), shares, missing, factor)


def _area(small: tuple[int, int], factor: int, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return which samples of the map lie on the overview: its last pixels may stick out."""
    rows, cols = (
        (np.arange(n * SAMPLES) + 0.5) * factor / SAMPLES < length
        for n, length in zip(small, shape, strict=True)
    )
    rows[0] = cols[0] = True  # also of a strip thinner than the samples lie apart
    return rows[:, None] & cols


def _draw(covered: npt.NDArray[np.bool_], place: Placement, zoom: float) -> None:
    """Fill the samples whose middles lie in a field's outline."""
    there = (place.outline() + 0.5) * zoom - 0.5
    first, last = np.clip([there[:, 0].min(), there[:, 0].max() + 1], 0, len(covered)).astype(int)
    for top in range(first, last, _AT_ONCE):  # no other thread gets a turn while it draws
        band = covered[top : top + _AT_ONCE]
        band[polygon(there[:, 0] - top, there[:, 1], band.shape)] = True


def _blocks(covered: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the share of each map pixel's samples that are covered."""
    height, width = (n // SAMPLES for n in covered.shape)
    blocks = covered.reshape(height, SAMPLES, width, SAMPLES)
    return np.asarray(blocks.mean(axis=(1, 3)))
