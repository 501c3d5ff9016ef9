"""The study's registration: slide the reduced field along a spiral, compare raw RGB values.

Kept as the study describes it (its section 5.1.1), for teaching and as a reference: one ratio, the
camera not turned, whole pixels, the mean absolute difference of the colours. It finds the best of
all positions instead of stopping at the first one under a threshold, since on real photos the first
one that is good enough is rarely the right one; `pruning` leaves out what cannot be the best.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from skimage.transform import resize

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, colours_of, to_unit
from napari_medrefine.progress import Step
from napari_medrefine.registration.placement import similarity
from napari_medrefine.registration.pruning import pruned_steps
from napari_medrefine.registration.pyramid import Floats, Matrix, reduction
from napari_medrefine.registration.trace import Trace, Walk

LARGEST = 224  # pixels of the reduced overview's longer side


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
    overview: Image, field: Image, ratio: float, trace: Trace | None = None
) -> Generator[Step, None, Spotted]:
    """Return where the reduced field differs least from the reduced overview.

    Parameters
    ----------
    overview, field : ndarray
        As `napari_medrefine.register` takes them.
    ratio : float
        Field pixels per overview pixel.
    trace : Trace, optional
        Told what the positions are worth, at most.

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
    found = yield from pruned_steps(large, small, "difference")
    to_middle = (np.array(small.shape[:2]) - 1) / 2
    middle = np.array(found.position) + to_middle
    if trace is not None:
        likeness = (1 - found.bounds).astype(np.float32)
        trace.walks.append(Walk.of_scores(likeness, to_middle, factor))
    coarse = similarity(ratio * factor, 0.0, (np.array(field.shape[:2]) - 1) / 2, middle)
    return Spotted(np.linalg.inv(reduction(factor)) @ coarse, found.value, level, factor)


def _colours(image: Image, factor: float) -> Floats:
    """Return `image` as ``(h, w, 3)``, white at 1, reduced by `factor` with antialiasing."""
    unit = to_unit(image)
    rgb = colours_of(unit)
    shape = tuple(max(1, round(n / factor)) for n in rgb.shape[:2])
    return np.asarray(resize(rgb, (*shape, 3), order=1, anti_aliasing=True), np.float32)
