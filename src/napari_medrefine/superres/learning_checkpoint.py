"""The state of a fine-tuning in one file that is whole or not there at all."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from napari_medrefine._atomic import cannot, replacing
from napari_medrefine.errors import MedRefineError

_FORMAT = "medrefine-learning"
_KEYS = {"pairs", "config", "fold", "looks", "best", "tuning"}


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
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MedRefineError(cannot("read", path, error)) from error
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError) as error:
        raise MedRefineError(f"Cannot read {path}: it is damaged, not a checkpoint.") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT or _KEYS - content.keys():
        raise MedRefineError(f"Cannot read {path}: it is no checkpoint of a fine-tuning.")
    return content
