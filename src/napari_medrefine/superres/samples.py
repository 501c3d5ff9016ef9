"""What a training shows after each epoch: a sample picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional as nnf

from napari_medrefine._atomic import cannot, write_bytes
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.run_folder import GAP


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
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise MedRefineError(cannot("make the folder", path.parent, error)) from error
    write_bytes(path, buffer.getvalue())


def _levels(image: Tensor) -> npt.NDArray[np.uint8]:
    levels = (image.detach().float().cpu() * 255).round().clamp(0, 255)
    return levels.permute(1, 2, 0).numpy().astype(np.uint8)


def _join(images: list[npt.NDArray[np.uint8]], axis: int) -> npt.NDArray[np.uint8]:
    gap = np.full_like(images[0].take(range(GAP), axis=axis), 255)
    parts = [part for image in images for part in (image, gap)]
    return np.concatenate(parts[:-1], axis=axis)
