"""How much of each overview of an atlas was photographed through each objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_medrefine.atlas.record import Atlas, PhotoRecord, load_placement
from napari_medrefine.registration import Placement
from napari_medrefine.registration.coverage import Coverage, coverage

NOMINAL = (2, 2.5, 4, 5, 10, 15, 16, 20, 25, 40)  # ratios of usual objectives
NEAR = 0.08  # log ratio within which one is meant
COLUMNS = ("overview", "photographed at", "share")
MISSING = "missing"
Placed = tuple[PhotoRecord, Placement]
Row = dict[str, str | float]


def coverage_of(slide: PhotoRecord, placed: Sequence[Placed]) -> Coverage:
    """Return how much of an overview was photographed through each objective."""
    known = {slide.objective * ratio: float(ratio) for ratio in NOMINAL} if slide.objective else {}
    known |= {photo.objective: place.ratio for photo, place in placed if photo.objective}
    fields: dict[str, list[Placement]] = {}
    for photo, place in placed:
        fields.setdefault(_objective_name(photo, place, known), []).append(place)
    return coverage(slide.shape or (1, 1), fields)


def _objective_name(photo: PhotoRecord, place: Placement, known: Mapping[float, float]) -> str:
    """Return what a field's objective is called: ``40x``, or by its ratio where it is unknown.

    `known` are objectives and their ratios to this overview: one magnification has one name.
    """
    if photo.objective:
        return f"{photo.objective:g}x"
    alike = _nearest(place.ratio, known)
    if alike is not None:
        return f"{alike:g}x"
    nominal = _nearest(place.ratio, {ratio: ratio for ratio in NOMINAL})
    return f"{nominal or place.ratio:.2g} times the overview"


def _nearest(ratio: float, ratios: Mapping[float, float]) -> float | None:
    """Return the key whose value is nearest to `ratio`, None where none is near enough."""
    apart = {key: abs(np.log(ratio / value)) for key, value in ratios.items()}
    best = min(apart, key=apart.__getitem__, default=None)
    return None if best is None or apart[best] >= NEAR else best


def placed_on(path: str | Path, atlas: Atlas, slide: PhotoRecord) -> list[Placed]:
    """Return the fields of a slide with their placements, the finest last."""
    fields = [(photo, load_placement(path, photo)) for photo in atlas.fields_of(slide.source)]
    known = [(photo, place) for photo, place in fields if place is not None]
    return sorted(known, key=lambda field: field[1].ratio)


def coverage_rows(path: str | Path, atlas: Atlas) -> list[Row]:
    """Return the share of every overview that each objective covers, and what is missing.

    Parameters
    ----------
    path : path
        The atlas's file or folder.
    atlas : Atlas
        What `load_atlas` read from it.
    """
    slides = [(slide, placed_on(path, atlas, slide)) for slide in atlas.overviews]
    return [
        row for slide, placed in slides for row in rows_about(slide, coverage_of(slide, placed))
    ]


def rows_about(slide: PhotoRecord, found: Coverage) -> list[Row]:
    """Return the share of one overview that each objective covers, and what is missing."""
    shares = [*found.shares.items(), (MISSING, found.missing)]
    return [
        dict(zip(COLUMNS, (slide.source, name, round(share, 4)), strict=True))
        for name, share in shares
    ]


def describe_coverage(rows: Sequence[Row]) -> list[str]:
    """Return a sentence for every overview in what `coverage_rows` returns."""
    said: dict[str, list[str]] = {}
    for row in rows:
        overview, name, share = (row[column] for column in COLUMNS)
        said.setdefault(str(overview), []).append(f"{name} {share:.1%}")
    return [f"{overview}: {', '.join(shares)}." for overview, shares in said.items()]
