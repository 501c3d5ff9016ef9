"""TIFF through tifffile, and through Pillow for what tifffile needs a codec package for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile
from PIL.TiffImagePlugin import TiffImageFile

from napari_medrefine._photos import ome_xml, scale
from napari_medrefine._photos.base import (
    MODES,
    Box,
    as_array,
    check_size,
    cmyk_as_rgb,
    orientation_of,
    turn,
    turned_shape,
)
from napari_medrefine._photos.tiff_kinds import check_codec, colours_refused, has_codec
from napari_medrefine._photos.tiff_pages import check_pages
from napari_medrefine._photos.tiff_pixels import (
    as_brightness,
    as_colours,
    as_whole,
    has_spare,
    read_series,
)
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.provenance import is_note

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
        check_pages(self._tiff)
        self._series = self._tiff.series[0]
        self._page = self._series.keyframe
        self._orientation = orientation_of(int(number_tag(self._page, "Orientation")))
        self._plain = self._page.photometric in _PLAIN
        shape = _photo_shape(self._series.axes, self._series.shape)
        _check_alone(self._tiff.series)
        if has_spare(self._page) or not self._plain:
            shape = (*shape[:2], 3)
        check_size(shape, self._series.dtype.itemsize, path.stat().st_size)
        self.shape: tuple[int, ...] = turned_shape(shape, self._orientation)
        stored = self._series.dtype
        self.dtype: np.dtype[np.generic] = np.dtype(_WHOLE.get(stored.name, stored.name))
        texts = texts_of(self._tiff, self._page)
        self.note = next(filter(is_note, texts), "")
        self.texts: Sequence[str] = [text for text in texts if text != self.note]
        self.pixel_um = scale.square(sides_um_of(self._tiff, self._page))

    def pixels(self) -> Image:
        """Decode the pixels, upright and channels last."""
        if not self._for_tifffile:
            return as_whole(self._by_pillow(), self.dtype)
        image = _channels_last(read_series(self._series), self._series.axes)
        image = as_brightness(image, self._page)
        if self._page.photometric == tifffile.PHOTOMETRIC.SEPARATED:
            image = cmyk_as_rgb(np.asarray(image, np.uint8))
        image = as_colours(as_whole(image, self.dtype), self._page)
        return turn(image, self._orientation)

    def reduced(self, box: Box, side: int) -> None:
        """Return None: it is no faster."""

    def close(self) -> None:
        """Close the file."""
        self._tiff.close()
        self._file.close()

    @property
    def _for_tifffile(self) -> bool:
        plain = self._plain or _is_jpeg_in_colour(self._page) or _is_cmyk(self._page)
        return plain and has_codec(self._page)

    def _by_pillow(self) -> Image:
        """Decode with Pillow, which turns a photo upright, and white to white, by itself."""
        page = self._page
        if page.bitspersample > 8 and page.samplesperpixel > 1:
            check_codec(page)
            raise colours_refused(page)
        self._file.seek(0)
        try:
            image = TiffImageFile(self._file)
        except SyntaxError as error:  # Pillow's, of all that it has no way to read
            check_codec(page)
            raise colours_refused(page) from error
        if not self._plain:
            return as_array(image, "RGB")
        return as_array(image, image.mode) if image.mode in MODES else np.asarray(image)


def _is_jpeg_in_colour(page: tifffile.TiffPage) -> bool:
    """Whether the decoder itself makes RGB of these pixels."""
    kind = page.photometric, page.compression
    return kind == (tifffile.PHOTOMETRIC.YCBCR, tifffile.COMPRESSION.JPEG)


def _is_cmyk(page: tifffile.TiffPage) -> bool:
    """Whether these are four inks as Pillow knows them."""
    inks = page.photometric == tifffile.PHOTOMETRIC.SEPARATED and page.samplesperpixel == 4
    return inks and page.dtype == np.uint8


def texts_of(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> list[str]:
    """Return what a file says in words: OME-XML, the page's description, ImageJ's notes."""
    texts = tiff.ome_metadata, page.description, (tiff.imagej_metadata or {}).get("Info")
    return [str(text) for text in texts if text]


def sides_um_of(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> scale.Sides | None:
    """Return the sides (um) of a page's pixels: from OME-XML, a scanner's words, or its tags."""
    height, width = page.imagelength, page.imagewidth
    texts = (ome_xml.image_part(text, height, width) or text for text in texts_of(tiff, page))
    if (sides := next(filter(None, map(scale.from_text, texts)), None)) is not None:
        return sides
    imagej_unit = str((tiff.imagej_metadata or {}).get("unit", ""))
    unit = imagej_unit or _UNITS.get(int(number_tag(page, "ResolutionUnit", 1)), "")
    x, y = number_tag(page, "XResolution"), number_tag(page, "YResolution")
    return scale.from_density(x, y, unit)


def number_tag(page: tifffile.TiffPage, name: str | int, default: float = 0.0) -> float:
    """Return a tag's number; of a ratio, the quotient."""
    value = page.tags.valueof(name, default)
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
    if channels not in (1, 3, 4):
        raise MedRefineError(f"it has {channels} channels; grey, RGB and RGBA can be read")
    return (height, width) if channels == 1 else (height, width, channels)


def _check_alone(series: Sequence[tifffile.TiffPageSeries]) -> None:
    """Refuse a file of several photos of one size: a thumbnail, label or macro has another."""
    kinds = [(one.shape, one.dtype) for one in series]
    alike = kinds.count(kinds[0])
    if alike > 1:
        raise MedRefineError(
            f"it holds {alike} images in one; save the one that is meant by itself"
        )


def _channels_last(image: Image, axes: str) -> Image:
    rows, cols = axes.index("Y"), axes.index("X")
    others = [axis for axis in range(image.ndim) if axis not in (rows, cols)]
    image = image.transpose(rows, cols, *others)
    channels = int(np.prod(image.shape[2:], dtype=np.int64))
    return image.reshape(image.shape[:2] if channels == 1 else (*image.shape[:2], channels))
