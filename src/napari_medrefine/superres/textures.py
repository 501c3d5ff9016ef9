"""Synthetic pictures of overlapping discs, for what no training slide shows.

A generator that has seen one kind of tissue does worse than plain interpolation on others; a share
of "dead leaves" (edges of every size, colour and contrast, with the statistics of natural images:
Lee, Mumford & Huang 2001; as training data: Achddou, Gousseau & Ladjal 2021) keeps it general.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_medrefine._resample import area_taps, gaussian_taps
from napari_medrefine.superres.optics import Floats, project

_DISCS = 300
_FINER = 2  # drawn on a finer grid and averaged: edges fall between the pixels


def dead_leaves(side: int, rng: np.random.Generator) -> Floats:
    """Return a picture, ``(side, side, 3)``, white at 1.

    Parameters
    ----------
    side : int
        Rows and columns.
    rng : numpy.random.Generator
        Of every choice.
    """
    fine = side * _FINER
    canvas = np.broadcast_to(rng.uniform(0, 1, 3).astype(np.float32), (fine, fine, 3)).copy()
    contrast = rng.uniform(0.2, 1)
    palette = contrast * rng.uniform(0, 1, (6, 3)) + (1 - contrast) * rng.uniform(0, 1, 3)
    spread = 0.2 * contrast * rng.uniform(0.1, 1)
    for radius in _radii(fine, rng):
        colour = palette[rng.integers(len(palette))] + rng.normal(0, spread, 3)
        _paint(canvas, rng.uniform(-radius, fine + radius, 2), radius, colour)
    matrix = area_taps(fine, side).dense()
    matrix = gaussian_taps(side, rng.uniform(0.2, 0.7)).dense() @ matrix
    small = project(canvas, matrix.astype(np.float32), matrix.astype(np.float32))
    grain = rng.uniform(0, 0.015)
    small += rng.standard_normal((side, side, 1), np.float32) * np.float32(grain)
    return np.clip(small, 0, 1, out=small)


def _radii(fine: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draw radii with density r^-3: as many edges at every scale."""
    least, most = 4 * _FINER, fine / 2
    share = rng.uniform(0, 1, _DISCS)
    radii = 1 / np.sqrt(share / least**2 + (1 - share) / most**2)
    return np.asarray(np.sort(radii)[::-1] if rng.random() < 0.5 else radii)


def _paint(
    canvas: Floats, centre: npt.NDArray[np.float64], radius: float, colour: npt.NDArray[np.float64]
) -> None:
    top, left = (max(0, int(c - radius)) for c in centre)
    bottom, right = (min(len(canvas), int(c + radius) + 2) for c in centre)
    rows = np.arange(top, bottom)[:, None] - centre[0]
    columns = np.arange(left, right)[None] - centre[1]
    canvas[top:bottom, left:right][rows**2 + columns**2 <= radius**2] = np.clip(colour, 0, 1)
