"""Importing spandrel, which knows the architectures of others' networks, when one is to be run.

Two of its networks take functions from torchvision: one for faces, one for inpainting, neither of
which is of use here. So spandrel goes without it: it brings torch's compiler, which takes seconds,
and, with a torch for CUDA, Triton, whose LLVM may crash beside the LLVM of the software OpenGL that
napari draws with (https://github.com/tensorflow/tensorflow/issues/124205 is of the same kind). And
the torchvision that pip brings does not load beside a torch for the CPU only.
"""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from napari_medrefine.errors import MedRefineError

_ONE_AT_A_TIME = threading.Lock()
_ABSENT = {
    "torchvision": (),
    "torchvision.transforms": (),
    "torchvision.transforms.functional": ("InterpolationMode", "normalize", "rotate"),
}


def spandrel(path: Path) -> Any:
    """Return the package spandrel.

    Parameters
    ----------
    path : Path
        The file that it is wanted for.

    Raises
    ------
    MedRefineError
        If it is not installed, or cannot be imported.
    """
    try:
        with _ONE_AT_A_TIME:  # or another thread would be given what has only begun
            if sys.modules.get("spandrel") is not None:
                return sys.modules["spandrel"]
            return _without_torchvision()
    except ModuleNotFoundError as error:
        if error.name not in ("spandrel", "einops"):
            raise
        raise MedRefineError(
            f"Cannot use {path}: it has no model card of napari-medrefine, and networks of others "
            "need one more package: pip install 'napari-medrefine[spandrel]'."
        ) from error


def _without_torchvision() -> ModuleType:
    """Import spandrel with stand-ins for what is never called here; leave no trace of them."""
    kept = {name: one for name, one in sys.modules.items() if name.split(".")[0] == "torchvision"}
    for name, attributes in _ABSENT.items():
        stand_in = ModuleType(name)
        for attribute in attributes:
            setattr(stand_in, attribute, None)
        sys.modules[name] = stand_in
    try:
        return import_module("spandrel")
    finally:
        for name in _ABSENT:
            del sys.modules[name]
        sys.modules.update(kept)
