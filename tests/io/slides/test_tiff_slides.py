"""TIFF pyramids as slides: the layouts that scanners and programs write, lazily."""

from __future__ import annotations

import gc
import tracemalloc
import warnings

import numpy as np
import pytest
import tifffile

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.ome_tiff import write_ome_tiff
from napari_medrefine.io.slides import open_slide
from napari_medrefine.photos import read_photo
from napari_medrefine.progress import finish

SVS = (
    "Aperio Image Library v12.0.16\r\n{w}x{h} [0,0 {w}x{h}] (64x64) JPEG/RGB Q=70"
    "|AppMag = 40|StripeWidth = 2040|MPP = 0.2520"
)


class Held:
    """A picture in memory, as the writer takes it."""

    def __init__(self, pixels):
        self.pixels, self.shape, self.dtype = pixels, pixels.shape, pixels.dtype

    def render(self, top, left, height, width):
        return self.pixels[top : top + height, left : left + width]


def write_svs(path, pixels, **codec):
    """Write what an Aperio scanner does: a thumbnail between the levels, then label and macro."""
    height, width = pixels.shape[:2]
    shared = {"photometric": "rgb", "metadata": None}
    tiled = {"tile": (64, 64), **shared, "compression": "zlib", **codec}
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(pixels, description=SVS.format(w=width, h=height), **tiled)
        tiff.write(pixels[::9, ::9], description="Aperio Image Library v12\r\nthumb", **shared)
        tiff.write(pixels[::4, ::4], description="Aperio Image Library v12\r\n-> 4x", **tiled)
        label = {"subfiletype": 1, **shared}
        tiff.write(pixels[:50, :60], description="Aperio Image Library v12\r\nlabel", **label)
    return path


def test_what_we_write_comes_back_level_by_level(random_picture, same_windows, tmp_path):
    pixels = random_picture(701, 1100)
    path = tmp_path / "slide_20x.ome.tif"
    finish(write_ome_tiff(path, Held(pixels), pixel_um=0.5))
    with open_slide(path) as slide, tifffile.TiffFile(path) as file:
        assert (slide.kind, slide.name, slide.rgb) == ("OME-TIFF", "slide_20x", True)
        assert (slide.pixel_um, slide.objective) == (pytest.approx(0.5), 20)
        assert [level.shape[:2] for level in slide.levels] == [(701, 1100), (351, 550), (176, 275)]
        assert slide.levels[0].chunks == (512, 512, 3)
        same_windows(slide.levels[0], pixels, 15)
        for level, stored in zip(slide.levels, file.series[0].levels, strict=True):
            same_windows(level, stored.asarray(), 5)


