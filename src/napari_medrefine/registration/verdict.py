"""Accepted or refused, and how sure: more than one number, since no single threshold is safe.

The field is divided into small blocks. Each is moved about on its own, within a few pixels of where
the placement puts it: at the right place most blocks fit best just there, at a wrong one each has
its own idea. How many agree by chance follows a binomial law whose rate is known (the share of the
positions tried that count as agreement, 9 of 169), so the number of false alarms to be expected in
the whole search can be stated: that is the verdict's main number (an a-contrario test in the sense
of Desolneux, Moisan & Morel 2000). `benchmarks/null_distribution.py` measures the law on decoys:
fields on overviews of other slides, and mirrored. The gap to the second-best distinct place must be
clear as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft, stats

from napari_medrefine.registration.pyramid import Floats, Level, Matrix
from napari_medrefine.registration.refine import look, part_around

T = TypeVar("T", bound=np.generic)

BLOCK = (14, 24)  # pixels of a block's side, of a small field and of others
REACH = 6  # pixels that a block is moved, each way
AGREES = 1.5  # pixels within which a block's best place counts as agreement
FEWEST = 6  # blocks with texture that a verdict needs
FALSE_ALARMS = 1e-3  # accepted below this
LEAST_SCORE = 0.12
LEAST_GAP = 0.05
TEXTURE = 0.12  # mean square of a block's features below which it counts as blank


@dataclass(frozen=True, eq=False)
class Blocks:
    """What each block of a field says: how far it would rather be.

    Attributes
    ----------
    counts : ndarray
        Blocks down and across.
    offsets : ndarray
        ``(counts[0], counts[1], 2)`` (row, col) in pixels of the level; NaN where a block has no
        texture, or is not on the overview.
    """

    counts: npt.NDArray[np.int_]
    offsets: npt.NDArray[np.float64]

    @property
    def agree(self) -> npt.NDArray[np.bool_]:
        """``(down, across)``, which blocks fit best just where they are."""
        return np.asarray(np.hypot(self.offsets[..., 0], self.offsets[..., 1]) <= AGREES)

    @property
    def usable(self) -> int:
        """How many blocks can tell."""
        return int(np.isfinite(self.offsets[..., 0]).sum())

    def agree_at(
        self, points: npt.NDArray[np.float64], shape: tuple[int, ...]
    ) -> npt.NDArray[np.bool_]:
        """Return which ``(2, N)`` points of the field, reduced to `shape`, lie on those blocks."""
        cells = (points + 0.5) * self.counts[:, None] / np.array(shape)[:, None]
        rows, cols = np.clip(cells.astype(int), 0, self.counts[:, None] - 1)
        return np.asarray(self.agree[rows, cols])


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the blocks say of a placement.

    Attributes
    ----------
    usable, agreeing : int
        Blocks with texture that lie on the overview; those of them that fit best just there.
    false_alarms : float
        How many placements with so many agreeing blocks chance would give in the whole search.
    residual : float
        Root mean square of the agreeing blocks' offsets, in overview pixels.
    blocks : Blocks
        What each of them says.
    """

    usable: int
    agreeing: int
    false_alarms: float
    residual: float
    blocks: Blocks

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
        How many distinct placements the search compared.
    """
    blocks = ask_blocks(level, field, matrix)
    usable, near = blocks.usable, int(blocks.agree.sum())
    rate = _positions_that_agree() / (2 * REACH + 1) ** 2
    chance = float(stats.binom.sf(near - 1, usable, rate)) if usable else 1.0
    off = np.sum(np.square(blocks.offsets[blocks.agree]), axis=1)
    residual = float(np.sqrt(off.mean())) * level.factor if near else float("nan")
    return Evidence(usable, near, min(1.0, chance * tests), residual, blocks)


def ask_blocks(level: Level, field: Floats, matrix: Matrix) -> Blocks:
    """Return how far each block of the field would rather be; see `gather`."""
    counts = _counts(field.shape)
    around, inside = _around(level, field.shape, matrix)
    blocks = _cut(field, counts, 0)
    windows, known = _cut(around, counts, REACH), _cut(inside, counts, REACH)
    usable = (
        (np.mean(blocks * blocks, axis=(1, 2)) >= TEXTURE)
        & (known.mean(axis=(1, 2)) >= 0.98)
        & (windows.std(axis=(1, 2)) >= 1e-3)
    )
    offsets = np.full((len(blocks), 2), np.nan)
    if not usable.any():
        return Blocks(counts, offsets.reshape(*counts, 2))
    score = _correlations(windows[usable], blocks[usable])
    peaks = [np.array(np.unravel_index(int(np.argmax(s)), s.shape)) for s in score]
    offsets[usable] = [_sub_pixel(s, peak) - REACH for s, peak in zip(score, peaks, strict=True)]
    return Blocks(counts, offsets.reshape(*counts, 2))


def judge(evidence: Evidence, score: float, second: float, overlap: float) -> tuple[bool, str]:
    """Return whether a placement is accepted, and why, in plain words."""
    if evidence.usable < FEWEST:
        parts = f"{evidence.usable} of {evidence.blocks.agree.size} parts"
        return False, (
            "Refused: no place convinces; at the likeliest one too little of the field has texture "
            f"and lies on textured overview ({parts})."
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


def _around(
    level: Level, shape: tuple[int, ...], matrix: Matrix
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the overview on the field's own grid and `REACH` beyond, and where there is any."""
    grown = matrix.copy()
    grown[:2, 2] -= matrix[:2, :2] @ [REACH, REACH]
    large = (shape[0] + 2 * REACH, shape[1] + 2 * REACH)
    part = part_around(level, large, grown)
    inside, seen = look(part, np.indices(large, np.float64).reshape(2, -1), grown)
    return seen.reshape(large), inside.reshape(large)


