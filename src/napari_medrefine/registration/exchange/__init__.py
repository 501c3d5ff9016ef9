"""Placements in other programs' terms, there and back: one module a format.

ours (JSON), ITK (``.tfm``), QuPath (text and JSON), napari's clipboard (JSON), a table (CSV).
OME-Zarr scenes hold the pictures too: see `napari_medrefine.io.scene`.
"""

from __future__ import annotations

from napari_medrefine.registration.exchange.formats import (
    FORMATS,
    Format,
    format_of,
    read_placement,
    write_placement,
)
from napari_medrefine.registration.exchange.sides import Side
from napari_medrefine.registration.exchange.table import write_table

__all__ = [
    "FORMATS",
    "Format",
    "Side",
    "format_of",
    "read_placement",
    "write_placement",
    "write_table",
]