def test_a_pyramid_of_pages_as_libvips_writes_it(random_picture, same_windows, tmp_path):
    pixels = random_picture(300, 421)
    path = tmp_path / "vips.tif"
    with tifffile.TiffWriter(path) as tiff:
        for index in range(3):
            tiff.write(
                pixels[:: 2**index, :: 2**index],
                tile=(64, 64),
                photometric="rgb",
                compression="zlib",
                predictor=True,
                subfiletype=1 if index else 0,
                resolution=(40_000, 40_000),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
    with open_slide(path) as slide:
        assert (slide.kind, slide.pixel_um) == ("TIFF", pytest.approx(0.25))
        for index, level in enumerate(slide.levels):
            same_windows(level, pixels[:: 2**index, :: 2**index])
        assert len(slide.levels) == 3


def test_aperio_says_its_pixel_size_and_objective(random_picture, same_windows, tmp_path):
    pixels = random_picture(400, 520)
    with open_slide(write_svs(tmp_path / "a.svs", pixels)) as slide:
        assert (slide.kind, slide.rgb) == ("Aperio SVS", True)
        assert (slide.pixel_um, slide.objective) == (0.252, 40)
        assert len(slide.levels) == 2
        same_windows(slide.levels[0], pixels)
        same_windows(slide.levels[1], pixels[::4, ::4])


def test_hamamatsu_says_its_pixel_size_and_objective(random_picture, same_windows, tmp_path):
    pixels = random_picture(400, 520)
    path = tmp_path / "hamamatsu.tif"  # by its tags; the 64-bit layout of .ndpi is tifffile's
    tags = [(271, "s", 0, "Hamamatsu", True), (65420, "I", 1, 1, True), (65421, "f", 1, 20.0, True)]
    with tifffile.TiffWriter(path) as tiff:
        for index in range(2):
            tiff.write(
                pixels[:: 2**index, :: 2**index],
                photometric="rgb",
                rowsperstrip=16,
                compression="zlib",
                extratags=tags,
                resolution=(22_000 / 2**index, 22_000 / 2**index),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
    with open_slide(path) as slide:
        assert (slide.kind, slide.objective) == ("Hamamatsu NDPI", 20)
        assert slide.pixel_um == pytest.approx(1e4 / 22_000)
        same_windows(slide.levels[0], pixels)
        same_windows(slide.levels[1], pixels[::2, ::2])


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_every_dtype_and_many_channels_come_last(
    dtype, byteorder, random_picture, same_windows, tmp_path
):
    picture = random_picture(150, 201, 5, dtype)
    stored = np.moveaxis(picture, -1, 0)
    path = tmp_path / "cells.ome.tif"
    names = ["DAPI", "FITC", "Cy3 & <more>", "Cy5", "BF"]
    metadata = {"axes": "CYX", "Channel": {"Name": names}}
    metadata |= {"PhysicalSizeX": 325, "PhysicalSizeXUnit": "nm"}
    metadata |= {"PhysicalSizeY": 325, "PhysicalSizeYUnit": "nm"}
    with tifffile.TiffWriter(path, ome=True, byteorder=byteorder) as tiff:
        tiff.write(stored, tile=(64, 64), subifds=1, metadata=metadata, photometric="minisblack")
        tiff.write(stored[:, ::2, ::2], tile=(64, 64), subfiletype=1, photometric="minisblack")
    with open_slide(path) as slide:
        assert (slide.kind, slide.rgb, slide.channels) == ("OME-TIFF", False, tuple(names))
        assert slide.pixel_um == pytest.approx(0.325)
        same_windows(slide.levels[0], picture, 15)
        same_windows(slide.levels[1], picture[::2, ::2], 15)


@pytest.mark.parametrize(
    "given",
    [
        {"Channel": {"Name": ["R", "G", "B"]}},
        {"Channel": {"Color": [-16776961, 16711935, 65535]}},  # RRGGBBAA as a signed number
    ],
)
def test_planes_called_red_green_and_blue_are_a_colour_picture(
    given, random_picture, same_windows, tmp_path
):
    picture = random_picture(150, 201)
    path = tmp_path / "planes.ome.tif"
    stored = np.moveaxis(picture, -1, 0)
    metadata = {"axes": "CYX", **given}
    tifffile.imwrite(path, stored, tile=(64, 64), photometric="minisblack", metadata=metadata)
    with open_slide(path) as slide:
        assert slide.rgb
        same_windows(slide.levels[0], picture)


@pytest.mark.parametrize(
    ("options", "channels", "rgb"),
    [
        ({"photometric": "rgb", "planarconfig": "separate"}, 3, True),
        ({"photometric": "rgb", "extrasamples": ["unassalpha"]}, 4, True),
        ({"photometric": "minisblack"}, 3, False),
        ({"photometric": "minisblack"}, 0, False),
        ({"photometric": "minisblack", "planarconfig": "contig"}, 6, False),
    ],
)
def test_samples_of_a_pixel(options, channels, rgb, random_picture, same_windows, tmp_path):
    picture = random_picture(150, 201, channels, np.uint16)
    stored = np.moveaxis(picture, -1, 0) if "separate" in options.values() else picture
    if channels == 3 and not rgb:
        options = {**options, "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "a.tif", stored, tile=(64, 64), metadata=None, **options)
    with open_slide(tmp_path / "a.tif") as slide:
        assert slide.rgb is rgb
        same_windows(slide.levels[0], picture)


def test_white_stored_as_0_is_shown_white(random_picture, same_windows, tmp_path):
    picture = random_picture(150, 201, 0)
    tifffile.imwrite(tmp_path / "a.tif", 255 - picture, tile=(64, 64), photometric="miniswhite")
    with open_slide(tmp_path / "a.tif") as slide:
        same_windows(slide.levels[0], picture)


def test_half_floats(random_picture, same_windows, tmp_path):
    picture = random_picture(150, 201, 0, np.float16)
    tifffile.imwrite(tmp_path / "a.tif", picture, tile=(64, 64), compression="zlib")
    with open_slide(tmp_path / "a.tif") as slide:
        same_windows(slide.levels[0], picture)


def test_of_uncompressed_rows_only_the_window_gets_into_memory(
    random_picture, same_windows, tmp_path
):
    picture = random_picture(8200, 8200, 0)  # one strip, and too large to be read as a photo
    tifffile.imwrite(tmp_path / "a.tif", picture, photometric="minisblack")
    with open_slide(tmp_path / "a.tif") as slide:
        tracemalloc.start()
        part = slide.levels[0][8000:8100, 8000:8200]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (part == picture[8000:8100, 8000:8200]).all()
        part[...] = 0  # the reader's own, not the file's
        assert peak < 2**20
        same_windows(slide.levels[0], picture, 3)


def test_uncompressed_rows_that_end_early_are_told(random_picture, tmp_path):
    path = tmp_path / "a.tif"
    cells = random_picture(150, 201, 2, np.uint16)
    tifffile.imwrite(path, cells, photometric="minisblack", planarconfig="contig")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1000)
    with pytest.raises(MedRefineError, match=r"a\.tif: it is damaged or incomplete"):
        open_slide(path)


def test_a_damaged_tile_harms_only_the_windows_that_touch_it(random_picture, tmp_path):
    pixels = random_picture(640, 640)
    path = write_svs(tmp_path / "a.svs", pixels)
    with tifffile.TiffFile(path) as file:
        offset, length = file.pages[0].dataoffsets[55], file.pages[0].databytecounts[55]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * length)
    row, column = 55 // 10 * 64, 55 % 10 * 64
    with open_slide(path) as slide:
        level = slide.levels[0]
        assert (level[:row] == pixels[:row]).all()
        assert (level[:, column + 64 :] == pixels[:, column + 64 :]).all()
        with pytest.raises(MedRefineError, match=r"Cannot read .*a\.svs: it is damaged or incom"):
            level[row : row + 1, column : column + 1]


@pytest.mark.parametrize(("tag", "says"), [(256, "2,147,483,647 x 640"), (323, "tiles")])
def test_a_size_without_the_tiles_for_it_is_told(tag, says, random_picture, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, random_picture(640, 640), tile=(64, 64), photometric="rgb")
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].tags[tag].valueoffset
    with path.open("r+b") as file:
        file.seek(place)
        file.write((2**31 - 1 if tag == 256 else 1).to_bytes(2 if tag == 323 else 4, "little"))
    with pytest.raises(MedRefineError, match=rf"a\.tif: it is damaged: .*{says}"):
        open_slide(path)