def _counts(shape: tuple[int, ...]) -> npt.NDArray[np.int_]:
    """Return into how many blocks a field is divided, down and across."""
    side = np.clip(min(shape) // 5, *BLOCK)
    return np.asarray(np.maximum(np.array(shape) // side, 1))


def _cut(image: npt.NDArray[T], counts: npt.NDArray[np.int_], margin: int) -> npt.NDArray[T]:
    """Return the blocks of an image that is `margin` larger than the field on every side."""
    side = (np.array(image.shape) - 2 * margin) // counts
    height, width = (int(n) + 2 * margin for n in side)
    windows = sliding_window_view(image, (height, width))
    rows, cols = (np.arange(count) * int(n) for count, n in zip(counts, side, strict=True))
    return np.asarray(windows[rows[:, None], cols].reshape(-1, height, width))


def _correlations(windows: Floats, blocks: Floats) -> Floats:
    """Return the normalised cross-correlation of each block at every place in its window."""
    blocks = blocks - blocks.mean(axis=(1, 2), keepdims=True)
    size = [fft.next_fast_len(n, True) for n in windows.shape[1:]]
    places = 2 * REACH + 1
    spectrum = fft.rfft2(windows, size) * np.conj(fft.rfft2(blocks, size))
    product = fft.irfft2(spectrum, size)[:, :places, :places]
    count = blocks[0].size
    total, squares = (_sums(values, blocks.shape[1:]) for values in (windows, windows * windows))
    energy = np.maximum(squares - total * total / count, 1e-6 * count)
    own = np.sum(blocks * blocks, axis=(1, 2), keepdims=True)
    return np.asarray(product / np.sqrt(energy * own), np.float32)


def _sums(values: Floats, side: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return the sums over every box of `side`, by cumulative sums (Crow 1984)."""
    table = np.pad(values.astype(np.float64), ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2)
    h, w = side
    return np.asarray(table[:, h:, w:] - table[:, :-h, w:] - table[:, h:, :-w] + table[:, :-h, :-w])


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
