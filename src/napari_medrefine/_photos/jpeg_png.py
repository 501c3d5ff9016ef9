"""JPEG and PNG through Pillow, without what Pillow loses or warns about, or keeps in memory.

The plugin classes are used directly, not `PIL.Image.open`: that would need its process-wide limit
on pixels changed, which is not ours to change, and would guess at forty other formats.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from napari_medrefine._photos import scale
from napari_medrefine._photos.base import (
    Box,
    as_array,
    check_size,
    cmyk_as_rgb,
    orientation_of,
    strips,
    turn,
    turned_shape,
)
from napari_medrefine._photos.direct import jpeg_pixels, png_pixels
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.provenance import is_note

ORIENTATION, DESCRIPTION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 274, 270, 282, 283, 296
UNITS = {2: "inch", 3: "cm"}
_MUCH = 1.01  # times the pixels: of a larger file most is something else, and not worth reading
NOTE = "napari-medrefine"  # the keyword of our text in a PNG
EXACT = (1, 2, 4, 8, 16)  # sides for which Pillow's block means are rounded right
_GREY = {"1", "L"}
# Modes of a JPEG, and raw modes of a PNG, that can be decoded without Pillow; and their channels.
_JPEG = {"L": (), "RGB": (3,), "CMYK": (4,)}
_PNG = {"L": (), "RGB": (3,), "RGBA": (4,), "I;16B": (), "RGB;16B": (3,), "RGBA;16B": (4,)}
_WITH_ALPHA = {"RGBA", "LA", "PA", "La", "RGBa"}
# How Pillow unpacks 16-bit PNG: the raw mode whose result is the high bytes, and the one whose
# result is the low bytes. It has no mode that keeps both.
_HALVES = {"RGB;16B": ("RGB;16B", "RGB;16L"), "RGBA;16B": ("RGBA;16B", "RGBA;16L")}

_quiet = threading.Lock()  # warnings.catch_warnings is not safe in threads


class PillowPhoto:
    """An open JPEG or PNG file."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._file = file
        kind = PngImageFile if file.read(4) == b"\x89PNG" else JpegImageFile
        file.seek(0)
        with _quiet, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._image: Pillow.Image = kind(file, str(path))
            exif = Pillow.Exif()  # not getexif(): that decodes a whole PNG
            exif.load(self._image.info.get("exif", b""))
            self._orientation = orientation_of(exif.get(ORIENTATION))
            density = _number(exif.get(X_RESOLUTION)), _number(exif.get(Y_RESOLUTION))
            texts = [str(exif.get(DESCRIPTION, "")), str(self._image.info.get(NOTE, ""))]
        if self._image.mode == "P" and self._image.palette is None:
            raise MedRefineError("it is damaged: its colours are numbers, and it has no palette")
        self.note = next(filter(is_note, texts), "")
        self.texts: Sequence[str] = [text for text in texts if text != self.note]
        self._raw = str(self._image.tile[0].args) if self._image.format == "PNG" else ""
        self._deep = self._image.mode.startswith("I;16") or self._raw.endswith(";16B")
        self.dtype: np.dtype[np.generic] = np.dtype(np.uint16 if self._deep else np.uint8)
        width, height = self._image.size
        channels = {"grey": (), "RGB": (3,), "RGBA": (4,)}[self._kind()]
        raw_shape = (height, width, *channels)
        self._size = path.stat().st_size
        check_size(raw_shape, self.dtype.itemsize, self._size)
        self.shape = turned_shape(raw_shape, self._orientation)
        self.pixel_um = scale.square(
            scale.from_density(*density, UNITS.get(_whole(exif.get(RESOLUTION_UNIT)), ""))
        )
        if self.pixel_um is None:
            dpi = self._image.info.get("dpi", (0.0, 0.0))
            self.pixel_um = scale.square(scale.from_density(float(dpi[0]), float(dpi[1]), "inch"))

    def _kind(self) -> str:
        mode = self._image.mode
        keyed = "transparency" in self._image.info and not self._deep
        if mode in _WITH_ALPHA or keyed:
            return "RGBA"
        return "grey" if mode in _GREY or mode.startswith("I") else "RGB"

    def pixels(self) -> Image:
        """Decode the pixels, upright."""
        direct = self._direct_pixels()
        if direct is not None:
            return turn(direct, self._orientation)
        if self._deep:
            return turn(self._deep_pixels(), self._orientation)
        mode = {"grey": "L", "RGB": "RGB", "RGBA": "RGBA"}[self._kind()]
        return as_array(self._image, mode, self._orientation)

    def _direct_pixels(self) -> Image | None:
        """Decode the pixels as stored, in no more memory than they and the file take."""
        known, kind = (_PNG, self._raw) if self._raw else (_JPEG, self._image.mode)
        if kind not in known or "transparency" in self._image.info:
            return None
        shape = (self._image.height, self._image.width, *known[kind])
        if self._size > _MUCH * np.prod(shape, dtype=np.float64) * self.dtype.itemsize:
            return None
        content = self._content()
        if self._raw:
            return png_pixels(content, shape, self.dtype)
        pixels = jpeg_pixels(content, kind, shape)
        return cmyk_as_rgb(pixels) if pixels is not None and kind == "CMYK" else pixels

    def _content(self) -> bytes:
        before = self._file.tell()
        self._file.seek(0)
        content = self._file.read()
        self._file.seek(before)  # Pillow goes on from there
        return content

    def reduced(self, box: Box, side: int) -> npt.NDArray[np.uint8] | None:
        """Return the block means of a part without making an array of all pixels (slow)."""
        if self._image.mode != "RGB" or self._kind() != "RGB" or self._deep:
            return None
        if self._orientation != 1 or side not in EXACT:
            return None
        top, left, height, width = box
        part = self._image.reduce(side, (left, top, left + width, top + height))
        return np.asarray(part)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _deep_pixels(self) -> Image:
        channels = {"grey": (), "RGB": (3,), "RGBA": (4,)}[self._kind()]
        deep = np.zeros((self._image.height, self._image.width, *channels), np.uint16)
        if self._raw == "LA;16B":  # high and low byte of grey, then of alpha
            for rows, part in strips(self._unpacked("RGBA")):
                both = np.ascontiguousarray(part).view(">u2")
                deep[rows, :, :3], deep[rows, :, 3] = both[..., :1], both[..., 1]
        elif self._raw in _HALVES:
            for shift, raw in zip((8, 0), _HALVES[self._raw], strict=True):
                for rows, part in strips(self._unpacked(raw)):
                    deep[rows] |= np.asarray(part).astype(np.uint16) << shift
        else:
            for rows, part in strips(self._image):
                deep[rows] = np.asarray(part)
        return deep

    def _unpacked(self, raw_mode: str) -> Pillow.Image:
        self._file.seek(0)
        with _quiet, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = PngImageFile(self._file)
        image.tile = [image.tile[0]._replace(args=raw_mode)]
        return image


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 1


def _number(value: object) -> float:
    """Return an EXIF rational as a float, 0 where it is none (or divides by zero)."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