@pytest.mark.parametrize("compression", ["zlib", None])
def test_a_file_that_ends_early_is_told(compression, random_picture, tmp_path):
    pixels = random_picture(640, 640)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, tile=(64, 64), photometric="rgb", compression=compression)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 3 * 64 * 64 * 3 - 100)
    with open_slide(path) as slide:
        assert (slide.levels[0][:500] == pixels[:500]).all()
        assert (slide.levels[0][576:, :64] == pixels[576:, :64]).all()
        with pytest.raises(MedRefineError, match=r"a\.tif: it is damaged or incomplete"):
            slide.levels[0][600:, 630:]
        with pytest.raises(MedRefineError, match=r"a\.tif: it is damaged or incomplete"):
            slide.levels[0][:, :]


@pytest.mark.parametrize("keep", [3, 8, 100, 300])
def test_a_torn_header_is_told(keep, random_picture, tmp_path):
    path = write_svs(tmp_path / "a.svs", random_picture(640, 640))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(MedRefineError, match=r"Cannot read .*a\.svs: ") as refused:
        open_slide(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("axes", "shape", "reason"),
    [
        ("TYX", (3, 90, 100), "it has 3 points in time"),
        ("ZCYX", (7, 2, 90, 100), "it has 7 planes in depth"),
    ],
)
def test_stacks_are_refused(axes, shape, reason, tmp_path):
    path = tmp_path / "a.ome.tif"
    stack = np.zeros(shape, np.uint8)
    tifffile.imwrite(path, stack, tile=(32, 32), photometric="minisblack", metadata={"axes": axes})
    with pytest.raises(MedRefineError) as refused:
        open_slide(path)
    assert str(refused.value) == (
        f"Cannot read {path}: {reason}; save the one that is meant by itself."
    )


@pytest.mark.parametrize("dtype", ["int16", "uint32"])
def test_other_dtypes_are_refused(dtype, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((90, 100), dtype), tile=(32, 32))
    with pytest.raises(MedRefineError, match=f"its pixels are {dtype}; uint8, uint16 and float"):
        open_slide(tmp_path / "a.tif")


def test_other_colours_and_turned_pyramids_are_refused(random_picture, tmp_path):
    cmyk = random_picture(90, 100, 4)
    tifffile.imwrite(tmp_path / "a.tif", cmyk, tile=(32, 32), photometric="separated")
    with pytest.raises(MedRefineError, match="its colours are stored as SEPARATED; grey and RGB"):
        open_slide(tmp_path / "a.tif")
    turned = {"extratags": [(274, "H", 1, 6, True)], "photometric": "rgb"}
    tifffile.imwrite(tmp_path / "b.tif", cmyk[..., :3], tile=(32, 32), **turned)
    with pytest.raises(MedRefineError, match="it is stored turned or mirrored"):
        open_slide(tmp_path / "b.tif")


