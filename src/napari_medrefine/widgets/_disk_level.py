"""A level of an OME-Zarr photo as napari shows it, read with nothing but Zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medrefine.images import largest_of
from napari_medrefine.io.slides import Level

Pixels = npt.NDArray[Any]


def photo_level(array: Any, folder: Path, *, whole: bool) -> Level:
    """Return a level whose colours come last, with transparency.

    Zarr decodes a part of a screen's size in half the time that dask takes for the same chunks.

    Parameters
    ----------
    array : zarr.Array
        ``(channels, H, W)``.
    folder : Path
        Where it lies, for messages.
    whole : bool
        Whether all of it is written. If not, of colours what is black is transparent.

    Returns
    -------
    Level
        ``(H, W)``, ``(H, W, 4)`` of colours, or with other channels as they are.
    """
    channels, height, width = array.shape
    coloured = channels == 3
    values = () if channels == 1 else (channels + int(coloured),)
    most = largest_of(array.dtype)

    def pixels(rows: slice, cols: slice) -> Pixels:
        stored = np.asarray(array[:, rows, cols])
        if not coloured:
            return np.moveaxis(stored, 0, -1) if values else stored[0]
        shown = np.empty((*stored.shape[1:], 4), stored.dtype)
        shown[..., :3] = np.moveaxis(stored, 0, -1)
        shown[..., 3] = most if whole else most * stored.any(axis=0)
        return shown

    chunks = (*array.chunks[1:], *values)
    return Level(folder, (height, width, *values), array.dtype, chunks, pixels)
