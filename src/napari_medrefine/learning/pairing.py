"""From registered fields to pairs: resampled once, matched in intensity, judged block by block."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medrefine import __version__
from napari_medrefine._resample import cubic_taps
from napari_medrefine.compare.placed import Grid, Placed, sampled
from napari_medrefine.dataset.pair_files import (
    PairEntry,
    PairManifest,
    Refused,
    Source,
    StoredPair,
    Tone,
    sums,
)
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import colours_of, sha256_of, to_unit, white_of
from napari_medrefine.learning.blocks import SHARPER, Judged, judge
from napari_medrefine.learning.tone import ToneMatch, fit_tone
from napari_medrefine.progress import Step
from napari_medrefine.registration import Placement

Floats = npt.NDArray[np.float32]
MARGIN = 24  # overview pixels around a field: as far as the network sees, and a little more
_NEARLY = 0.9  # a field may have a little fewer pixels than its target
_LEAST = 32  # overview pixels a side below which a field teaches nothing
_USABLE = 0.2  # share of a field's blocks that must be usable
_SOFTER = 0.6  # of the sharpness of the median field: less is out of focus
_FEWEST = 3  # fields from which on they are compared with one another


@dataclass(frozen=True, eq=False)
class LearnField:
    """A photo of high magnification that was registered on the overview.

    Attributes
    ----------
    name : str
        What people call it.
    image : array
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``; uint8, uint16 or float.
    placement : Placement
        Where it lies.
    """

    name: str
    image: Any
    placement: Placement


@dataclass(frozen=True, eq=False)
class Paired:
    """Pairs in memory: their manifest, their images and where the fields lie, in one order."""

    manifest: PairManifest
    pairs: tuple[StoredPair, ...]
    placements: tuple[Placement, ...]


def pairs_steps(
    overview: Any,
    fields: Sequence[LearnField],
    *,
    name: str = "overview",
    zoom: int = 4,
    pixel_um: float | None = None,
) -> Generator[Step, None, Paired]:
    """Make a pair of every field that is fit for it; yield a `Step` for each.

    Parameters
    ----------
    overview : array
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``; of a lazy one only what lies under the fields is
        read.
    fields : sequence of LearnField
        Of this overview.
    name : str
        Of the overview.
    zoom : int
        Pixels of a target to one of the overview: as many as the network's largest step.
    pixel_um : float, optional
        Of the overview.

    Returns
    -------
    Paired
        Also what was refused, and why (``manifest.refused``).

    Raises
    ------
    MedRefineError
        If the overview is no image.
    """
    made: list[tuple[PairEntry, StoredPair, Placement]] = []
    refused: list[Refused] = []
    for done, field in enumerate(fields):
        now = Step(done, len(fields), f"pairing {field.name}")
        yield now
        source = Source(name=field.name, sha256=sha256_of(np.asarray(field.image)))
        try:
            job = _pair(overview, field, source, zoom, now)
            entry, pair = yield from job
        except MedRefineError as error:
            refused.append(Refused(field=source, reason=str(error)))
        else:
            made.append((entry, pair, field.placement))
    made, soft = _without_soft(made)
    entries, pairs, placements = zip(*made, strict=True) if made else ((), (), ())
    manifest = PairManifest(
        software=f"napari-medrefine {__version__}",
        overview=Source(name=name, sha256=sha256_of_overview(overview, fields)),
        zoom=zoom,
        pixel_um=pixel_um,
        pairs=entries,
        refused=(*refused, *soft),
    )
    return Paired(manifest, pairs, placements)


def sha256_of_overview(overview: Any, fields: Sequence[LearnField]) -> str:
    """Return the hash that the registration knows; of a lazy overview it has seen what we have."""
    if isinstance(overview, np.ndarray):
        return sha256_of(overview)
    known = next((f.placement.overview_sha256 for f in fields if f.placement.overview_sha256), "")
    return known or "0" * 64


def _pair(
    overview: Any, field: LearnField, source: Source, zoom: int, now: Step
) -> Generator[Step, None, tuple[PairEntry, StoredPair]]:
    """Make one pair; between its parts, which take about a second, it may be stopped."""
    _check(overview, field, zoom)
    first, shape = _window(field.placement)
    margin = (min(first[0], MARGIN), min(first[1], MARGIN))
    given = _part(overview, first, shape, margin)
    unit = to_unit(given)[margin[0] :, margin[1] :][: shape[0], : shape[1]]
    placed = Placed(field.name, field.image, field.placement.to_field)
    small, there = _sampled(placed, Grid(first, shape, shape))
    yield now
    tone = fit_tone(small, unit, there, first)
    small = tone.apply(small, *Grid(first, shape, shape).lines())
    yield now
    grid = Grid(first, shape, (zoom * shape[0], zoom * shape[1]))
    large, _ = _sampled(placed, grid)
    yield now
    target = tone.apply(large, *grid.lines())
    judged = judge(unit, small, target, _enlarged(unit, zoom), there)
    _check_usable(judged)
    pair = StoredPair(given, np.rint(target * 255).astype(np.uint8), judged.mask)
    return _entry(source, (first, shape, margin), tone, judged, pair), pair


def _check(overview: Any, field: LearnField, zoom: int) -> None:
    placement, shape = field.placement, tuple(np.shape(field.image)[:2])
    if not placement.accepted:
        raise MedRefineError(f"its place is not sure: {placement.reason}")
    if shape != tuple(placement.field_shape):
        raise MedRefineError(f"it has {shape} pixels, the placement {placement.field_shape}.")
    if tuple(overview.shape[:2]) != tuple(placement.overview_shape):
        raise MedRefineError("it was registered on an overview of another size.")
    if placement.ratio < _NEARLY * zoom:
        raise MedRefineError(
            f"at {placement.ratio:.1f} times the overview's resolution it is coarser than the "
            f"x{zoom} that is learned."
        )


def _window(placement: Placement) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return first pixel and shape of the overview's part that the field covers."""
    outline = placement.outline()
    low = np.maximum(np.floor(outline.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(outline.max(0)).astype(int) + 1, placement.overview_shape)
    if (high - low < _LEAST).any():
        raise MedRefineError(f"less than {_LEAST} x {_LEAST} pixels of the overview lie under it.")
    return (int(low[0]), int(low[1])), (int(high[0] - low[0]), int(high[1] - low[1]))


def _part(
    overview: Any, first: tuple[int, int], shape: tuple[int, int], margin: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """Return the overview around a field, in 8 bits and colours."""
    rows, cols = (
        slice(low - before, low + length + MARGIN)
        for low, length, before in zip(first, shape, margin, strict=True)
    )
    part = np.asarray(overview[rows, cols])
    white = white_of(overview)
    unit = part.astype(np.float32) / np.float32(white)
    levels = np.clip(np.rint(colours_of(unit) * 255), 0, 255)
    return np.asarray(levels, np.uint8)


def _sampled(placed: Placed, grid: Grid) -> tuple[Floats, npt.NDArray[np.bool_]]:
    image, there = sampled(placed, grid)
    return np.ascontiguousarray(colours_of(image)), there


def _enlarged(unit: Floats, zoom: int) -> Floats:
    """Return an image interpolated as the network's own interpolation does."""
    for axis in (0, 1):
        unit = cubic_taps(unit.shape[axis], zoom * unit.shape[axis]).applied(unit, axis)
    return unit


def _check_usable(judged: Judged) -> None:
    if judged.usable >= _USABLE:
        return
    worst = sorted(judged.left_out.items(), key=lambda item: -item[1])
    parts = ", ".join(f"{share:.0%} {reason}" for reason, share in worst)
    raise MedRefineError(f"only {judged.usable:.0%} of it can be learned from ({parts}).")


def _entry(
    source: Source,
    place: tuple[tuple[int, int], tuple[int, int], tuple[int, int]],
    tone: ToneMatch,
    judged: Judged,
    pair: StoredPair,
) -> PairEntry:
    first, shape, margin = place
    given, target, mask = sums(pair)
    return PairEntry(
        field=source,
        folder="pair",  # until it is clear which pairs there are
        first=first,
        shape=shape,
        margin=margin,
        tone=tuple(_tone(g, m.terms[0]) for g, m in zip(tone.gammas, tone.matches, strict=True)),
        shift=judged.shift,
        sharpness=judged.sharpness,
        usable=judged.usable,
        left_out=judged.left_out,
        input_sha256=given,
        target_sha256=target,
        mask_sha256=mask,
    )


def _tone(gamma: float, terms: npt.NDArray[np.float64]) -> Tone:
    offset, gain, *shading = (float(term) for term in terms)
    r, c, rr, rc, cc = shading
    return Tone(gamma=gamma, gain=gain, offset=offset, shading=(r, c, rr, rc, cc))


def _without_soft(
    made: list[tuple[PairEntry, StoredPair, Placement]],
) -> tuple[list[tuple[PairEntry, StoredPair, Placement]], list[Refused]]:
    """Leave out fields that are clearly softer than the others; number the rest anew."""
    kept: list[tuple[PairEntry, StoredPair, Placement]] = []
    refused: list[Refused] = []
    usual = float(np.median([entry.sharpness for entry, _, _ in made])) if made else 0.0
    for entry, pair, placement in made:
        if len(made) >= _FEWEST and entry.sharpness < _SOFTER * usual:
            reason = (
                f"out of focus: {entry.sharpness:.1f} times the overview's fine detail, where the "
                f"other fields have {usual:.1f} times (below {SHARPER:g} there is nothing to learn)"
            )
            refused.append(Refused(field=entry.field, reason=reason))
        else:
            renamed = entry.model_copy(update={"folder": f"pair-{len(kept) + 1:03d}"})
            kept.append((renamed, pair, placement))
    return kept, refused
