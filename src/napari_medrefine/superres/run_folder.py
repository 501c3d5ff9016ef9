"""What the folder of a training holds, read and written without torch: the GUI looks here too."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from napari_medrefine._atomic import cannot, write_bytes
from napari_medrefine._paths import read_file
from napari_medrefine._records import read_record_in, write_record
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.events import Stage, TrainingConfig

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
SAMPLES = "samples"
FAITHFUL, GAN = "best.safetensors", "gan.safetensors"
RECORD = "medrefine-training.json"
GAP = 4  # white pixels between the parts of a sample picture


class RunRecord(BaseModel):
    """What a training was started with, so that resuming it needs no questions.

    Attributes
    ----------
    dataset : Path
        The prepared dataset or the folder of photos.
    config : TrainingConfig
        The settings.
    finished : bool
        Whether it came to its end, which may be earlier than planned.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal["medrefine-training"] = "medrefine-training"
    version: Literal[1] = 1
    dataset: Path
    config: TrainingConfig
    finished: bool = False


def write_run(
    folder: Path, dataset: Path, config: TrainingConfig, *, finished: bool = False
) -> None:
    """Note in `folder` what is trained there, on what, and whether that has come to its end."""
    record = RunRecord(dataset=dataset.absolute(), config=config, finished=finished)
    write_record(folder / RECORD, record.model_dump(mode="json"))


def read_run(folder: Path) -> RunRecord:
    """Return what the training in `folder` was started with.

    Raises
    ------
    MedRefineError
        If there is none, or its record is damaged.
    """
    return read_record_in(folder, RECORD, RunRecord, "training")


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of a training's log.

    Attributes
    ----------
    epoch, epochs : int
        Its number, from 1, and how many were planned at that time.
    stage : {"pixel", "adversarial"}
    losses : mapping
        By name, means over the epoch.
    validation, psnr, plain_psnr : float
        Of the held-out slides, as in `TrainingEvent`.
    seconds : float
        The epoch took.
    """

    epoch: int
    epochs: int
    stage: Stage
    losses: Mapping[str, float]
    validation: float
    psnr: float
    plain_psnr: float
    seconds: float = 0.0


_EPOCH = TypeAdapter(Epoch)


def read_log(folder: Path) -> list[Epoch]:
    """Return the epochs that the log in `folder` tells of; none where there is no log.

    Raises
    ------
    MedRefineError
        If it cannot be read, or is no log of a training.
    """
    try:
        return [_EPOCH.validate_json(line) for line in _whole_lines(folder / LOG)]
    except ValidationError as error:
        raise MedRefineError(f"Cannot read {folder / LOG}: it is damaged.") from error


def _whole_lines(path: Path) -> list[str]:
    """Return the lines of a log; the last one may still be being written, and is left out."""
    try:
        lines = read_file(path).decode().split("\n")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise MedRefineError(f"Cannot read {path}: it is damaged.") from error
    except OSError as error:
        raise MedRefineError(cannot("read", path, error)) from error
    return [f"{line}\n" for line in lines[:-1]]


def add_to_log(folder: Path, line: Mapping[str, object]) -> None:
    """Append `line` to the log as JSON.

    Raises
    ------
    MedRefineError
        If it cannot be written; what is cut off then, `keep_log` takes away.
    """
    path = folder / LOG
    try:
        with path.open("ab") as file:
            file.write(f"{json.dumps(line)}\n".encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise MedRefineError(cannot("write", path, error)) from error


def keep_log(folder: Path, epochs: int) -> None:
    """Drop what the log says of epochs after `epochs`: those will be trained again.

    Raises
    ------
    MedRefineError
        As `read_log`; nothing is dropped then.
    """
    if (folder / LOG).exists():
        lines = zip(_whole_lines(folder / LOG), read_log(folder), strict=True)
        kept = [line for line, told in lines if told.epoch <= epochs]
        write_bytes(folder / LOG, "".join(kept).encode())


def sample_path(folder: Path, epoch: int) -> Path:
    """Return the path of the sample picture of `epoch`, from 1."""
    return folder / SAMPLES / f"epoch-{epoch:03d}.png"


def samples_in(folder: Path) -> list[Path]:
    """Return the sample pictures in `folder`, by epoch."""
    return sorted((folder / SAMPLES).glob("epoch-*.png"))


def split_sample(picture: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], ...]:
    """Return the columns of a sample picture: input, generated, sharp.

    Parameters
    ----------
    picture : ndarray
        uint8 ``(H, 3 w + 2 GAP, 3)``, as `samples.save_sample` writes it.

    Returns
    -------
    tuple of ndarray
        Three of ``(H, w, 3)``.
    """
    width = (picture.shape[1] - 2 * GAP) // 3
    starts = (k * (width + GAP) for k in range(3))
    return tuple(picture[:, start : start + width] for start in starts)
