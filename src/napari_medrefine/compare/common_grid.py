"""Two images of one place on one grid, window by window, so that none is too large to compare."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_medrefine._resample import area_mean
from napari_medrefine.compare.evaluate import Sample
from napari_medrefine.compare.filters import Floats
from napari_medrefine.compare.intensity import IntensityMatch, fit_match
from napari_medrefine.compare.metrics import Mask
from napari_medrefine.compare.placed import Grid, Placed, sampled
from napari_medrefine.compare.protocols import Protocol
from napari_medrefine.compare.ranges import check_range, on_one_range
from napari_medrefine.compare.shift import Shift, measured_shift
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import check_image, from_unit, to_unit, white_of

if TYPE_CHECKING:
    from napari_medrefine.compare.pairs import Pair

Side = tuple[int, int]
Part = tuple[Side, Side]  # rows and columns of the input, the last ones excluded
_CONTEXT = 12  # input pixels around a window that methods may look at
_SMALLEST = 24  # input pixels on a side that an overlap must have
_WINDOW = 768  # grid pixels a side of what is compared at once
_SAMPLED = 6  # windows of a large part that stand for all
_FEW = 0.05  # share of a window below which it is left out
_APART = 3.0  # input pixels beyond which nothing is measured


@dataclass(frozen=True, eq=False)
class Common:
    """A pair on its common grid.

    Attributes
    ----------
    pair : Pair
        What was asked for.
    part : Part
        The rows and columns of the input around what counts.
    scale : float
        Grid pixels per input pixel.
    protocol : Protocol
        How a result, reduced, is compared with the input.
    match : IntensityMatch
        How the reference was brought to the input's intensities.
    shift : Shift
        What is left between reference and input.
    refused : dict
        Layers that cannot be measured, and why.
    white : float
        Of the input as a whole.
    """

    pair: Pair
    part: Part
    scale: float
    protocol: Protocol
    match: IntensityMatch
    shift: Shift
    refused: dict[str, str]
    white: float

    def grid(self, part: Part) -> Grid:
        """Return the grid of a part of the input."""
        sides = [high - low for low, high in part]
        shape = (round(sides[0] * self.scale), round(sides[1] * self.scale))
        return Grid((part[0][0], part[1][0]), (sides[0], sides[1]), shape)

    def window(self, part: Part) -> Sample:
        """Return a part of the input with its context, and the reference there, matched."""
        shape = self.pair.given.shape
        wide = tuple(
            (max(0, low - _CONTEXT), min(n, high + _CONTEXT))
            for (low, high), n in zip(part, shape, strict=False)
        )
        grid = self.grid((wide[0], wide[1]))
        given = self.pair.given[slice(*wide[0]), slice(*wide[1])]
        unit = to_unit(given, self.white)
        unit = unit[..., :3] if given.ndim == 3 else unit
        reference, mask = sampled(self.pair.reference, grid)
        unit, reference = _same_channels(unit, reference)
        sharp = np.clip(self.match.apply(reference, *grid.lines()), 0, 1)
        like = np.ones(1, np.uint8 if given.dtype == np.uint8 else np.float32)
        ready = {p.name: _on_grid(p, grid, unit.ndim) for p in self.layers}
        (r0, r1), (c0, c1) = part
        return Sample(
            f"{self.pair.name}, rows {r0} to {r1}, columns {c0} to {c1}",
            self.pair.slide,
            from_unit(sharp, like),
            from_unit(unit, like),
            mask & _within(grid, part),
            ready,
        )

    @property
    def layers(self) -> tuple[Placed, ...]:
        """The layers that can be measured."""
        return tuple(each for each in self.pair.layers if each.name not in self.refused)


def common_grid(pair: Pair) -> Common:
    """Find what counts, match intensities and measure how far the two are apart.

    Match and shift are those of the whole overlap, on the input's own pixels.

    Raises
    ------
    MedRefineError
        See `measure_steps`.
    """
    given = check_image(pair.given, "input")
    check_range(given, "The input")
    check_range(pair.reference.image, pair.reference.name)
    overlap = _covered(pair, ((0, given.shape[0]), (0, given.shape[1])))
    part = _covered(pair, (pair.rows or overlap[0], pair.cols or overlap[1]))
    (r0, r1), (c0, c1) = overlap
    low = given[r0:r1, c0:c1]
    white = white_of(given)
    unit = to_unit(low, white)[..., :3] if given.ndim == 3 else to_unit(low, white)
    grid = Grid((r0, c0), (r1 - r0, c1 - c0), (r1 - r0, c1 - c0))
    reference, mask = sampled(pair.reference, grid)
    unit, reference = _same_channels(unit, reference)
    match = fit_match(reference, unit, mask, pair.match, (r0, c0))
    matched = match.apply(reference, *grid.lines())
    shift = measured_shift(matched, unit, mask)
    if shift.length > _APART:
        raise MedRefineError(
            f"The two lie {shift.length:.1f} input pixels apart (rows {shift.rows:+.1f}, columns "
            f"{shift.cols:+.1f}), so that no number would mean anything; register them again."
        )
    scale = _scale(pair, part)
    refused = _refused(pair, grid, mask & _within(grid, part), matched)
    return Common(pair, part, scale, _protocol(pair, scale), match, shift, refused, white)


def windows(common: Common, *, sample: bool) -> tuple[list[Part], float]:
    """Return the parts to compare one after the other, and which share of all they are.

    Raises
    ------
    MedRefineError
        If nothing of it is covered.
    """
    side = max(_SMALLEST, round(_WINDOW / common.scale))
    rows, cols = (_divided(chosen, side) for chosen in common.part)
    every = [(row, col) for row in rows for col in cols]
    shares = np.array([_share(common, part) for part in every])
    there = [part for part, share in zip(every, shares, strict=True) if share > _FEW]
    if not there:
        raise MedRefineError("The overlap is too small to measure; choose a larger region.")
    if not sample or len(there) <= _SAMPLED:
        return _middle_first(there), 1.0
    full = [part for part, share in zip(every, shares, strict=True) if share > 0.9]
    full = full if len(full) >= _SAMPLED else there
    chosen = np.unique(np.linspace(0, len(full) - 1, _SAMPLED).round().astype(int))
    share = sum(_share(common, full[k]) for k in chosen) / float(shares.sum())
    return _middle_first([full[k] for k in chosen]), float(share)


def _middle_first(parts: list[Part]) -> list[Part]:
    """Return the same parts; the first one is what pictures are shown of."""
    middle = len(parts) // 2
    return [parts[middle], *parts[:middle], *parts[middle + 1 :]]


def _covered(pair: Pair, within: Part) -> Part:
    """Return the rows and columns of the input that the reference covers.

    Raises
    ------
    MedRefineError
        If they are too few.
    """
    (r0, r1), (c0, c1) = within
    step = max(1, min(r1 - r0, c1 - c0) // 200)
    lattice = np.meshgrid(np.arange(r0, r1, step), np.arange(c0, c1, step), indexing="ij")
    at = np.stack(lattice, -1).reshape(-1, 2)
    inside = at[pair.reference.covers(at.astype(np.float64))]
    sides = np.ptp(inside, axis=0) + step if len(inside) else np.zeros(2)
    if sides.min() < _SMALLEST:
        raise MedRefineError(
            f"Only {sides[0]:.0f} x {sides[1]:.0f} pixels of the input are covered by "
            f"{pair.reference.name} there; {_SMALLEST} x {_SMALLEST} are needed. Check the "
            "registration, or choose another region."
        )
    low = np.maximum(inside.min(0) - step + 1, (r0, c0))
    high = np.minimum(inside.max(0) + step, (r1, c1))
    return (int(low[0]), int(high[0])), (int(low[1]), int(high[1]))


def _scale(pair: Pair, part: Part) -> float:
    """Return how many times the input is divided: as asked, and never finer than the reference."""
    middle = np.array([sum(side) / 2 for side in part])
    has = max(1.0, pair.reference.reduction(middle))
    return has if pair.scale is None else min(pair.scale, has)


def _divided(chosen: Side, side: int) -> list[Side]:
    """Return about equal pieces of at most `side` pixels."""
    low, high = chosen
    edges = np.linspace(low, high, max(1, -(-(high - low) // side)) + 1).round().astype(int)
    return [(int(a), int(b)) for a, b in pairwise(edges)]


def _share(common: Common, part: Part) -> float:
    """Return how much of a part the reference covers, seen on a coarse grid."""
    sides = (part[0][1] - part[0][0], part[1][1] - part[1][0])
    points = Grid((part[0][0], part[1][0]), sides, (16, 16)).points((0, 16))
    return float(common.pair.reference.covers(points).mean())


def _within(grid: Grid, part: Part) -> Mask:
    """Return which pixels of a grid lie in a part of the input."""
    inside = [
        (line >= low - 0.5) & (line <= high - 0.5)
        for line, (low, high) in zip(grid.lines(), part, strict=True)
    ]
    return np.asarray(np.logical_and.outer(*inside))


def _same_channels(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Return both in colours, or both in grey where one is."""
    if first.ndim == second.ndim:
        return first, second
    return _grey(first), _grey(second)


