"""The study's registration: slide the reduced field along a spiral, compare raw RGB values.

Kept as the study describes it (its section 5.1.1), for teaching and as a reference: one ratio, the
camera not turned, whole pixels, the mean absolute difference of the colours. It visits every
position instead of stopping at the first one under a threshold, since on real photos the first one
that is good enough is rarely the right one.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from skimage.transform import resize

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, to_unit
from napari_medrefine.progress import Step
from napari_medrefine.registration.placement import similarity
from napari_medrefine.registration.pyramid import Floats, Matrix, reduction
from napari_medrefine.registration.spiral import spiral

LARGEST = 224  # pixels of the reduced overview's longer side
AT_ONCE = 1024  # positions compared between two reports


@dataclass(frozen=True, eq=False)
class Spotted:
    """What the spiral found.

    Attributes
    ----------
    matrix : ndarray
        3x3, field to overview.
    difference : float
        Mean absolute difference of the colours there, 0 (equal) to 1.
    level, factor : int
        The overview was reduced by ``factor == 2**level``.
    """

    matrix: Matrix
    difference: float
    level: int
    factor: int


def brute_force_steps(
    overview: Image, field: Image, ratio: float
) -> Generator[Step, None, Spotted]:
    """Walk the spiral over the reduced overview and return the least difference.

    Parameters
    ----------
    overview, field : ndarray
        As `napari_medrefine.register` takes them.
    ratio : float
        Field pixels per overview pixel.

    Raises
    ------
    MedRefineError
        If the field is larger than the overview.
    """
    level = max(0, int(np.ceil(np.log2(max(overview.shape[:2]) / LARGEST))))
    factor = 2**level
    large, small = _colours(overview, factor), _colours(field, factor * ratio)
    if (np.array(small.shape) > large.shape).any():
        raise MedRefineError("The field is larger than the overview; the spiral cannot place it.")
    (row, col), difference = yield from least_difference_steps(large, small)
    middle = np.array([row, col]) + (np.array(small.shape[:2]) - 1) / 2
    coarse = similarity(ratio * factor, 0.0, (np.array(field.shape[:2]) - 1) / 2, middle)
    return Spotted(np.linalg.inv(reduction(factor)) @ coarse, difference, level, factor)


def least_difference_steps(
    large: Floats, small: Floats
) -> Generator[Step, None, tuple[tuple[int, int], float]]:
    """Return the position (row, col) at which `small` differs least from `large`, and by how much.

    Both are ``(H, W, 3)``; the first of several equals along the spiral wins.
    """
    windows = sliding_window_view(large, small.shape[:2], axis=(0, 1))
    template = np.moveaxis(small, -1, 0)
    total = windows.shape[0] * windows.shape[1]
    path = spiral(windows.shape[0], windows.shape[1])
    best, least, done = (0, 0), np.inf, 0
    while positions := list(islice(path, AT_ONCE)):
        yield Step(done, total, "walking the spiral")
        rows, cols = np.array(positions).T
        apart = np.abs(windows[rows, cols] - template).mean(axis=(1, 2, 3))
        if apart.min() < least:
            least = float(apart.min())
            best = positions[int(apart.argmin())]
        done += len(positions)
    return best, least


def _colours(image: Image, factor: float) -> Floats:
    """Return `image` as ``(h, w, 3)``, white at 1, reduced by `factor` with antialiasing."""
    unit = to_unit(image)
    rgb = np.repeat(unit[..., None], 3, -1) if unit.ndim == 2 else unit[..., :3]
    shape = tuple(max(1, round(n / factor)) for n in rgb.shape[:2])
    return np.asarray(resize(rgb, (*shape, 3), order=1, anti_aliasing=True), np.float32)