def test_of_the_pictures_in_a_file_the_largest_is_opened_with_its_own_pixel_size(
    random_picture, same_windows, tmp_path
):
    macro, main = random_picture(90, 100), random_picture(300, 400, seed=1)
    path = tmp_path / "scan.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for pixels, size in ((macro, 15.0), (main, 0.25), (macro, 16.0)):
            metadata = {"axes": "YXS", "PhysicalSizeX": size, "PhysicalSizeY": size}
            tiff.write(pixels, tile=(64, 64), photometric="rgb", metadata=metadata)
    with open_slide(path) as slide:
        assert slide.pixel_um == pytest.approx(0.25)
        same_windows(slide.levels[0], main)


def test_pixels_that_are_not_square_keep_their_sides(random_picture, tmp_path):
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm"}
    sizes |= {"PhysicalSizeY": 500.0, "PhysicalSizeYUnit": "nm"}
    path, tiled = tmp_path / "a.ome.tif", {"tile": (64, 64), "photometric": "rgb"}
    tifffile.imwrite(path, random_picture(200, 160), metadata={"axes": "YXS", **sizes}, **tiled)
    with open_slide(path) as slide:
        assert slide.sides_um == pytest.approx((0.5, 0.25))
        assert slide.pixel_um is None


def test_a_photo_says_the_pixel_size_of_its_own_picture(random_picture, tmp_path):
    path = tmp_path / "scan.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for height, size in ((90, 0.25), (80, 16.0)):
            metadata = {"axes": "YXS", "PhysicalSizeX": size, "PhysicalSizeY": size}
            tiff.write(random_picture(height, 100), photometric="rgb", metadata=metadata)
    assert read_photo(path).pixel_um == pytest.approx(0.25)


def test_a_closed_slide_says_so_and_a_forgotten_one_closes_itself(random_picture, tmp_path):
    path = write_svs(tmp_path / "a.svs", random_picture(200, 200))
    slide = open_slide(path)
    slide.close()
    slide.close()
    with pytest.raises(MedRefineError, match=r"Cannot read .*a\.svs: its slide was closed\."):
        slide.levels[0][:5, :5]
    coarse = open_slide(path).levels[1]
    gc.collect()
    assert coarse[:5, :5].shape == (5, 5, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        del coarse
        gc.collect()


def test_several_threads_read_the_same_pixels(random_picture, tmp_path):
    import dask.array as da

    pixels = random_picture(700, 900)
    with open_slide(write_svs(tmp_path / "a.svs", pixels)) as slide:
        lazy = da.from_array(slide.levels[0], chunks=(50, 70, 3), name=False)
        assert (lazy.compute(scheduler="threads", num_workers=8) == pixels).all()


def test_an_unknown_compression_is_told(random_picture, tmp_path):
    path = write_svs(tmp_path / "a.svs", random_picture(200, 200))
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        for page in file.pages:
            if page.is_tiled:
                tag = page.tags["Compression"]
                content[tag.valueoffset : tag.valueoffset + 2] = b"\xc8\x80"  # 32968: nobody's
    path.write_bytes(content)
    with pytest.raises(MedRefineError) as refused:
        open_slide(path)
    assert str(refused.value) == f"Cannot read {path}: its compression 32968 is not known."


def test_without_imagecodecs_the_sentence_says_how_to_get_it(random_picture, tmp_path, monkeypatch):
    path = write_svs(tmp_path / "a.svs", random_picture(200, 200))
    monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", {1: bytes})
    with pytest.raises(MedRefineError) as refused:
        open_slide(path)
    assert str(refused.value) == (
        f"Cannot read {path}: its ADOBE_DEFLATE compression needs another package: pip install "
        "imagecodecs."
    )


def test_jpeg_tiles_as_scanners_write_them(random_picture, same_windows, tmp_path):
    smooth = np.add.outer(np.arange(300), np.arange(400))[..., None] * [0.2, 0.3, 0.1]
    pixels = smooth.astype(np.uint8)
    for photometric in ("RGB", "YCBCR"):
        options = {"level": 95, "outcolorspace": photometric.lower()}
        codec = {"compression": "jpeg", "compressionargs": options}
        path = write_svs(tmp_path / f"{photometric}.svs", pixels, **codec)
        with tifffile.TiffFile(path) as file:
            stored = file.series[0].asarray()
            assert file.pages[0].photometric.name == photometric
        with open_slide(path) as slide:
            assert slide.rgb
            inner = slide.levels[0][:256, :384].astype(int)  # tiles without a padded border
            assert np.abs(inner - pixels[:256, :384]).max() < 6
            same_windows(slide.levels[0], stored)
