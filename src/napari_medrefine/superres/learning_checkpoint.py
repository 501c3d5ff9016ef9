"""The state of a fine-tuning in one file that is whole or not there at all."""

from __future__ import annotations

from pathlib import Path
from types import NoneType
from typing import Any

import torch

from napari_medrefine._atomic import replacing
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.checkpoints import read_state

_FORMAT = "medrefine-learning"
_KINDS: dict[str, tuple[type, ...]] = {
    "pairs": (str,),
    "config": (str,),
    "fold": (int,),
    "looks": (list,),
    "best": (dict, NoneType),
    "tuning": (dict, NoneType),
}


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write `state`, in place of the last one.

    Raises
    ------
    MedRefineError
        If the disk is full or the folder read-only; the last one is then kept.
    """
    with replacing(path) as file:
        torch.save({"format": _FORMAT, **state}, file)


def load_state(path: Path) -> dict[str, Any] | None:
    """Read it, None where there is none; nothing in it is run as a program.

    Raises
    ------
    MedRefineError
        If it is damaged or something else.
    """
    try:
        content = read_state(path)
    except FileNotFoundError:
        return None
    said = content.get("format") if isinstance(content, dict) else None
    if not isinstance(said, str) or said != _FORMAT:
        raise MedRefineError(f"Cannot read {path}: it is no checkpoint of a fine-tuning.")
    if not all(name in content and type(content[name]) in kinds for name, kinds in _KINDS.items()):
        raise MedRefineError(f"Cannot read {path}: parts of it are missing or wrong.")
    return dict(content)
