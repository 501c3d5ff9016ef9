"""The state of a fine-tuning in one file that is whole or not there at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.checkpoints import read_content, write_content

_FORMAT = "medrefine-learning"
_KEYS = {"pairs", "config", "fold", "looks", "best", "tuning"}


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write `state`, in place of the last one.

    Raises
    ------
    MedRefineError
        If the disk is full or the folder read-only; the last one is then kept.
    """
    write_content(path, {"format": _FORMAT, **state})


def load_state(path: Path) -> dict[str, Any] | None:
    """Read it, None where there is none; nothing in it is run as a program.

    Raises
    ------
    MedRefineError
        If it is damaged or something else.
    """
    if not path.exists():
        return None
    content = read_content(path, f"There is no {path}.")
    said = content.get("format") if isinstance(content, dict) else None
    if said != _FORMAT or _KEYS - content.keys():
        raise MedRefineError(f"Cannot read {path}: it is no checkpoint of a fine-tuning.")
    found: dict[str, Any] = content
    return found
