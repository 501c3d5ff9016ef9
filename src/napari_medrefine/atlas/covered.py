"""How much of each overview of an atlas was photographed through each objective."""

from __future__ import annotations

from collections.abc import Sequence
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


def coverage_of(slide: PhotoRecord, placed: Sequence[Placed]) -> Coverage:
    """Return how much of an overview was photographed through each objective."""
    fields: dict[str, list[Placement]] = {}
    for photo, place in placed:
        fields.setdefault(objective_name(photo, place), []).append(place)
    return coverage(slide.shape or (1, 1), fields)


def objective_name(photo: PhotoRecord, place: Placement) -> str:
    """Return what a field's objective is called: ``40x``, or by its ratio where it is unknown."""
    if photo.objective:
        return f"{photo.objective:g}x"
    nominal = min(NOMINAL, key=lambda ratio: abs(np.log(place.ratio / ratio)))
    near = abs(np.log(place.ratio / nominal)) < NEAR
    return f"{nominal if near else place.ratio:.2g} times the overview"


def placed_on(path: str | Path, atlas: Atlas, slide: PhotoRecord) -> list[Placed]:
    """Return the fields of a slide with their placements, the finest last."""
    fields = [(photo, load_placement(path, photo)) for photo in atlas.fields_of(slide.source)]
    known = [(photo, place) for photo, place in fields if place is not None]
    return sorted(known, key=lambda field: field[1].ratio)


def coverage_rows(path: str | Path, atlas: Atlas) -> list[dict[str, str | float]]:
    """Return the share of every overview that each objective covers, and what is missing.

    Parameters
    ----------
    path : path
        The atlas's file or folder.
    atlas : Atlas
        What `load_atlas` read from it.
    """
    rows: list[dict[str, str | float]] = []
    for slide in atlas.overviews:
        found = coverage_of(slide, placed_on(path, atlas, slide))
        for name, share in [*found.shares.items(), (MISSING, found.missing)]:
            rows.append(dict(zip(COLUMNS, (slide.source, name, round(share, 4)), strict=True)))
    return rows


def describe_coverage(rows: Sequence[dict[str, str | float]]) -> list[str]:
    """Return a sentence for every overview in what `coverage_rows` returns."""
    said: dict[str, list[str]] = {}
    for row in rows:
        overview, name, share = (row[column] for column in COLUMNS)
        said.setdefault(str(overview), []).append(f"{name} {share:.1%}")
    return [f"{overview}: {', '.join(shares)}." for overview, shares in said.items()]
