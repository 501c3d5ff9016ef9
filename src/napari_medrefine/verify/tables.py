"""The tables of an atlas, which people and spreadsheets read in place of its placements."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_medrefine._atomic import cannot
from napari_medrefine._paths import SMALL, is_there, read_file
from napari_medrefine._tables import Cell, cells_of
from napari_medrefine.atlas.covered import COLUMNS as COVERED_COLUMNS
from napari_medrefine.atlas.covered import coverage_rows
from napari_medrefine.atlas.folder import COVERED, TABLE, rows_of
from napari_medrefine.atlas.record import Atlas
from napari_medrefine.atlas.table import COLUMNS, DIGITS
from napari_medrefine.errors import MedRefineError
from napari_medrefine.verify.report import Report

_DIGITS = {**DIGITS, "share": 4}


def verify_tables(folder: Path, atlas: Atlas, report: Report) -> None:
    """Compare the tables beside an atlas with what its record and its placements say.

    Raises
    ------
    MedRefineError
        If a placement cannot be read.
    """
    tables: dict[str, tuple[Sequence[Mapping[str, Cell]], Sequence[str]]] = {
        TABLE: (rows_of(folder, atlas), tuple(COLUMNS)),
        COVERED: (coverage_rows(folder, atlas), COVERED_COLUMNS),
    }
    for name, (rows, columns) in tables.items():
        if not is_there(folder / name):
            report.remarks.append(f"{name} is not there.")
        elif wrong := _wrong(folder / name, rows, columns):
            report.problems.append(f"{name} says otherwise than the atlas: {wrong}.")
        else:
            report.confirmed.append(f"{name} says what the atlas says.")


def _wrong(path: Path, rows: Sequence[Mapping[str, Cell]], columns: Sequence[str]) -> str:
    """Return where a table is otherwise than it should be; nothing where it is not."""
    try:
        table = csv.DictReader(io.StringIO(read_file(path, SMALL).decode("utf-8-sig"), newline=""))
        there = list(table)
    except OSError as error:
        raise MedRefineError(cannot("read", path, error)) from error
    except (UnicodeDecodeError, csv.Error):
        return "it is no table"
    if tuple(table.fieldnames or ()) != tuple(columns):
        return "it has other columns"
    if len(there) != len(rows):
        return f"it has {len(there)} rows where {len(rows)} should be"
    for number, (found, row) in enumerate(zip(there, rows, strict=True), 2):
        cells = cells_of(row)
        if other := [name for name in columns if not _same(found[name], cells[name], name)]:
            return f"line {number}, {' and '.join(other)}"
    return ""


def _same(found: str | None, cell: Cell, column: str) -> bool:
    """Return whether a cell holds that; of what is rounded, the last digit may differ by one."""
    if found is None or cell is None or isinstance(cell, str):
        return (found or "") == (cell or "")
    try:
        return abs(float(found) - cell) < 1.5 * 10.0 ** -_DIGITS.get(column, 9)
    except ValueError:
        return False
