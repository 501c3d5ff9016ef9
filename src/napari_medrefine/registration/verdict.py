"""Accepted or refused, and how sure: more than one number, since no single threshold is safe.

The field is divided into blocks. Each is moved about on its own, within a few pixels of where the
placement puts it: at the right place most blocks fit best just there, at a wrong one each has its
own idea. How many agree by chance follows a binomial law whose rate is known (the share of the
positions tried that count as agreement), so the number of false alarms to be expected in the whole
search can be stated: that is the verdict's main number (an a-contrario test in the sense of
Desolneux, Moisan & Morel 2000). The gap to the second-best distinct place must be clear as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage, stats
from skimage.feature import match_template

from napari_medrefine.registration.pyramid import Floats, Level, Matrix, reduction

BLOCKS = 4  # on a side
REACH = 6  # pixels that a block is moved, each way
AGREES = 1.5  # pixels within which a block's best place counts as agreement
FEWEST = 4  # blocks with texture that a verdict needs
FALSE_ALARMS = 1e-3  # accepted below this
LEAST_SCORE = 0.15
LEAST_GAP = 0.05
TEXTURE = 0.12  # mean square of a block's features below which it counts as blank


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the blocks say of a placement.

    Attributes
    ----------
    usable, agreeing : int
        Blocks with texture that lie on the overview; those of them that fit best just there.
    false_alarms : float
        How many placements with so many agreeing blocks chance would give in the whole search.
    standard_error : float
        Of the position, in overview pixels, from the scatter of the agreeing blocks.
    """

    usable: int
    agreeing: int
    false_alarms: float
    standard_error: float

    @property
    def convincing(self) -> bool:
        """Whether chance would hardly make so many blocks agree."""
        return self.usable >= FEWEST and self.false_alarms <= FALSE_ALARMS


def gather(level: Level, field: Floats, matrix: Matrix, tests: int) -> Evidence:
    """Ask every block of the field where it fits best.

    Parameters
    ----------
    level : Level
        The overview at about the pixel size of `field`.
    field : ndarray
        ``(h, w)`` features of the reduced field.
    matrix : ndarray
        3x3, points of `field` to points of `level`.
    tests : int
        How many distinct placements the search compared at this stage.
    """
    offsets = [
        offset
        for rows, cols in _blocks(field.shape)
        if (offset := _offset(level, field, matrix, rows, cols)) is not None
    ]
    near = [offset for offset in offsets if np.hypot(*offset) <= AGREES]
    rate = _positions_that_agree() / (2 * REACH + 1) ** 2
    chance = float(stats.binom.sf(len(near) - 1, len(offsets), rate)) if offsets else 1.0
    error = float("nan")
    if len(near) >= FEWEST:
        scatter = float(np.sqrt(np.mean(np.sum(np.square(near), axis=1))))
        error = scatter / np.sqrt(len(near)) * level.factor
    return Evidence(len(offsets), len(near), min(1.0, chance * tests), error)


def judge(evidence: Evidence, score: float, second: float, overlap: float) -> tuple[bool, str]:
    """Return whether a placement is accepted, and why, in plain words."""
    if evidence.usable < FEWEST:
        return False, (
            "Refused: no place convinces; at the likeliest one too little of the field has texture "
            f"and lies on textured overview ({evidence.usable} of {BLOCKS**2} parts)."
        )
    agree = f"{evidence.agreeing} of {evidence.usable} parts of the field fit best just there"
    if evidence.false_alarms > FALSE_ALARMS:
        return False, f"Refused: only {agree}, as chance might have it."
    if score < LEAST_SCORE:
        return False, f"Refused: {agree}, but the likeness is poor (score {score:.2f})."
    if score - second < LEAST_GAP:
        return False, (
            f"Refused: another place fits about as well (scores {score:.2f} and {second:.2f})."
        )
    edge = f" {overlap:.0%} of the field lies on the overview." if overlap < 0.99 else ""
    rival = f" (next best {second:.2f})" if second > 0 else ""
    sure = "Very sure" if evidence.false_alarms < 1e-8 and score > 0.5 else "Sure"
    return True, f"{sure}: {agree}, and at no other place{rival}.{edge}"


def _blocks(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    edges = [np.linspace(0, n, BLOCKS + 1).astype(int) for n in shape]
    parts = [[slice(a, b) for a, b in pairwise(e)] for e in edges]
    return [(rows, cols) for rows in parts[0] for cols in parts[1]]


def _offset(
    level: Level, field: Floats, matrix: Matrix, rows: slice, cols: slice
) -> npt.NDArray[np.float64] | None:
    """Return how far a block would rather be, (row, col); None if it cannot tell."""
    block = field[rows, cols]
    if min(block.shape) < 2 * REACH or float(np.mean(block * block)) < TEXTURE:
        return None
    r, c = np.mgrid[rows.start - REACH : rows.stop + REACH, cols.start - REACH : cols.stop + REACH]
    at = np.stack([r, c]).reshape(2, -1)
    there = matrix[:2, :2] @ at + matrix[:2, 2:]
    limit = np.array(level.features.shape)[:, None] - 1
    if ((there >= 0) & (there <= limit)).all(axis=0).mean() < 0.98:
        return None
    around = ndimage.map_coordinates(level.features, there, order=1).reshape(r.shape)
    if float(np.std(around)) < 1e-3:
        return None
    score = match_template(around, block)
    peak = np.array(np.unravel_index(int(np.argmax(score)), score.shape))
    return _sub_pixel(score, peak) - REACH


def _sub_pixel(score: Floats, peak: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
    """Return the top of the parabola through the peak and its neighbours, along each axis."""
    top = peak.astype(np.float64)
    for axis in (0, 1):
        if 0 < peak[axis] < score.shape[axis] - 1:
            step = np.eye(2, dtype=int)[axis]
            low, mid, high = (float(score[tuple(peak + k * step)]) for k in (-1, 0, 1))
            bend = low - 2 * mid + high
            top[axis] += 0.5 * (low - high) / bend if bend < 0 else 0.0
    return top


def _positions_that_agree() -> int:
    grid = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
    return int((np.hypot(*grid) <= AGREES).sum())


def block_level(levels: tuple[Level, ...], field_side: float) -> int:
    """Return the level at which the field's shorter side is 200 pixels or a little more."""
    fitting = [i for i, level in enumerate(levels) if field_side / level.factor >= 200]
    return fitting[-1] if fitting else 0


def at_level(matrix: Matrix, level: Level, factor: int) -> Matrix:
    """Return `matrix` between the overview's `level` and the field reduced by `factor`."""
    return reduction(level.factor) @ matrix @ np.linalg.inv(reduction(factor))
