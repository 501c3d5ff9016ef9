"""Checkpoints: the whole state of a training in one file that is whole or not there at all."""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
from pydantic import Field, TypeAdapter
from pydantic_core import to_json
from torch import Tensor

from napari_medrefine._atomic import cannot, write_bytes
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.data import Tile
from napari_medrefine.superres.events import Stage, TrainingConfig
from napari_medrefine.superres.precision import Precision
from napari_medrefine.superres.run_folder import CHECKPOINT

_FORMAT = "medrefine-training"
_VERSION = 1
T = TypeVar("T")
Count = Annotated[int, Field(ge=0, lt=2**40)]


@dataclass(slots=True)
class Progress:
    """How far a training has come.

    Attributes
    ----------
    step : int
        Batches so far; the number of the next one.
    stage, stage_step, stage_epoch
        The stage, and its batches and epochs so far.
    epoch : int
        Epochs so far.
    best, stale
        The best validation loss of the first stage, and the epochs since.
    sums : dict
        Losses of this epoch's batches so far, added up.
    seconds : float
        Spent on this epoch so far.
    """

    step: Count = 0
    stage: Stage = "pixel"
    stage_step: Count = 0
    stage_epoch: Count = 0
    epoch: Count = 0
    best: float = math.inf
    stale: Count = 0
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint holds: settings, data, progress, networks, and the best weights so far."""

    config: TrainingConfig
    tiles: str
    precision: Precision
    progress: Progress
    networks: dict[str, Any]
    best: dict[str, Tensor] | None

    def save(self, folder: Path) -> None:
        """Write it into `folder`, in place of the last one.

        Raises
        ------
        MedRefineError
            If the disk is full or the folder read-only; the last checkpoint is then kept.
        """
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "config": self.config.model_dump_json(),
            "tiles": self.tiles,
            "precision": asdict(self.precision),
            "progress": asdict(self.progress),
            "networks": self.networks,
            "best": self.best,
        }
        # Not into the file: of a full disk torch says something about its own insides.
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write_bytes(folder / CHECKPOINT, buffer.getvalue())


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read the checkpoint in `folder`; nothing in it is run as a program.

    Raises
    ------
    MedRefineError
        If there is none, or it is damaged or of another version.
    """
    path = folder / CHECKPOINT
    try:
        content = read_state(path)
    except FileNotFoundError as error:
        raise MedRefineError(f"There is no training to resume in {folder}.") from error
    said = content.get("format") if isinstance(content, dict) else None
    if not isinstance(said, str) or said != _FORMAT:
        raise MedRefineError(f"Cannot read {path}: it is not a checkpoint of a training.")
    version = content.get("version")
    if not isinstance(version, int) or version != _VERSION:
        raise MedRefineError(f"Cannot read {path}: it was written by another version.")
    try:
        return Checkpoint(
            TrainingConfig.model_validate_json(content["config"]),
            str(content["tiles"]),
            _strictly(Precision, content["precision"]),
            _strictly(Progress, content["progress"]),
            _state(content["networks"]),
            None if content["best"] is None else _state(content["best"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MedRefineError(f"Cannot read {path}: parts of it are missing or wrong.") from error


def read_state(path: Path) -> Any:
    """Return what `torch.save` wrote to `path`; nothing in it is run as a program.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    MedRefineError
        If it is damaged, or a decompression bomb.
    """
    try:
        with zipfile.ZipFile(path) as parts:
            total = sum(part.file_size for part in parts.infolist())
        if total > path.stat().st_size:  # what we write is not compressed: no bomb can be in it
            raise MedRefineError(f"Cannot read {path}: it is damaged, not a checkpoint.")
        return torch.load(path, map_location="cpu", weights_only=True)
    except (MedRefineError, FileNotFoundError):
        raise
    except OSError as error:
        raise MedRefineError(cannot("read", path, error)) from error
    except Exception as error:  # damaged ones raise anything, from IndexError to AttributeError
        raise MedRefineError(f"Cannot read {path}: it is damaged, not a checkpoint.") from error


def _state(content: Any) -> dict[str, Any]:
    """Return `content` if it is a dict: torch looks into a tensor too, and warns of how."""
    if not isinstance(content, dict):
        raise TypeError(f"{type(content).__name__} is no state")
    return content


def _strictly(kind: type[T], content: Any) -> T:
    """Return `content` as a `kind`, by way of JSON: strictly, Python may not give a dict for it."""
    return TypeAdapter(kind).validate_json(to_json(content, inf_nan_mode="constants"), strict=True)


def check_same(saved: Checkpoint, config: TrainingConfig, tiles: str, folder: Path) -> None:
    """Refuse to go on with other settings or tiles: the result would be neither's.

    Raises
    ------
    MedRefineError
        Naming the first setting that differs.
    """
    old, new = saved.config.model_dump(), config.model_dump()
    for name, value in old.items():
        if value != new[name]:
            raise MedRefineError(
                f"The training in {folder} was started with {name} {value}, not {new[name]}; "
                "resume it with the same settings or choose another folder."
            )
    if saved.tiles != tiles:
        raise MedRefineError(
            f"The training in {folder} was started with other tiles; resume it with the same "
            "dataset or choose another folder."
        )


def split_sha256(*parts: Iterable[Tile]) -> str:
    """Return a hash of all tiles, their slides and their order; none is read for that."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"part")
        for tile in part:
            digest.update(f"{tile.slide} {tile.shape} ".encode())
            digest.update(tile.content)
    return digest.hexdigest()
