"""Measuring against a real photo of the same place: one grid, one match, the error of the place.

``finish(measure_steps(pair, methods))`` is all a caller needs. The two images may differ in pixel
size, angle, camera, dtype and channels; how they lie is known (`Placed`). Everything is compared on
the pixels that the methods' results have, and these are never finer than the reference's: a
reference that is interpolated to more pixels than it has would punish whatever is sharper. The
reference is brought to the input's intensities, once, so that every method meets the same one.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from napari_medrefine.compare.common_grid import Common, common_grid, windows
from napari_medrefine.compare.evaluate import (
    BLACK,
    NOTHING,
    Evaluation,
    Method,
    Summary,
    evaluate_steps,
)
from napari_medrefine.compare.intensity import Match
from napari_medrefine.compare.placed import Placed
from napari_medrefine.images import Image, white_level
from napari_medrefine.progress import Step

_TRUSTED = 0.25  # input pixels by which the two may be apart without a word


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
    sample : bool
        Measure on a few windows spread over the part, where it is large.
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
    sample: bool = False


@dataclass(frozen=True, eq=False)
class Measured:
    """What came of a pair.

    Attributes
    ----------
    evaluation : Evaluation
        A row per window and method; why methods were refused; crops.
    common : Common
        The grid, the match and what is left of a shift.
    share : float
        How much of the part was measured.
    notes : tuple of str
        Sentences that belong to the numbers.
    """

    evaluation: Evaluation
    common: Common
    share: float
    notes: tuple[str, ...]

    @property
    def scores(self) -> tuple[Summary, ...]:
        """What was measured and not refused, over all pixels, in the order given."""
        return tuple(one for one in self.evaluation.summaries() if one.method != BLACK)

    def score(self, method: str) -> Summary:
        """Return what `method` reached over all pixels."""
        return self.evaluation.summary(self.common.pair.slide, method)


def measure_steps(pair: Pair, methods: Mapping[str, Method]) -> Generator[Step, None, Measured]:
    """Measure the pair's layers and `methods` against its reference; yield a `Step` for each.

    Parameters
    ----------
    pair : Pair
        Images, places, region.
    methods : mapping of name to ``(image, scale) -> image``
        As for `evaluate_steps`; the scale need not be whole.

    Raises
    ------
    MedRefineError
        If the overlap is too small, the images are none, their ranges differ, or they are so far
        apart that no number would mean anything.
    """
    yield Step(0, 1, "Bringing both onto one grid ...")
    common = common_grid(pair)
    parts, share = windows(common, sample=pair.sample)
    job = evaluate_steps(
        (common.window(part) for part in parts),
        common.protocol,
        methods,
        total=len(parts),
        sanity=(NOTHING,),
    )
    found = yield from job
    refused = common.refused | found.refused
    evaluation = replace(found, refused=refused, pooled=True)
    return Measured(evaluation, common, share, _notes(pair, common, share))


def _notes(pair: Pair, common: Common, share: float) -> tuple[str, ...]:
    shift = common.shift
    notes = [common.protocol.note, common.match.words(), _registration_words(pair, common)]
    if share < 1:
        notes.append(f"Measured on windows spread evenly: {share:.0%} of the overlap.")
    if white_level(pair.given) != 255 or np.dtype(pair.reference.image.dtype) != pair.given.dtype:
        notes.append("Values of both were brought to one range, white at 255.")
    if shift.length > _TRUSTED:
        notes.append(
            f"Reference and input lie {shift.length:.2f} input pixels apart: this costs sharp "
            "results more than soft ones. Register again before you believe small differences."
        )
    return tuple(notes)


def _registration_words(pair: Pair, common: Common) -> str:
    """Say how exact the place is: what the registration promised, and what was measured."""
    shift = common.shift
    um = f" ({shift.length * pair.pixel_um:.2f} um)" if pair.pixel_um else ""
    measured = (
        f"measured residual shift {shift.length:.2f} input pixels{um}, rows {shift.rows:+.2f}, "
        f"columns {shift.cols:+.2f} (correlation {shift.before:.3f}, {shift.after:.3f} with it "
        "taken back)"
    )
    errors = {"standard error": pair.standard_error, "residual": pair.residual}
    promised = [f"{what} {value:.2f}" for what, value in errors.items() if value >= 0]
    words = f"by its own account {' and '.join(promised)} input pixels, " if promised else ""
    return f"Registration: {words}{measured}."
