"""Measuring against a real photo of the same place: one grid, one match, the error of the place.

``finish(measure_steps(pair, methods))`` is all a caller needs. The two images may differ in pixel
size, angle, camera, dtype and channels; how they lie is known (`Placed`). Everything is compared on
the pixels that the methods' results have, and these are never finer than the reference's: a
reference that is interpolated to more pixels than it has would punish whatever is sharper.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

import numpy as np

from napari_medrefine.compare.evaluate import Evaluation, Method, Sample, evaluate_steps
from napari_medrefine.compare.filters import Floats, resized
from napari_medrefine.compare.intensity import IntensityMatch, Match, fit_match
from napari_medrefine.compare.metrics import Mask
from napari_medrefine.compare.placed import Grid, Placed, sampled
from napari_medrefine.compare.protocols import Protocol
from napari_medrefine.compare.ranges import check_range, on_one_range
from napari_medrefine.compare.shift import Shift, measured_shift
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image, from_unit, to_unit, white_level
from napari_medrefine.progress import Step, retold
from PIL import Image as Pillow

_CONTEXT = 8  # input pixels around the overlap that methods may look at
_SMALLEST = 24  # input pixels on a side that an overlap must have
_LEAST = 16 * 16 * 4  # grid pixels that must count
_MOST = 40_000_000  # grid pixels
_TRUSTED = 0.25  # input pixels by which the two may be apart without a word
_APART = 3.0  # input pixels beyond which nothing is measured


@dataclass(frozen=True, eq=False)
class Pair:
    """What to measure, and against what.

    Attributes
    ----------
    name, slide : str
        For tables.
    given : image
        What the methods are given: the 4x, the blurred photo.
    reference : Placed
        What they are measured against; its way begins at the pixels of `given`.
    scale : float, optional
        Pixels of the result per pixel of `given`, at least 1; less is taken where the reference has
        no more. Default: as many as it has.
    layers : tuple of Placed
        Results that are there already, as they are.
    rows, cols : (int, int), optional
        The part of `given` that counts; default all of it that the reference covers.
    match : {"none", "gain", "shading"}
        See `compare.intensity`.
    pixel_um : float, optional
        Of `given`.
    standard_error, residual : float
        Of the registration, in pixels of `given`; NaN where unknown.
    """

    name: str
    slide: str
    given: Image
    reference: Placed
    scale: float | None = None
    layers: tuple[Placed, ...] = ()
    rows: tuple[int, int] | None = None
    cols: tuple[int, int] | None = None
    match: Match = "gain"
    pixel_um: float | None = None
    standard_error: float = float("nan")
    residual: float = float("nan")


@dataclass(frozen=True, eq=False)
class Measured:
    """What came of a pair.

    Attributes
    ----------
    evaluation : Evaluation
        Its rows, as of every other evaluation.
    grid : Grid
        The pixels that were compared, as parts of the input's.
    share : float
        How much of the grid counts.
    match : IntensityMatch
        How the reference was brought to the input's intensities.
    shift : Shift
        What is left between reference and input.
    notes : tuple of str
        Sentences that belong to the numbers.
    """

    evaluation: Evaluation
    grid: Grid
    share: float
    match: IntensityMatch
    shift: Shift
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, eq=False)
class _Ready:
    """A pair on one grid."""

    sample: Sample
    protocol: Protocol
    grid: Grid
    match: IntensityMatch
    shift: Shift
    layers: dict[str, Image]
    refused: dict[str, str]


def measure_steps(
    pair: Pair, methods: Mapping[str, Method], layers_first: bool = True
) -> Generator[Step, None, Measured]:
    """Measure `methods` and the pair's layers against its reference; yield a `Step` for each.

    Parameters
    ----------
    pair : Pair
        Images, places, region.
    methods : mapping of name to ``(image, scale) -> image``
        As for `evaluate_steps`.
    layers_first : bool
        Whether the layers' rows come before the methods'.

    Raises
    ------
    MedRefineError
        If the overlap is too small or too large, the images are none, their ranges differ, or they
        are so far apart that no number would mean anything.
    """
    yield Step(0, 1, "Bringing both onto one grid ...")
    ready = prepare(pair)
    shown = {name: _as_it_is(image) for name, image in ready.layers.items()}
    both = shown | dict(methods) if layers_first else dict(methods) | shown
    job = evaluate_steps([ready.sample], ready.protocol, both)
    evaluation = yield from retold(job, lambda step: Step(step.done, step.total, step.text))
    refused = ready.refused | evaluation.refused
    evaluation = Evaluation(ready.protocol, evaluation.rows, refused, evaluation.crops)
    share = float(np.mean(ready.sample.mask)) if ready.sample.mask is not None else 1.0
    notes = _notes(pair, ready)
    return Measured(evaluation, ready.grid, share, ready.match, ready.shift, notes)


def prepare(pair: Pair) -> _Ready:
    """Bring a pair onto one grid, match intensities and measure how far the two are apart.

    Raises
    ------
    MedRefineError
        See `measure_steps`.
    """
    given = check_image(pair.given, "input")
    check_range(given, "The input")
    given = given[..., :3] if given.ndim == 3 else given
    part = _overlap(pair, given.shape[:2])
    (r0, r1), (c0, c1) = part
    cut = np.ascontiguousarray(given[r0:r1, c0:c1])
    scale = _scale(pair, part)
    shape = (round(cut.shape[0] * scale), round(cut.shape[1] * scale))
    grid = Grid((r0, c0), cut.shape[:2], shape)
    if np.prod(shape) > _MOST:
        raise MedRefineError(
            f"{np.prod(shape) / 1e6:.0f} megapixels would be compared; choose a smaller region."
        )
    unit = to_unit(cut)
    reference, mask = sampled(pair.reference, grid)
    unit, reference = _same_channels(unit, reference)
    low, low_mask = _on_input(reference, mask, unit.shape[:2])
    low_mask &= _counted(pair, (r0, c0), low_mask.shape, (1.0, 1.0))
    match = fit_match(low, unit, low_mask, pair.match)
    shift = measured_shift(match.apply(low), unit, low_mask)
    _check_apart(shift)
    mask &= _counted(pair, (r0, c0), shape, (float(grid.zoom[0]), float(grid.zoom[1])))
    if mask.sum() < _LEAST:
        raise MedRefineError("The overlap is too small to measure; choose a larger region.")
    sharp = np.clip(match.apply(reference), 0, 1)
    deep = cut.dtype != np.uint8
    like = np.ones(1, np.float32) if deep else cut
    back = from_unit(unit, like), from_unit(sharp, like)
    sample = Sample(pair.name, pair.slide, back[1], back[0], mask)
    layers, refused = _layers(pair, grid, mask, back[1])
    return _Ready(sample, _protocol(pair, scale), grid, match, shift, layers, refused)


def _overlap(pair: Pair, shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the rows and columns of the input around what counts, with some context.

    Raises
    ------
    MedRefineError
        If too little of it counts.
    """
    rows, cols = pair.rows or (0, shape[0]), pair.cols or (0, shape[1])
    step = max(1, min(rows[1] - rows[0], cols[1] - cols[0]) // 200)
    at = np.stack(
        np.meshgrid(np.arange(*rows, step), np.arange(*cols, step), indexing="ij"), -1
    ).reshape(-1, 2)
    inside = at[pair.reference.covers(at.astype(np.float64))]
    sides = np.ptp(inside, axis=0) + step if len(inside) else np.zeros(2)
    if sides.min() < _SMALLEST:
        raise MedRefineError(
            f"Only {sides[0]:.0f} x {sides[1]:.0f} pixels of the input are covered by "
            f"{pair.reference.name} there; {_SMALLEST} x {_SMALLEST} are needed. Check the "
            "registration, or choose another region."
        )
    low = np.maximum(inside.min(0) - step - _CONTEXT, 0)
    high = np.minimum(inside.max(0) + step + _CONTEXT + 1, shape)
    return (int(low[0]), int(high[0])), (int(low[1]), int(high[1]))


def _scale(pair: Pair, part: tuple[tuple[int, int], tuple[int, int]]) -> float:
    """Return how many times the input is divided: as asked, and never finer than the reference."""
    middle = np.array([sum(side) / 2 for side in part])
    has = max(1.0, pair.reference.reduction(middle))
    return has if pair.scale is None else min(pair.scale, has)


def _counted(pair: Pair, first: tuple[int, int], shape: tuple[int, ...], zoom: tuple[float, float]) -> Mask:
    """Return which pixels of a grid that begins at `first` lie in the chosen region."""
    counted = []
    for chosen, begin, n, times in zip((pair.rows, pair.cols), first, shape, zoom, strict=True):
        at = (np.arange(n) + 0.5) / times - 0.5 + begin
        low, high = chosen or (-np.inf, np.inf)
        counted.append((at >= low - 0.5) & (at <= high - 0.5))
    return np.asarray(np.logical_and.outer(*counted))


def _same_channels(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Return both in colours, or both in grey where one is."""
    if first.ndim == second.ndim:
        return first, second
    grey = [np.asarray(x if x.ndim == 2 else x.mean(-1), np.float32) for x in (first, second)]
    return grey[0], grey[1]


def _on_input(image: Floats, mask: Mask, shape: tuple[int, ...]) -> tuple[Floats, Mask]:
    """Return means over the input's pixels, and where all of what they are made of is there."""
    size = (shape[0], shape[1])
    there = resized(mask.astype(np.float32), size, Pillow.Resampling.BOX)
    return resized(image, size, Pillow.Resampling.BOX), np.asarray(there > 0.999)


def _check_apart(shift: Shift) -> None:
    if shift.length > _APART:
        raise MedRefineError(
            f"The two lie {shift.length:.1f} input pixels apart (rows {shift.rows:+.1f}, columns "
            f"{shift.cols:+.1f}), so that no number would mean anything; register them again."
        )


def _layers(
    pair: Pair, grid: Grid, mask: Mask, sharp: Image
) -> tuple[dict[str, Image], dict[str, str]]:
    """Return the pair's layers on the grid, and why others cannot be measured."""
    layers: dict[str, Image] = {}
    refused: dict[str, str] = {}
    for placed in pair.layers:
        try:
            check_range(placed.image, f"'{placed.name}'")
            unit, there = sampled(placed, grid)
            missing = mask & ~there
            if missing.sum() > 0.02 * mask.sum():
                raise MedRefineError("It does not cover what is measured.")
            unit = _same_channels(unit, to_unit(sharp))[0]
            if missing.any():
                unit[missing] = to_unit(sharp)[missing].mean(0)
            if unit.shape != sharp.shape:
                raise MedRefineError("It is grey, what it is measured against is in colours.")
            on_one_range(unit, to_unit(sharp), mask)
            layers[placed.name] = unit
        except MedRefineError as error:
            refused[placed.name] = str(error)
    return layers, refused


def _as_it_is(unit: Image) -> Method:
    return lambda *_: unit


def _protocol(pair: Pair, scale: float) -> Protocol:
    """Return how the input comes from a result: the means over its pixels."""

    def reduce(unit: Floats) -> Floats:
        shape = (round(unit.shape[0] / scale), round(unit.shape[1] / scale))
        return resized(unit, shape, Pillow.Resampling.BOX)

    what = "sharpen" if scale == 1 else f"magnify x{scale:.4g}"
    note = (
        f"Measured against {pair.reference.name}, on the pixels that the results have "
        f"(x{scale:.4g} of the input's), onto which the reference is reduced, never enlarged."
    )
    return Protocol(f"{pair.name} ({what})", scale, reduce, 1, note)


def _notes(pair: Pair, ready: _Ready) -> tuple[str, ...]:
    notes = [ready.protocol.note, ready.match.words(), _registration_words(pair, ready.shift)]
    if ready.sample.given is not None and white_level(ready.sample.given) != white_level(pair.given):
        notes.append("All values were brought to one range before they were compared.")
    if ready.shift.length > _TRUSTED:
        notes.append(
            f"Reference and input lie {ready.shift.length:.2f} input pixels apart: this costs sharp "
            "results more than soft ones. Register again before you believe small differences."
        )
    return tuple(notes)


def _registration_words(pair: Pair, shift: Shift) -> str:
    """Say how exact the place is: what the registration promised, and what was measured."""
    um = f" ({shift.length * pair.pixel_um:.2f} um)" if pair.pixel_um else ""
    measured = (
        f"measured residual shift {shift.length:.2f} input pixels{um}, rows {shift.rows:+.2f}, "
        f"columns {shift.cols:+.2f} (correlation {shift.before:.3f}, {shift.after:.3f} with it "
        "taken back)"
    )
    promised = [
        f"{what} {value:.2f}"
        for what, value in (
            ("standard error", pair.standard_error),
            ("residual", pair.residual),
        )
        if value >= 0
    ]
    words = f"by its own account {' and '.join(promised)} input pixels, " if promised else ""
    return f"Registration: {words}{measured}."
