"""What a training shows and writes down after each epoch: sample pictures and a log."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional as nnf

from napari_medrefine._atomic import write_bytes

LOG = "log.jsonl"
SAMPLES = "samples"
_GAP = 4


def sample_path(folder: Path, epoch: int) -> Path:
    """Return the path of the sample picture of `epoch`, from 1."""
    return folder / SAMPLES / f"epoch-{epoch:03d}.png"


def save_sample(path: Path, blurred: Tensor, generated: Tensor, sharp: Tensor) -> None:
    """Write a picture, one row per crop: input (its pixels visible), generated, sharp.

    Parameters
    ----------
    path : Path
        Where to; its folder is made.
    blurred, generated, sharp : Tensor
        ``(N, 3, h, w)`` and twice ``(N, 3, H, W)``, white at 1.
    """
    visible = nnf.interpolate(blurred, size=sharp.shape[-2:], mode="nearest")
    rows = [
        _join([_levels(image) for image in row], axis=1)
        for row in zip(visible, generated, sharp, strict=True)
    ]
    buffer = io.BytesIO()
    Pillow.fromarray(_join(rows, axis=0)).save(buffer, "PNG")
    path.parent.mkdir(exist_ok=True)
    write_bytes(path, buffer.getvalue())


def _levels(image: Tensor) -> npt.NDArray[np.uint8]:
    levels = (image.detach().float().cpu() * 255).round().clamp(0, 255)
    return levels.permute(1, 2, 0).numpy().astype(np.uint8)


def _join(images: list[npt.NDArray[np.uint8]], axis: int) -> npt.NDArray[np.uint8]:
    gap = np.full_like(images[0].take(range(_GAP), axis=axis), 255)
    parts = [part for image in images for part in (image, gap)]
    return np.concatenate(parts[:-1], axis=axis)


def keep_log(folder: Path, epochs: int) -> None:
    """Drop what the log says of epochs after `epochs`: those will be trained again."""
    path = folder / LOG
    if path.exists():
        lines = path.read_text().splitlines(keepends=True)
        kept = [
            line for line in lines if line.endswith("\n") and json.loads(line)["epoch"] <= epochs
        ]
        write_bytes(path, "".join(kept).encode())


def add_to_log(folder: Path, line: Mapping[str, object]) -> None:
    """Append `line` to the log as JSON."""
    with (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
