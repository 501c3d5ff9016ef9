"""The atlas as a table: one row for every photo, for people and for spreadsheets."""

from __future__ import annotations

from napari_medrefine._tables import Cell
from napari_medrefine.atlas.record import PhotoRecord
from napari_medrefine.registration import Placement

COLUMNS = {
    "photo": "the photo's file",
    "role": "overview, field, refused or unreadable",
    "overview": "the overview it lies on; of a refused one the best guess",
    "objective": "magnification, as far as known beforehand",
    "ratio": "how many of its pixels make one of the overview's",
    "angle": "degrees by which it is turned",
    "row": "where its middle lies on the overview, in pixels",
    "column": "where its middle lies on the overview, in pixels",
    "on_overview": "share of it that lies on the overview, 0 to 1",
    "score": "likeness of field and overview, -1 to 1",
    "standard_error": "of its position, in overview pixels",
    "residual": "how far its parts would rather be, in overview pixels",
    "sha256": "of the file",
    "reason": "why it was placed or refused",
}
DIGITS = {
    "ratio": 4, "angle": 3, "row": 2, "column": 2, "on_overview": 3, "score": 3,
    "standard_error": 3, "residual": 3,
}  # fmt: skip


def row_of(photo: PhotoRecord, place: Placement | None) -> dict[str, Cell]:
    """Return the row of a photo, a value for each of `COLUMNS`."""
    row: dict[str, Cell] = dict.fromkeys(COLUMNS)
    row |= {
        "photo": photo.source,
        "role": photo.role,
        "overview": photo.overview,
        "objective": photo.objective,
        "sha256": photo.sha256,
        "reason": photo.reason,
    }
    if place is not None:
        height, width = place.field_shape
        middle = place.to_overview([[(height - 1) / 2, (width - 1) / 2]])[0]
        numbers = {
            "ratio": place.ratio,
            "angle": place.angle,
            "row": float(middle[0]),
            "column": float(middle[1]),
            "on_overview": place.overlap,
            "score": place.score,
            "standard_error": place.standard_error,
            "residual": place.residual,
        }
        known = {name: value for name, value in numbers.items() if value == value}
        row |= {name: round(value, DIGITS[name]) for name, value in known.items()}
    return row
