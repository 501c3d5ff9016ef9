"""The versioned JSON files that say what a dataset or an atlas is, checked when read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from napari_medrefine._atomic import cannot, write_bytes
from napari_medrefine._names import as_text
from napari_medrefine._paths import read_file
from napari_medrefine.errors import MedRefineError

Record = TypeVar("Record", bound=BaseModel)


def read_record(file: Path, model: type[Record], what: str) -> Record:
    """Read and check a record; its `model` has the fields ``format`` and ``version``.

    Parameters
    ----------
    file : Path
        The file.
    model : type
        Whose defaults for ``format`` and ``version`` are what is expected.
    what : str
        What it should be, e.g. ``"an atlas"``.

    Raises
    ------
    MedRefineError
        If it is missing, damaged, something else, or of a newer version.
    """
    try:
        content = read_file(file)
    except OSError as error:
        raise MedRefineError(cannot("read", file, error)) from error
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MedRefineError(f"Cannot read {file}: it is damaged, not JSON{_at(error)}.") from error
    if not isinstance(data, dict) or data.get("format") != model.model_fields["format"].default:
        raise MedRefineError(f"Cannot read {file}: it is not {what}.")
    version, newest = data.get("version"), model.model_fields["version"].default
    if isinstance(version, int) and version > newest:
        raise MedRefineError(
            f"Cannot read {file}: it is of version {version}, newer than {newest}; update "
            "napari-medrefine."
        )
    try:
        return model.model_validate_json(content)
    except (ValidationError, MedRefineError) as error:
        raise MedRefineError(f"Cannot read {file}: {first_problem(error)}.") from error


def read_record_in(folder: Path, name: str, model: type[Record], what: str) -> Record:
    """Read and check the record that makes `folder` what it is, e.g. ``"training"``.

    Raises
    ------
    MedRefineError
        If there is none; else see `read_record`.
    """
    if not (folder / name).is_file():
        raise MedRefineError(f"There is no {what} in {folder}.")
    return read_record(folder / name, model, f"a {what}")


def record_of(found: Mapping[str, Any], model: type[Record], what: str) -> Record:
    """Check a record that stands inside a file of another kind; `what` begins a sentence.

    Raises
    ------
    MedRefineError
        If it is damaged, or of a newer version.
    """
    try:
        return model.model_validate_json(json.dumps(dict(found)))
    except (ValidationError, ValueError) as error:
        raise MedRefineError(
            f"{what} is damaged or of another version ({first_problem(error)})."
        ) from error


def write_record(file: Path, data: dict[str, Any]) -> None:
    """Write a record, whole or not at all; the same bytes for the same data.

    What is no text in it is written with marks, see `as_text`.
    """
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(file, as_text(text).encode() + b"\n")


def _at(error: Exception) -> str:
    if not isinstance(error, json.JSONDecodeError):
        return ""
    return f" (line {error.lineno}, column {error.colno})"


def first_problem(error: Exception) -> str:
    """Return the first thing that is wrong, in half a sentence."""
    if not isinstance(error, ValidationError):
        return str(error)
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    what = problem["msg"].removeprefix("Value error, ").partition(" for <class")[0].rstrip(".")
    return f"{where}: {what}" if where else what
