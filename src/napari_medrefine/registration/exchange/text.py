"""Reading small text files of other programs, damaged ones included."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_medrefine._atomic import cannot
from napari_medrefine._paths import SMALL, read_file
from napari_medrefine.errors import MedRefineError


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises
    ------
    MedRefineError
        If it cannot be read, is no text, or too large to be a transform.
    """
    try:
        return read_file(path, SMALL).decode("utf-8-sig")
    except OSError as error:
        raise MedRefineError(cannot("read", path, error)) from error
    except UnicodeDecodeError as error:
        raise MedRefineError(f"{path} is no text.") from error


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises
    ------
    MedRefineError
        As `read_text`; or if there is none.
    """
    try:
        data = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, MedRefineError):
            raise
        raise MedRefineError(f"{path} is damaged, not JSON.") from error
    if not isinstance(data, dict):
        raise MedRefineError(f"{path} holds no transform.")
    return data


def finite(words: Sequence[Any], path: Path) -> list[float]:
    """Return numbers, all finite.

    Raises
    ------
    MedRefineError
        If one is not.
    """
    try:
        numbers = [float(word) for word in words]
    except (TypeError, ValueError) as error:
        raise MedRefineError(f"{path} is damaged: a number is none.") from error
    if not all(math.isfinite(number) for number in numbers):
        raise MedRefineError(f"{path} is damaged: a number is not finite.")
    return numbers
