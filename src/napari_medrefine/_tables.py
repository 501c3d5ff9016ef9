"""Tables as CSV, for people and for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_medrefine._atomic import write_bytes
from napari_medrefine._names import as_text

Cell = str | float | None


def write_csv(path: Path, rows: Sequence[Mapping[str, Cell]], columns: Sequence[str]) -> None:
    """Write `rows` as CSV (UTF-8, which spreadsheets are told by a mark), whole or not at all."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns)
    table.writeheader()
    table.writerows(cells_of(row) for row in rows)
    write_bytes(path, text.getvalue().encode("utf-8-sig"))


def cells_of(row: Mapping[str, Cell]) -> dict[str, Cell]:
    """Return a row as it is written."""
    return {name: _safe(value) for name, value in row.items()}


def _safe(value: Cell) -> Cell:
    """Return text so that no spreadsheet takes it for a formula (OWASP, CSV injection)."""
    if not isinstance(value, str):
        return value
    return as_text(f"'{value}" if value[:1] in ("=", "+", "-", "@") else value)
