"""Generators ready to run: read, checked, mixed and converted once, until their files change."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from napari_medrefine.superres.cards import Task
from napari_medrefine.superres.generator import Generator
from napari_medrefine.superres.models import files_for, model_for
from napari_medrefine.superres.precision import Precision, inference_precision

_KEPT = 8


def ready_generator(task: Task, realism: float = 0.0, model: str | Path | None = None) -> Generator:
    """Return the generator to run on images, on the device and in the dtype of this machine.

    Shared by all who ask for it: not to be changed. `models.model_for` returns one's own.

    Parameters
    ----------
    task, realism, model
        See `models.model_for`.

    Raises
    ------
    MedRefineError
        As `models.model_for`.
    """
    files = tuple(_File.now(path) for path in files_for(task, realism, model))
    return _ready(task, realism, model, files, inference_precision())


def converted(generator: Generator, precision: Precision) -> Generator:
    """Move `generator` to the device, dtype and memory order of `precision`, and return it.

    One that may not round goes to the device only: it is as its makers ran it.
    """
    if not generator.may_round:
        return generator.to(device=precision.device)
    generator = precision.network(generator.eval().requires_grad_(requires_grad=False))
    dtype: torch.dtype = getattr(torch, precision.dtype)
    return generator.to(dtype=dtype)


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it is now; equal as long as nobody writes it."""

    path: Path
    changed: int
    size: int
    number: int

    @classmethod
    def now(cls, path: Path) -> _File:
        state = path.stat()
        return cls(path.resolve(), state.st_mtime_ns, state.st_size, state.st_ino)


@lru_cache(maxsize=_KEPT)
def _ready(
    task: Task,
    realism: float,
    model: str | Path | None,
    files: tuple[_File, ...],  # noqa: ARG001 - once they change, this is another call
    precision: Precision,
) -> Generator:
    return converted(model_for(task, realism, model).generator, precision)
