"""Small photos of the procedural slide in every kind of file that a camera or a program writes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms, PngImagePlugin

from napari_medrefine._photos import encode
from napari_medrefine.samples.slide import Slide


@cache
def picture(height: int = 24, width: int = 32) -> np.ndarray:
    """Return a small photo of the procedural slide, uint8 ``(H, W, 3)``; not to be changed."""
    photo = Slide(0, size_um=(200.0, 200.0)).photograph(10, shape=(height, width), seed=1).image
    photo.flags.writeable = False
    return photo


def deep() -> np.ndarray:
    """Return it with 16 bits."""
    return picture().astype(np.uint16) * 257


def alpha() -> np.ndarray:
    """Return it with a gradient of transparency."""
    ramp = np.broadcast_to(np.linspace(0, 255, 32).astype(np.uint8), (24, 32))
    return np.dstack([picture(), ramp])


def saved(image: Pillow.Image, format: str, **options: Any) -> bytes:  # noqa: A002 - Pillow's word
    """Return `image` as a file of Pillow's."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def tiff(image: np.ndarray, **options: Any) -> bytes:
    """Return `image` as a file of tifffile's."""
    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)
    return file.getvalue()


def written(write: Callable[..., None], image: np.ndarray, pixel_um: float | None = 0.25) -> bytes:
    """Return `image` as a file of ours."""
    file = io.BytesIO()
    write(file, image, pixel_um)
    return file.getvalue()


def exif(orientation: int) -> Pillow.Exif:
    """Return EXIF data that say how a photo is to be turned."""
    data = Pillow.Exif()
    data[274] = orientation
    data[270] = "Objective 40x"
    data[282] = data[283] = 40_000.0
    data[296] = 3
    return data


def png_chunks(content: bytes, kind: bytes, *more: bytes) -> bytes:
    """Return a PNG with chunks of `kind` put in after its header."""
    extra = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for data in more
    )
    return content[:33] + extra + content[33:]


@cache
def photo_files() -> dict[str, bytes]:
    """Return the files by a name that says what they are."""
    rgb = Pillow.fromarray(picture())
    keyed = rgb.quantize(16)
    text = PngImagePlugin.PngInfo()
    text.add_text("Description", "Objective 20x", zip=True)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    base = picture()
    return {
        "rgb.jpg": saved(rgb, "JPEG", exif=exif(6)),
        "progressive.jpg": saved(rgb, "JPEG", progressive=True, icc_profile=profile),
        "grey.jpg": saved(rgb.convert("L"), "JPEG", dpi=(25_400, 25_400)),
        "cmyk.jpg": saved(rgb.convert("CMYK"), "JPEG"),
        "rgb.png": saved(rgb, "PNG", pnginfo=text, icc_profile=profile),
        "palette.png": saved(keyed, "PNG", transparency=3),
        "one_bit.png": saved(rgb.convert("1"), "PNG"),
        "grey_alpha.png": saved(rgb.convert("LA"), "PNG"),
        "rgba.png": saved(Pillow.fromarray(alpha()), "PNG", exif=exif(5)),
        "deep.png": written(encode.write_png, deep()),
        "deep_grey.png": written(encode.write_png, deep()[..., 0]),
        "plain.tif": tiff(base, photometric="rgb"),
        "zlib.tif": tiff(base, photometric="rgb", compression="zlib", predictor=True),
        "lzw.tif": saved(rgb, "TIFF", compression="tiff_lzw"),
        "jpeg.tif": saved(rgb, "TIFF", compression="jpeg"),
        "fax.tif": saved(rgb.convert("1"), "TIFF", compression="group4"),
        "cmyk.tif": saved(rgb.convert("CMYK"), "TIFF"),
        "palette.tif": saved(keyed, "TIFF"),
        "float.tif": tiff(base[..., 0].astype(np.float32) / 255),
        "deep_planar.tif": tiff(
            np.moveaxis(deep(), 2, 0).copy(), photometric="rgb", planarconfig="separate"
        ),
        "ome.tif": tiff(
            base,
            photometric="rgb",
            ome=True,
            metadata={"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm"},
        ),
        "imagej.tif": tiff(base, imagej=True, metadata={"unit": "um"}, resolution=(4, 4)),
        "big.tif": tiff(base, bigtiff=True, photometric="rgb", tile=(16, 16), compression="zlib"),
        "turned.tif": tiff(base, photometric="rgb", extratags=[(274, "H", 1, 8, True)]),
    }
