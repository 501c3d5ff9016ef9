"""Files that are small and claim, or become, more than any memory holds; and what reading takes."""

from __future__ import annotations

import io
import json
import shutil
import struct
import sys
import zipfile
import zlib

import numcodecs
import numpy as np
import pytest
import tifffile
from fuzzing.outcome import CASES, check_sentence, judge
from fuzzing.peak import peaks
from fuzzing.photos import exif, photo_files, picture, png_chunks, saved, tiff
from fuzzing.slides import write_slides
from PIL import Image as Pillow

from napari_medrefine.io.slides import open_slide
from napari_medrefine.photos import read_header, read_photo

NOTHING = 16 * 2**20  # bytes that reading nothing may take: buffers, and rounding to pages
MEASURED = sys.platform == "linux"


def png(width, height, depth=8, colour=2):
    """Return a PNG that claims a size and holds a row."""
    rows = zlib.compress(bytes(1 + 3 * min(width, 1000)))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    return content


def jpeg(width, height):
    """Return a JPEG that claims a size."""
    content = bytearray(photo_files()["grey.jpg"])
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def huge_tiff(**changes):
    """Return a TIFF whose tags say something else than what is in it."""
    file = io.BytesIO(tiff(picture(), photometric="rgb", compression="zlib"))
    with tifffile.TiffFile(file) as opened:
        places = {name: opened.pages.first.tags[name].valueoffset for name in changes}
        kinds = {name: opened.pages.first.tags[name].dtype for name in changes}
    content = bytearray(file.getvalue())
    for name, value in changes.items():
        form = "<H" if kinds[name] == 3 else "<I"
        struct.pack_into(form, content, places[name], min(value, 65535) if form == "<H" else value)
    return bytes(content)


def zeros_png(side):
    """Return a real PNG of nothing but zeros."""
    deflate = zlib.compressobj(9)
    rows = b"".join(deflate.compress(bytes(1 + 3 * side)) for _ in range(side)) + deflate.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    return content


def text_bomb(kind):
    text = zlib.compress(bytes(200 * 2**20), 9)
    head = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"iCCP": b"a\0\0"}[kind]
    return png_chunks(photo_files()["deep.png"], kind, head + text)


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)
    )
    + ']><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    '<Image ID="Image:0" Name="&j;"><Pixels SizeX="32" SizeY="24"/></Image></OME>'
)


BOMBS = {
    "wide.png": lambda: png(100_000, 100_000),
    "most.png": lambda: png(2**31 - 1, 2**31 - 1),
    "deep.png": lambda: png(30_000, 30_000, depth=16),
    "claims.jpg": lambda: jpeg(65_500, 65_500),
    "zeros.png": lambda: zeros_png(14_000),
    "wide.tif": lambda: huge_tiff(ImageWidth=100_000, ImageLength=100_000),
    "long.tif": lambda: huge_tiff(ImageLength=2**32 - 1, RowsPerStrip=2**32 - 1),
    "samples.tif": lambda: huge_tiff(SamplesPerPixel=65_535),
    "laughs.tif": lambda: tiff(picture(), photometric="rgb", description=LAUGHS, metadata=None),
    "text.png": lambda: text_bomb(b"zTXt"),
    "unicode.png": lambda: text_bomb(b"iTXt"),
    "profile.png": lambda: text_bomb(b"iCCP"),
}


@pytest.fixture(scope="module")
def bombs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bombs")
    for name, content in BOMBS.items():
        (folder / name).write_bytes(content())
    (folder / "small.png").write_bytes(photo_files()["rgb.png"])
    return folder


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_bombs_in_photos(bombs, name):
    path = bombs / name
    assert path.stat().st_size < 2 * 2**20
    for use in (read_header, read_photo, lambda p: open_slide(p).levels[0][:8, :8]):
        verdict = judge(lambda use=use: use(path), path, kind="bomb")
        if name not in ("laughs.tif", "text.png", "unicode.png", "profile.png"):
            assert verdict.refused


@pytest.mark.skipif(not MEASURED, reason="peaks are read from /proc")
def test_bombs_take_no_memory(bombs):
    names = sorted(BOMBS)
    for how in ("photo", "slide"):
        told = peaks(how, bombs / "small.png", *(bombs / name for name in names))
        CASES["bomb measured"] += len(told)
        for name, (peak, decoded, _) in zip(names, told, strict=True):
            assert peak < 2 * decoded + NOTHING, f"{name}: {peak:,} bytes"


