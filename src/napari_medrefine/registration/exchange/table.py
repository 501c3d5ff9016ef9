"""All placements as one table (CSV), a row for every field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from napari_medrefine._tables import Cell, write_csv
from napari_medrefine.registration.exchange.sides import Sides
from napari_medrefine.registration.placement import Placement

CORNERS = ("first", "right", "opposite", "below")  # clockwise from the first pixel
COLUMNS = (
    "field", "overview", "accepted", "reason", "method", "ratio", "angle", "mirrored", "overlap",
    "score", "false_alarms", "residual", "standard_error",
    "m00", "m01", "m02", "m10", "m11", "m12",
    *(f"{corner}_{axis}" for corner in CORNERS for axis in ("row", "col")),
    "lens_field", "lens_overview", "lost_by_affine",
    "field_rows", "field_cols", "overview_rows", "overview_cols",
    "field_um_row", "field_um_col", "overview_um_row", "overview_um_col",
    "field_sha256", "overview_sha256", "version",
)  # fmt: skip


def write_table(path: Path, placed: Sequence[tuple[Placement, Sides]]) -> None:
    """Write a row for every placement; ``m00`` to ``m12`` map (row, col), field to overview.

    Corners are outer ones, in overview pixels; errors, residuals and what the affine loses too.
    """
    write_csv(path, [row_of(*one) for one in placed], COLUMNS)


def row_of(place: Placement, sides: Sides) -> dict[str, Cell]:
    """Return a value for each of `COLUMNS`; None where nothing is known."""
    corners = zip(CORNERS, place.corners(), strict=True)
    row: dict[str, Cell] = {
        "field": place.field_name or sides.field.name,
        "overview": place.overview_name or sides.overview.name,
        "accepted": "yes" if place.accepted else "no",
        "reason": place.reason,
        "method": place.method,
        "ratio": place.ratio,
        "angle": place.angle,
        "mirrored": "yes" if place.mirrored else "no",
        "overlap": place.overlap,
        "score": place.score,
        "false_alarms": place.false_alarms,
        "residual": place.residual,
        "standard_error": place.standard_error,
        **{f"m{i}{j}": float(place.matrix[i, j]) for i in range(2) for j in range(3)},
        **{
            f"{name}_{a}": float(x)
            for name, c in corners
            for a, x in zip(("row", "col"), c, strict=True)
        },
        "lens_field": place.distortion.field.strength if place.distortion else 0.0,
        "lens_overview": place.distortion.overview.strength if place.distortion else 0.0,
        "lost_by_affine": place.lost_by_affine,
        **_sizes("field", place.field_shape, sides.field.pixel_um),
        **_sizes("overview", place.overview_shape, sides.overview.pixel_um),
        "field_sha256": place.field_sha256,
        "overview_sha256": place.overview_sha256,
        "version": place.version,
    }
    return {name: _known(value) for name, value in row.items()}


def _sizes(
    name: str, shape: tuple[int, int], pixel_um: tuple[float, float] | None
) -> dict[str, Cell]:
    rows, cols = pixel_um or (None, None)
    return {
        f"{name}_rows": shape[0],
        f"{name}_cols": shape[1],
        f"{name}_um_row": rows,
        f"{name}_um_col": cols,
    }


def _known(value: Cell) -> Cell:
    return None if isinstance(value, float) and not math.isfinite(value) else value
