"""JPEG, PNG and TIFF decoded without Pillow: the same pixels, and nothing cut passes for whole."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from skimage.data import immunohistochemistry

from napari_medrefine._photos.direct import is_whole_jpeg, jpeg_pixels, png_pixels
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import read_photo

TISSUE = immunohistochemistry()[:151, :203]  # odd sides, and more rows than a strip
GREY = TISSUE[..., 1]
UINT8, UINT16 = np.dtype(np.uint8), np.dtype(np.uint16)


def saved(pixels: np.ndarray, kind: str, mode: str = "", **options: Any) -> bytes:
    image = Pillow.fromarray(pixels)
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, kind, **options)
    return file.getvalue()


def by_pillow(content: bytes, mode: str) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(content)).convert(mode))


JPEGS = list(itertools.product((30, 75, 95, 100), (0, 1, 2, "4:1:1"), (False, True)))


@pytest.mark.parametrize(("quality", "subsampling", "progressive"), JPEGS)
def test_a_jpeg_has_the_pixels_that_pillow_gives(quality, subsampling, progressive):
    content = saved(
        TISSUE, "JPEG", quality=quality, subsampling=subsampling, progressive=progressive
    )
    direct = jpeg_pixels(content, "RGB", TISSUE.shape)
    np.testing.assert_array_equal(direct, by_pillow(content, "RGB"))


@pytest.mark.parametrize(
    "content",
    [
        saved(TISSUE, "JPEG", restart_marker_rows=1),
        saved(TISSUE, "JPEG", keep_rgb=True),
        saved(TISSUE, "JPEG", "CMYK", quality=90),
        saved(TISSUE, "JPEG", "L"),
        saved(TISSUE, "JPEG") + b"more, as telephones add it",
    ],
    ids=["restarts", "stored as RGB", "CMYK", "grey", "something behind"],
)
def test_other_jpegs_are_read_as_pillow_reads_them(tmp_path, content):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    image = read_photo(path).image
    np.testing.assert_array_equal(image, by_pillow(content, "L" if image.ndim == 2 else "RGB"))


def test_grey_and_ink_are_decoded_without_pillow():
    grey, inks = saved(GREY, "JPEG"), saved(TISSUE, "JPEG", "CMYK")
    np.testing.assert_array_equal(jpeg_pixels(grey, "L", GREY.shape), by_pillow(grey, "L"))
    direct = jpeg_pixels(inks, "CMYK", (*GREY.shape, 4))
    np.testing.assert_array_equal(direct, by_pillow(inks, "CMYK"))


@pytest.mark.parametrize("progressive", [False, True])
def test_no_jpeg_that_is_cut_passes_for_whole(progressive):
    content = saved(TISSUE, "JPEG", progressive=progressive, comment=b"\xff\xd9")
    assert is_whole_jpeg(content)
    for end in range(0, len(content) - 1, 7):
        assert jpeg_pixels(content[:end], "RGB", TISSUE.shape) is None


def test_a_preview_in_a_jpeg_is_not_its_end(tmp_path):
    preview = saved(TISSUE[:30, :40], "JPEG")
    content = saved(TISSUE, "JPEG")
    segment = b"\xff\xe2" + struct.pack(">H", len(preview) + 2) + preview
    content = content[:2] + segment + content[2:]
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_photo(path).image, by_pillow(content, "RGB"))
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(MedRefineError, match=r"a\.jpg: it is damaged or incomplete"):
        read_photo(path)


def interlaced(pixels: np.ndarray) -> bytes:
    """Return an interlaced PNG (PNG specification, section 8.2), which Pillow cannot write."""
    passes = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2)]
    rows = b""
    for top, down, left, right in [*passes, (1, 2, 0, 1)]:
        rows += b"".join(b"\0" + row.tobytes() for row in pixels[top::down, left::right])
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 1)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    return content


def test_png_in_grey_colour_alpha_and_interlaced_is_decoded_without_pillow():
    alpha = np.dstack([TISSUE, GREY])
    for pixels in (GREY, TISSUE, alpha):
        content = saved(pixels, "PNG")
        np.testing.assert_array_equal(png_pixels(content, pixels.shape, UINT8), pixels)
    np.testing.assert_array_equal(png_pixels(interlaced(TISSUE), TISSUE.shape, UINT8), TISSUE)


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (saved(TISSUE, "PNG", transparency=tuple(map(int, TISSUE[3, 4]))), "RGBA"),
        (saved(GREY, "PNG", transparency=int(GREY[3, 4])), "RGBA"),
        (saved(TISSUE, "PNG", "P"), "RGB"),
        (saved(GREY, "PNG", "1"), "L"),
        (saved(np.dstack([GREY, GREY]), "PNG"), "RGBA"),
    ],
    ids=["a transparent colour", "a transparent grey", "palette", "1 bit", "grey and alpha"],
)
def test_unusual_png_is_read_as_pillow_reads_it(tmp_path, content, mode):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_photo(path).image, by_pillow(content, mode))


def test_a_png_of_another_size_than_it_says_is_left_to_pillow():
    assert png_pixels(saved(TISSUE, "PNG"), (*GREY.shape, 4), UINT8) is None
    assert png_pixels(saved(TISSUE, "PNG"), TISSUE.shape, UINT16) is None


LZW, JPEG = {"compression": "tiff_lzw"}, {"compression": "jpeg"}
ONE_STRIP = {"compression": "tiff_adobe_deflate", "tiffinfo": {278: len(TISSUE)}}


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        *itertools.product(("RGB", "CMYK"), (LZW, JPEG, ONE_STRIP, {})),
        ("YCbCr", JPEG),  # the others are Pillow's, and its oldest version cannot read its own
    ],
)
def test_tiff_has_the_pixels_that_pillow_gives(tmp_path, mode, options):
    content = saved(TISSUE, "TIFF", mode, **options)
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    image = read_photo(path).image
    np.testing.assert_array_equal(image, by_pillow(content, "RGB"))
    image[0] = 0  # it can be written, however it was stored


@pytest.mark.parametrize("photometric", ["rgb", "ycbcr", "minisblack"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_a_tiff_of_jpegs_that_was_cut_is_refused(tmp_path: Path, photometric: str, share: float):
    path = tmp_path / "a.tif"
    pixels = GREY if photometric == "minisblack" else TISSUE
    tifffile.imwrite(path, pixels, photometric=photometric, compression="jpeg", tile=(64, 64))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(MedRefineError, match=r"a\.tif: it is damaged or incomplete"):
        read_photo(path)


def test_whole_numbers_of_four_bytes_are_read_over_many_strips(tmp_path):
    numbers = np.arange(151 * 203, dtype=np.int32).reshape(151, 203)
    tifffile.imwrite(tmp_path / "a.tif", numbers)
    tifffile.imwrite(tmp_path / "white.tif", numbers, photometric="miniswhite")
    image = read_photo(tmp_path / "a.tif").image
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, numbers)
    white = read_photo(tmp_path / "white.tif").image
    np.testing.assert_array_equal(white, numbers.max() - numbers)