def _grey(image: Floats) -> Floats:
    return np.asarray(image if image.ndim == 2 else image.mean(-1), np.float32)


def _on_grid(layer: Placed, grid: Grid, ndim: int) -> Floats:
    """Return a layer on the grid, in grey where that is what is compared."""
    unit, _ = sampled(layer, grid)
    return _grey(unit) if ndim == 2 else unit


def _refused(pair: Pair, grid: Grid, mask: Mask, matched: Floats) -> dict[str, str]:
    """Return why layers cannot be measured, seen on the input's pixels."""
    refused: dict[str, str] = {}
    for layer in pair.layers:
        try:
            check_range(layer.image, f"'{layer.name}'")
            unit, there = sampled(layer, grid)
            if (mask & ~there).sum() > 0.02 * mask.sum():
                raise MedRefineError("It does not cover all that is measured.")
            if unit.ndim < matched.ndim:
                raise MedRefineError("It is grey, what it is measured against is in colours.")
            on_one_range(unit if matched.ndim == unit.ndim else _grey(unit), matched, mask)
        except MedRefineError as error:
            refused[layer.name] = str(error)
    return refused


def _protocol(pair: Pair, scale: float) -> Protocol:
    what = "sharpen" if scale == 1 else f"magnify x{scale:.4g}"
    note = (
        f"Measured against {pair.reference.name}, on the pixels that the results have "
        f"(x{scale:.4g} of the input's): the reference is reduced onto them, never enlarged."
    )
    return Protocol(f"{pair.name} ({what})", scale, partial(_reduced, scale=scale), 1, note)


def _reduced(unit: Floats, scale: float) -> Floats:
    """Return means over the input's pixels."""
    shape = (round(unit.shape[0] / scale), round(unit.shape[1] / scale))
    return area_mean(unit, shape)
