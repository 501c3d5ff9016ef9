"""Writing photos: PNG, JPEG and TIFF, with the pixel size in the file."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from napari_medrefine._photos.jpeg_png import (
    DESCRIPTION,
    NOTE,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    Y_RESOLUTION,
)
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, to_unit

UM_PER_CM, UM_PER_M, UM_PER_INCH = 1e4, 1e6, 25_400.0
JPEG_SIDE = 65_500  # libjpeg's limit
CHUNK_ROWS = 256


def write_tiff(file: BinaryIO, image: Image, pixel_um: float | None, note: str = "") -> None:
    """Write `image` as it is, losslessly compressed; `note` becomes its description."""
    density = UM_PER_CM / pixel_um if pixel_um else None
    tifffile.imwrite(
        file,
        image,
        photometric="minisblack" if image.ndim == 2 else "rgb",
        extrasamples=["unassalpha"] if image.ndim == 3 and image.shape[2] == 4 else None,
        compression="zlib",
        resolution=(density, density) if density else None,
        resolutionunit="CENTIMETER" if density else None,
        description=note or None,
        metadata=None,
    )


def write_jpeg(file: BinaryIO, image: Image, pixel_um: float | None, note: str = "") -> None:
    """Write `image` with 8 bits and no transparency (what JPEG can hold), at high quality."""
    if max(image.shape[:2]) > JPEG_SIDE:
        raise MedRefineError(
            f"JPEG holds at most {JPEG_SIDE:,} pixels a side, not {image.shape[1]:,} x "
            f"{image.shape[0]:,}; write PNG or TIFF."
        )
    exif = Pillow.Exif()
    if pixel_um:
        exif[X_RESOLUTION] = exif[Y_RESOLUTION] = UM_PER_CM / pixel_um
        exif[RESOLUTION_UNIT] = 3  # per centimetre
    if note:
        exif[DESCRIPTION] = note
    picture = Pillow.fromarray(flatten(to_8_bits(image)))
    picture.save(file, "JPEG", quality=95, subsampling=0, exif=exif)


def write_png(file: BinaryIO, image: Image, pixel_um: float | None, note: str = "") -> None:
    """Write uint8 and uint16 as they are; floats with 16 bits."""
    if image.dtype.kind == "f":
        image = np.rint(np.clip(to_unit(image), 0, 1) * 65535).astype(np.uint16)
    if image.dtype == np.uint16:
        _write_deep_png(file, image, pixel_um, note)
        return
    dpi = {"dpi": (UM_PER_INCH / pixel_um,) * 2} if pixel_um else {}
    told = PngInfo()
    if note:
        told.add_text(NOTE, note)
    Pillow.fromarray(np.ascontiguousarray(image)).save(file, "PNG", pnginfo=told, **dpi)


def to_8_bits(image: Image) -> npt.NDArray[np.uint8]:
    """Return `image` as uint8, its white at 255."""
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    return np.rint(np.clip(to_unit(image), 0, 1) * 255).astype(np.uint8)


def flatten(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return `image` without its alpha channel, laid on white as on a lit stage."""
    if image.ndim == 2 or image.shape[2] == 3:
        return np.ascontiguousarray(image)
    alpha = image[..., 3:].astype(np.float32) / 255
    return np.rint(image[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def _write_deep_png(file: BinaryIO, image: Image, pixel_um: float | None, note: str) -> None:
    """Write 16-bit PNG, which Pillow can do for grey only (PNG specification, sections 5 and 9)."""
    height, width = image.shape[:2]
    colour = 0 if image.ndim == 2 else {3: 2, 4: 6}[image.shape[2]]
    file.write(b"\x89PNG\r\n\x1a\n")
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))
    if pixel_um:
        per_metre = round(UM_PER_M / pixel_um)
        _chunk(file, b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1))
    if note:
        _chunk(file, b"tEXt", NOTE.encode() + b"\0" + note.encode("latin-1"))
    deflate = zlib.compressobj(6)
    above = np.zeros((1, image[0].size * 2), np.uint8)
    for top in range(0, height, CHUNK_ROWS):
        rows = image[top : top + CHUNK_ROWS].astype(">u2").reshape(-1, image[0].size).view(np.uint8)
        up = rows - np.concatenate([above, rows[:-1]])  # filter 2: the difference to the row above
        lines = np.concatenate([np.full((len(up), 1), 2, np.uint8), up], axis=1)
        _chunk(file, b"IDAT", deflate.compress(lines.tobytes()))
        above = rows[-1:]
    _chunk(file, b"IDAT", deflate.flush())
    _chunk(file, b"IEND", b"")


def _chunk(file: BinaryIO, kind: bytes, content: bytes) -> None:
    file.write(struct.pack(">I", len(content)) + kind + content)
    file.write(struct.pack(">I", zlib.crc32(kind + content)))