@pytest.mark.skipif(not MEASURED, reason="peaks are read from /proc")
def test_reading_takes_at_most_twice_the_picture(tmp_path):
    large = np.tile(picture(), (80, 80, 1))
    image = Pillow.fromarray(large)
    files = {
        "a.jpg": saved(image, "JPEG"),
        "turned.jpg": saved(image, "JPEG", exif=exif(6)),
        "cmyk.jpg": saved(image.convert("CMYK"), "JPEG"),
        "half.jpg": saved(image, "JPEG", progressive=True),  # colours at half the resolution
        "a.png": saved(image, "PNG", compress_level=1),
        "turned.png": saved(image, "PNG", compress_level=1, exif=exif(3)),
        "grey.png": saved(image.convert("L"), "PNG", compress_level=1),
        "palette.png": saved(image.quantize(16), "PNG"),
        "a.tif": tiff(large, photometric="rgb"),
        "zlib.tif": tiff(large, photometric="rgb", compression="zlib"),
        "turned.tif": tiff(large, photometric="rgb", extratags=[(274, "H", 1, 8, True)]),
        "strip.tif": tiff(large, photometric="rgb", compression="zlib", rowsperstrip=len(large)),
        "jpeg.tif": tiff(large, photometric="ycbcr", compression="jpeg", tile=(256, 256)),
        "cmyk.tif": saved(image.convert("CMYK"), "TIFF", compression="tiff_lzw"),
        "planes.tif": tiff(
            large.transpose(2, 0, 1), photometric="rgb", planarconfig="separate", compression="zlib"
        ),
        "signed.tif": tiff(large[..., 0].astype(np.int32)),
        "fax.tif": tiff(large[..., 0] > 99, photometric="miniswhite", compression="packbits"),
        "deep.tif": tiff(large.astype(np.uint16), photometric="rgb", compression="zlib"),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "small.png").write_bytes(photo_files()["rgb.png"])
    told = peaks("photo", tmp_path / "small.png", *(tmp_path / name for name in files))
    CASES["peak measured"] += len(told)
    for name, (peak, decoded, _) in zip(files, told, strict=True):
        assert peak < 2 * decoded + 4 * 2**20, f"{name}: {peak / decoded:.2f} times"


@pytest.fixture
def zarrs(tmp_path):
    return write_slides(tmp_path / "slides")


def zarr_with(path, version, codec, content, chunk=(1, 16, 16)):
    """Put a chunk into the first level, and say how it is to be decoded."""
    array = path / "s0" / (".zarray" if version == "0.4" else "zarr.json")
    about = json.loads(array.read_bytes())
    if version == "0.4":
        about["compressor"], about["chunks"] = codec, chunk
    else:
        about["codecs"] = [{"name": "bytes"}, codec]
        about["chunk_grid"]["configuration"]["chunk_shape"] = chunk
    array.write_text(json.dumps(about))
    for file in [p for p in (path / "s0").rglob("*") if p.is_file() and p.name[0] in "0123456789"]:
        file.write_bytes(content)


SIZE = 2**26
CODECS = {
    "blosc": ({"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 0, "blocksize": 0}, None),
    "zstd": (
        {"id": "zstd", "level": 1},
        {"name": "zstd", "configuration": {"level": 1, "checksum": False}},
    ),
    "gzip": ({"id": "gzip", "level": 9}, {"name": "gzip", "configuration": {"level": 9}}),
    "zlib": ({"id": "zlib", "level": 9}, None),
    "bz2": ({"id": "bz2", "level": 9}, None),
    "lzma": ({"id": "lzma"}, None),
    "lz4": ({"id": "lz4", "acceleration": 1}, None),
}


@pytest.mark.skipif(not MEASURED, reason="peaks are read from /proc")
def test_bombs_in_chunks_of_zarr(tmp_path, zarrs):
    paths = []
    for name, (old, new) in CODECS.items():
        content = bytes(numcodecs.get_codec(old).encode(bytes(SIZE)))
        for version, codec in (("0.4", old), ("0.5", new)):
            if codec is not None:
                path = tmp_path / f"{name} {version}.zarr"
                shutil.copytree(zarrs[f"zarr {version}"], path)
                zarr_with(path, version, codec, content)
                paths.append(path)
    told = peaks("slide", zarrs["zarr 0.5"], *paths)
    CASES["bomb measured"] += len(told)
    for path, (peak, _, sentence) in zip(paths, told, strict=True):
        assert peak < SIZE, f"{path.name}: {peak:,} bytes"
        if sentence is not None:
            check_sentence(sentence, path)
    refused = [path.name for path, (_, _, told_) in zip(paths, told, strict=True) if told_]
    assert len(refused) >= 6, refused  # small ones of bz2 and lzma are decoded and found wrong


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_chunks_larger_than_anything(zarrs, version):
    path = zarrs[f"zarr {version}"]
    codec = {"id": "zlib", "level": 1} if version == "0.4" else CODECS["gzip"][1]
    zarr_with(path, version, codec, b"", chunk=(1, 10**6, 10**6))
    verdict = judge(lambda: open_slide(path), path, kind="bomb")
    assert "too many to be decoded" in verdict.sentence


def test_a_checkpoint_that_is_a_zip_bomb(tmp_path):
    from napari_medrefine.superres.checkpoints import CHECKPOINT, load_checkpoint

    with zipfile.ZipFile(tmp_path / CHECKPOINT, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", bytes(2**24))
    verdict = judge(
        lambda: load_checkpoint(tmp_path), tmp_path, kind="bomb", named=tmp_path / CHECKPOINT
    )
    assert verdict.refused


@pytest.mark.parametrize(
    "words",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "http://127.0.0.1:9/">]>',
        LAUGHS[21 : LAUGHS.index("]>") + 2],
    ],
)
def test_deep_zoom_defines_no_entities(zarrs, words):
    path = zarrs["deep zoom"]
    text = path.read_text()
    path.write_text(text.replace("<Image", words + "<Image", 1))
    verdict = judge(lambda: open_slide(path), path, kind="entities")
    assert "document type" in verdict.sentence


@pytest.mark.parametrize(
    "text",
    [
        "<Image " * 400_000,
        '<Pixels SizeX="' * 200_000,
        "<" * 2**21,
        "objective " * 200_000,
        'PhysicalSizeX="1' * 200_000,
    ],
)
def test_endless_descriptions(tmp_path, text):
    path = tmp_path / "words.tif"
    path.write_bytes(tiff(picture(), photometric="rgb", description=text, metadata=None))
    assert not judge(lambda: read_photo(path), path, kind="endless description").refused
