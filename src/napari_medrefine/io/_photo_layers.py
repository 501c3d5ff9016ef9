"""What can be saved as a photo of a dataset, and how it is read, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_medrefine._names import as_text
from napari_medrefine.dataset.layer_state import LayerAttributes
from napari_medrefine.dataset.recipe import SPLITS, Split
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.io._layer_attributes import keep, pixel_um
from napari_medrefine.io._layers import layer_facts

BLOCK = 2048  # pixels a side that are read at a time, unless a chunk is larger
_DTYPES = ("uint8", "uint16", "float16", "float32", "float64")


@dataclass(frozen=True, slots=True)
class PhotoLayer:
    """An image layer that can be saved.

    Attributes
    ----------
    name : str
        The layer's.
    data : array
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``; NumPy, dask, zarr, ...
    attributes : LayerAttributes
        What is kept of it besides the pixels.
    pixel_um, objective : float or None
        Side of a pixel in micrometres, and magnification, where they are known.
    source, slide, split, tile
        What was known of the photo when it was opened; None where nothing was.
    """

    name: str
    data: Any
    attributes: LayerAttributes
    pixel_um: float | None
    objective: float | None
    source: str
    slide: str | None
    split: Split | None
    tile: int | None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.data.shape[0]), int(self.data.shape[1])

    @property
    def channels(self) -> int:
        """0 for grey, else 3 or 4."""
        return int(self.data.shape[2]) if len(self.data.shape) == 3 else 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its pixels, in this machine's byte order."""
        dtype: np.dtype[Any] = np.dtype(self.data.dtype).newbyteorder("=")
        return dtype


def photo_layer(data: Any, state: Mapping[str, Any], kind: str) -> PhotoLayer:
    """Return a layer (napari's ``as_layer_data_tuple``) as one that can be saved.

    Of a multiscale layer it is the full resolution.

    Raises
    ------
    MedRefineError
        If it cannot be a photo of a dataset, saying why.
    """
    name, data = image_of(data, state, kind)
    _check_photo(name, data, rgb=bool(state.get("rgb", len(data.shape) == 3)))
    facts = layer_facts(data, state.get("metadata"))
    return PhotoLayer(
        name=name,
        data=data,
        attributes=keep(name, state),
        pixel_um=pixel_um(state) or _positive(facts.get("pixel_um")),
        objective=_positive(facts.get("objective")),
        source=_source(facts.get("source")) or name[:1024],
        slide=_text(facts.get("slide")),
        split=next((split for split in SPLITS if split == facts.get("split")), None),
        tile=_side(facts.get("tile")),
    )


def blocks(layer: PhotoLayer, side: int) -> Iterator[tuple[int, int, Image]]:
    """Read a layer in blocks of whole tiles; yield each with its first row and column.

    A block holds some whole chunks of lazy data, so that few are read more than once.
    """
    chunks = getattr(layer.data, "chunksize", None) or getattr(layer.data, "chunks", None)
    sizes = [_whole_chunks(chunk) for chunk in chunks[:2]] if chunks else [BLOCK, BLOCK]
    high, wide = (max(1, -(-min(size, n) // side)) * side
                  for size, n in zip(sizes, layer.shape, strict=True))  # fmt: skip
    for y in range(0, layer.shape[0], high):
        for x in range(0, layer.shape[1], wide):
            block = np.asarray(layer.data[y : y + high, x : x + wide])
            yield y, x, block.astype(layer.dtype, copy=False)


def image_of(data: Any, state: Mapping[str, Any], kind: str) -> tuple[str, Any]:
    """Return a layer's name and its pixels in full resolution.

    Raises
    ------
    MedRefineError
        If it is no image, or there is nothing in it.
    """
    name = as_text(str(state.get("name") or "layer"))
    said = " ".join(name.split())  # line ends are not for messages
    if kind != "image":
        raise MedRefineError(
            f"Cannot save '{said}': it is a {kind} layer, and only images are saved so."
        )
    if state.get("multiscale"):
        if getattr(data, "shape", None) == () or not len(data):
            raise MedRefineError(f"Cannot save '{said}': it is empty.")
        data = data[0]
    data = data if hasattr(data, "shape") and hasattr(data, "dtype") else np.asarray(data)
    if 0 in data.shape:
        raise MedRefineError(f"Cannot save '{said}': it is empty (shape {tuple(data.shape)}).")
    if np.dtype(data.dtype).newbyteorder("=").name not in _DTYPES:
        raise MedRefineError(
            f"Cannot save '{said}': its pixels are {data.dtype}, and only uint8, uint16 and float "
            "are saved so; convert the layer first."
        )
    return name, data


def _check_photo(name: str, data: Any, *, rgb: bool) -> None:
    shape = tuple(data.shape)
    if len(shape) != 2 + rgb or (rgb and shape[2] not in (3, 4)):
        raise MedRefineError(
            f"Cannot save '{name}': its shape is {shape}, and a dataset holds single 2-D images, "
            "grey or RGB; save it as OME-TIFF or OME-Zarr, or extract one plane first."
        )


def _whole_chunks(chunk: Any) -> int:
    """Return the side of as many chunks as make about a block."""
    side = int(max(chunk)) if isinstance(chunk, tuple | list) else int(chunk)
    return side * max(1, BLOCK // side)


def _positive(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < float("inf") else None


def _text(value: Any) -> str | None:
    return as_text(value) if isinstance(value, str) and 0 < len(value) <= 1024 else None


def _source(value: Any) -> str | None:
    """Return where a photo came from, without the folders of this machine."""
    text = _text(value)
    return Path(text).name or None if text and Path(text).is_absolute() else text


def _side(value: Any) -> int | None:
    return value if isinstance(value, int) and 32 <= value <= 8192 else None
