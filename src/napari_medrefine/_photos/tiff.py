"""TIFF through tifffile, and through Pillow for what tifffile needs a codec package for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile
from PIL.TiffImagePlugin import TiffImageFile

from napari_medrefine._photos import scale
from napari_medrefine._photos.base import Box, check_size, turn, turned_shape
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image

# tifffile tells its troubles to a logger; without a handler Python would print them.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

# Values that are grey or colour as they are.
_PLAIN = {
    tifffile.PHOTOMETRIC.MINISBLACK,
    tifffile.PHOTOMETRIC.MINISWHITE,
    tifffile.PHOTOMETRIC.RGB,
}
_UNITS = {2: "inch", 3: "cm"}
_WHOLE = {
    "bool": "uint8",
    "int8": "uint8",
    "int16": "uint16",
    "int32": "uint16",
    "uint32": "uint16",
}


class TiffPhoto:
    """An open TIFF file; of a pyramid or a file with a label image, the first and largest image."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._file = file
        self._tiff = tifffile.TiffFile(file)
        self._series = self._tiff.series[0]
        self._page = self._series.keyframe
        self._orientation = int(self._tag("Orientation", 1))
        self._plain = self._page.photometric in _PLAIN
        shape = _photo_shape(self._series.axes, self._series.shape)
        shape = shape if self._plain else (*shape[:2], 3)
        check_size(shape, self._series.dtype.itemsize, path.stat().st_size)
        self.shape: tuple[int, ...] = turned_shape(shape, self._orientation)
        stored = self._series.dtype
        self.dtype: np.dtype[np.generic] = np.dtype(_WHOLE.get(stored.name, stored.name))
        imagej = self._tiff.imagej_metadata or {}
        texts = self._tiff.ome_metadata, self._page.description, imagej.get("Info")
        self.texts: Sequence[str] = [str(text) for text in texts if text]
        self.pixel_um = self._pixel_um(str(imagej.get("unit", "")))

    def pixels(self) -> Image:
        """Decode the pixels, upright and channels last."""
        image = self._decode()
        if self._plain:
            image = _channels_last(image, self._series.axes)
        if self._page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            image = np.invert(image) if image.dtype.kind in "bu" else image.max() - image
        return turn(_whole(image, self.dtype), self._orientation)

    def reduced(self, box: Box, side: int) -> None:
        """Return None: it is no faster."""

    def close(self) -> None:
        """Close the file."""
        self._tiff.close()
        self._file.close()

    def _decode(self) -> Image:
        page = self._page
        known = page.compression in tifffile.TIFF.DECOMPRESSORS
        if self._plain and known and page.predictor in tifffile.TIFF.UNPREDICTORS:
            return np.asarray(self._series.asarray())
        if page.bitspersample > 8 and page.samplesperpixel > 1:
            codec = tifffile.COMPRESSION(page.compression).name
            raise MedRefineError(
                f"its {codec} compression needs another package: pip install imagecodecs"
            )
        self._file.seek(0)
        image = TiffImageFile(self._file)
        return np.asarray(image if self._plain else image.convert("RGB"))

    def _pixel_um(self, imagej_unit: str) -> float | None:
        sizes = (scale.from_text(text) for text in self.texts)
        if (size := next((s for s in sizes if s is not None), None)) is not None:
            return size
        unit = imagej_unit or _UNITS.get(int(self._tag("ResolutionUnit", 1)), "")
        return scale.from_density(self._tag("XResolution"), self._tag("YResolution"), unit)

    def _tag(self, name: str, default: float = 0.0) -> float:
        value = self._page.tags.valueof(name, default)
        if isinstance(value, tuple):
            return value[0] / value[1] if len(value) == 2 and value[1] else default
        return float(value)


def _photo_shape(axes: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return (H, W) or (H, W, channels) of a series, or say that it is no single photo."""
    size = dict(zip(axes, shape, strict=True))
    height, width = size.pop("Y", 0), size.pop("X", 0)
    channels = size.pop("S", None) or (size.pop("C") if size.get("C") in (3, 4) else 1)
    planes = int(np.prod(list(size.values()), dtype=np.int64))
    if planes != 1:
        raise MedRefineError(
            f"it holds {planes} images in one; save the one that is meant by itself"
        )
    return (height, width) if channels == 1 else (height, width, channels)


def _channels_last(image: Image, axes: str) -> Image:
    rows, cols = axes.index("Y"), axes.index("X")
    others = [axis for axis in range(image.ndim) if axis not in (rows, cols)]
    image = image.transpose(rows, cols, *others)
    channels = int(np.prod(image.shape[2:], dtype=np.int64))
    return image.reshape(image.shape[:2] if channels == 1 else (*image.shape[:2], channels))


def _whole(image: Image, dtype: np.dtype[np.generic]) -> Image:
    """Return whole numbers of other types as `dtype`, where they fit."""
    if image.dtype == dtype or image.dtype.kind not in "biu":
        return image
    if image.dtype == np.bool_:
        return image.astype(np.uint8) * np.uint8(255)
    lowest, highest = int(image.min()), int(image.max())
    if lowest < 0 or highest > np.iinfo(str(dtype)).max:
        raise MedRefineError(f"its values go from {lowest} to {highest}; 0 to 65535 can be shown")
    return image.astype(dtype)
