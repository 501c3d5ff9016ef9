"""The best position of a template, exactly: walked exhaustively, or by a pyramid that prunes.

Both visit whole-pixel positions at which the template lies wholly on the image, in the order of the
spiral, and know two likenesses: the study's mean absolute difference, and normalised
cross-correlation. The pyramid compares means over blocks first. They bound what the pixels can do:

- difference: ``mean |a - t| >= sum_b |A_b - T_b| / area`` over sums of blocks, by the triangle
  inequality;
- correlation: with mean-removed unit vectors and P the projection on blocks,
  ``<a, t> <= <Pa, Pt> + sqrt(1 - |Pa|^2) sqrt(1 - |Pt|^2)`` (Cauchy and Schwarz).

A position whose bound is worse than the best value known is dropped, all others are looked at more
finely, so the answer is the very same. Sums over blocks come from an integral image (Crow 1984), at
every position, so block and template are always aligned, and blocks at the edge may be smaller.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step, finish
from napari_medrefine.registration.spiral import spiral_order

Likeness = Literal["difference", "correlation"]
Values = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int_]

ROUNDING = 1e-9  # by which a bound may be off in floating point, as a share of the largest value
AT_ONCE = 2**18  # numbers gathered together: they stay in the processor's cache
FLAT = 1e-10  # mean square of a patch below which it is constant
TRIED = 8  # most promising positions compared in full at each level


@dataclass(frozen=True, eq=False)
class Best:
    """The best position.

    Attributes
    ----------
    position : (int, int)
        Row and column of the template's first pixel; of equals the first along the spiral.
    value : float
        Mean absolute difference (lower is better) or correlation (higher is better) there.
    compared : tuple of (int, int)
        For every level (block side, positions compared), coarse to fine; the last one, with block
        side 1, is in full.
    bounds : ndarray
        ``(rows, cols)``, for every position the last bound computed, or its value.
    """

    position: tuple[int, int]
    value: float
    compared: tuple[tuple[int, int], ...]
    bounds: Values


def exhaustive_steps(
    image: npt.ArrayLike, template: npt.ArrayLike, likeness: Likeness
) -> Generator[Step, None, Best]:
    """Compare `template` with `image` at every position, along the spiral.

    Parameters
    ----------
    image, template : array-like
        ``(H, W)`` or ``(H, W, C)``, the template no larger than the image.
    likeness : {"difference", "correlation"}
        What to compare by. The correlation is 0 where either is constant (its contrast less than
        a hundred-thousandth of its range).

    Raises
    ------
    MedRefineError
        If the template does not fit on the image, or a value is not finite.
    """
    pair = _Pair(image, template, likeness)
    path = spiral_order(*pair.places)
    values = yield from pair.values_steps(path)
    return _best(pair, path, values, ((1, len(path)),), np.empty(pair.places))


def pruned_steps(
    image: npt.ArrayLike, template: npt.ArrayLike, likeness: Likeness
) -> Generator[Step, None, Best]:
    """Return what `exhaustive_steps` returns, comparing in full only where it may matter."""
    pair = _Pair(image, template, likeness)
    path = spiral_order(*pair.places)
    seen = np.empty(pair.places)
    compared = []
    least = np.inf
    for side in pair.block_sides():
        bound = yield from pair.bounds_steps(path, side)
        seen[path[:, 0], path[:, 1]] = bound
        compared.append((side, len(path)))
        promising = path[np.argsort(pair.sign * bound, kind="stable")[:TRIED]]
        tried = yield from pair.values_steps(promising)
        least = min(least, float((pair.sign * tried).min()))
        path = path[pair.sign * bound <= least + ROUNDING * pair.unit]
    values = yield from pair.values_steps(path)
    compared.append((1, len(path)))
    return _best(pair, path, values, tuple(compared), seen)


def bounds(
    image: npt.ArrayLike, template: npt.ArrayLike, likeness: Likeness, side: int
) -> tuple[Values, Values]:
    """Return the bound by blocks of `side` and the value, ``(rows, cols)``, of every position."""
    pair = _Pair(image, template, likeness)
    path = np.argwhere(np.ones(pair.places, bool))
    bound, value = finish(pair.bounds_steps(path, side)), finish(pair.values_steps(path))
    return bound.reshape(pair.places), value.reshape(pair.places)


def _best(
    pair: _Pair,
    path: Positions,
    values: Values,
    compared: tuple[tuple[int, int], ...],
    seen: Values,
) -> Best:
    seen[path[:, 0], path[:, 1]] = values
    best = int(np.argmin(pair.sign * values))  # the first of equals, and `path` is the spiral
    row, col = (int(n) for n in path[best])
    return Best((row, col), float(values[best]), compared, seen)


class _Pair:
    """An image and a template, and what bounds and values of their likeness are."""

    def __init__(self, image: npt.ArrayLike, template: npt.ArrayLike, likeness: Likeness) -> None:
        large, small = (np.asarray(a, np.float64) for a in (image, template))
        large, small = (a[..., None] if a.ndim == 2 else a for a in (large, small))
        _check(large, small)
        self._by_difference = likeness == "difference"
        shift = small.mean(axis=(0, 1))  # small numbers round less; neither likeness minds
        own = shift if self._by_difference else large.mean(axis=(0, 1))
        large, small = large - own, small - shift
        self._peak = float(max(np.abs(large).max(), np.abs(small).max())) or 1.0
        self._large, self._small = large / self._peak, small / self._peak
        self.shape = (small.shape[0], small.shape[1])
        self.places = (large.shape[0] - small.shape[0] + 1, large.shape[1] - small.shape[1] + 1)
        self.unit = self._peak if self._by_difference else 1.0
        self.sign = 1.0 if self._by_difference else -1.0
        self._sums = _integral(self._large)
        self._squares = _integral((self._large**2).sum(-1, keepdims=True))
        self._energy = float((self._small**2).sum())

    def block_sides(self) -> list[int]:
        """Return the block sides to go through, coarse to fine."""
        sides = [2]
        while 2 * sides[-1] <= min(self.shape) // 2:
            sides.append(2 * sides[-1])
        return sides[::-1] if min(self.shape) >= 4 else []

    def values_steps(self, path: Positions) -> Generator[Step, None, Values]:
        """Return the likeness at positions, compared in full."""
        windows = sliding_window_view(self._large, self.shape, axis=(0, 1))
        template = np.moveaxis(self._small, -1, 0).ravel()
        values = np.empty(len(path))
        step = max(1, AT_ONCE // template.size)
        for start in range(0, len(path), step):
            yield Step(start, len(path), "comparing in full")
            rows, cols = path[start : start + step].T
            there = windows[rows, cols].reshape(len(rows), -1)
            values[start : start + step] = self._value(there, template) * self.unit
        return values

    def _value(self, there: Values, template: Values) -> Values:
        if self._by_difference:
            return np.asarray(np.abs(there - template).mean(axis=1))
        channels = there.reshape(len(there), self._large.shape[2], -1)
        there = (channels - channels.mean(axis=2, keepdims=True)).reshape(len(there), -1)
        energy = (there * there).sum(axis=1)
        flat = (energy <= FLAT * template.size) | (self._energy <= FLAT * template.size)
        product = (there * template).sum(axis=1)
        return np.where(flat, 0.0, product / np.sqrt(np.where(flat, 1.0, energy * self._energy)))

    def bounds_steps(self, path: Positions, side: int) -> Generator[Step, None, Values]:
        """Return what the likeness at positions can be at best, by the sums of blocks."""
        edges = [np.append(np.arange(0, n, side), n) for n in self.shape]
        count = np.diff(edges[0])[:, None] * np.diff(edges[1])[None]
        known = _block_sums(_integral(self._small), np.zeros((1, 2), int), edges)[0]
        values = np.empty(len(path))
        step = max(1, AT_ONCE // known.size)
        for start in range(0, len(path), step):
            yield Step(start, len(path), f"comparing blocks of {side}")
            part = path[start : start + step]
            sums = _block_sums(self._sums, part, edges)
            if self._by_difference:
                bound = np.abs(sums - known).sum(axis=(1, 2, 3)) / self._small.size
            else:
                bound = self._correlation_bound(part, sums, known, count[..., None])
            values[start : start + step] = bound * self.unit
        return values

    def _correlation_bound(
        self, part: Positions, sums: Values, known: Values, count: Values
    ) -> Values:
        area = self.shape[0] * self.shape[1]
        whole = [np.array([0, n]) for n in self.shape]
        mean = sums.sum(axis=(1, 2), keepdims=True) / area
        squares = _block_sums(self._squares, part, whole)[:, 0, 0, 0]
        energy = squares - area * (mean[:, 0, 0] ** 2).sum(axis=1)
        flat = (energy <= FLAT * self._small.size) | (self._energy <= FLAT * self._small.size)
        scale = 1 / np.sqrt(np.where(flat, 1.0, energy))
        there = (sums / count - mean) * scale[:, None, None, None]
        here = known / count / np.sqrt(self._energy or 1.0)
        seen = (count * there * there).sum(axis=(1, 2, 3))
        own = float((count * here * here).sum())
        unseen = np.sqrt(np.maximum(1 - seen, 0) * max(1 - own, 0))
        bound = (count * there * here).sum(axis=(1, 2, 3)) + unseen
        # A patch that is constant but for rounding is worth 0 in full, and may be bounded by less.
        unsure = energy <= 2 * FLAT * self._small.size
        return np.asarray(np.where(unsure, np.maximum(bound, 0.0), bound))


def _check(large: Values, small: Values) -> None:
    fits = large.ndim == small.ndim == 3 and large.shape[2] == small.shape[2]
    if not fits or 0 in small.shape or (np.array(small.shape) > large.shape).any():
        raise MedRefineError(
            f"A template of shape {small.shape} does not fit on an image of shape {large.shape}."
        )
    if not (np.isfinite(large).all() and np.isfinite(small).all()):
        raise MedRefineError("The image or the template contains NaN or infinite values.")


def _integral(image: Values) -> Values:
    """Return the integral image: sums of everything above and to the left."""
    return np.pad(image, ((1, 0), (1, 0), (0, 0))).cumsum(0).cumsum(1)


def _block_sums(integral: Values, positions: Positions, edges: list[Positions]) -> Values:
    """Return ``(N, down, across, C)`` sums over the blocks between `edges`, from each position."""
    rows, cols = (positions[:, [k]] + edges[k] for k in (0, 1))
    corners = integral[rows[:, :, None], cols[:, None, :]]
    return np.asarray(np.diff(np.diff(corners, axis=1), axis=2))
