"""What all slides share: how they are indexed, told apart by their content, and refused."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.slides import Slide, open_slide
from napari_medrefine.photos import read_photo, write_image


@pytest.fixture
def pixels(random_picture):
    return random_picture(120, 150)


@pytest.fixture
def slide(pixels, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", pixels, tile=(32, 32), photometric="rgb")
    with open_slide(tmp_path / "a.tif") as opened:
        yield opened


@pytest.mark.parametrize(
    "index",
    [
        np.s_[3:7, 5:90],
        np.s_[3:7],
        np.s_[:],
        np.s_[...],
        np.s_[-20:, :-100],
        np.s_[100:900, 149:1000],
        np.s_[5:5, 3:9],
        np.s_[9:5, 3:9],
        np.s_[500:600, 3:9],
        np.s_[3:7, 5:9, 1],
        np.s_[3:7, 5:9, ::-1],
        np.s_[..., 0],
        np.s_[7, 5:9],
        np.s_[7, -1],
        np.s_[7, 8, 2],
        np.s_[np.int64(3) : np.uint8(9), 4:6],
    ],
)
def test_a_level_is_indexed_as_an_array(slide, pixels, index):
    part = slide.levels[0][index]
    expected = pixels[index]
    assert np.shape(part) == expected.shape
    assert part.dtype == expected.dtype
    np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize(
    "index",
    [np.s_[::2], np.s_[::-1, :], np.s_[[1, 2], :], np.s_[:, :, :, :], np.s_[120], np.s_["a"]],
)
def test_other_indices_are_refused(slide, index):
    with pytest.raises(IndexError):
        slide.levels[0][index]


def test_a_level_becomes_an_array(slide, pixels):
    level = slide.levels[0]
    assert (level.ndim, level.size) == (3, pixels.size)
    assert (np.asarray(level) == pixels).all()
    assert np.asarray(level, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="they cannot be had uncopied"):
        np.array(level, copy=False)
    assert (slide.read(0, slice(3, 9), slice(4, 8)) == pixels[3:9, 4:8]).all()


def test_changing_a_part_does_not_change_the_next(pixels, tmp_path):
    Pillow.fromarray(pixels).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "b.tif", pixels, tile=(32, 32), photometric="rgb")
    for name in ("a.png", "b.tif"):
        with open_slide(tmp_path / name) as slide:
            slide.levels[0][:, :][...] = 0
            assert (slide.levels[0][:, :] == pixels).all()


@pytest.mark.parametrize(
    ("name", "kind"), [("x_40x.png", "PNG"), ("x_40x.tif", "TIFF"), ("x_40x.jpg", "JPEG")]
)
@pytest.mark.parametrize("channels", [0, 3])
def test_a_photo_is_a_slide_of_one_level(name, kind, channels, random_picture, tmp_path):
    path = tmp_path / name
    write_image(path, random_picture(80, 90, channels), pixel_um=0.25)
    photo = read_photo(path)
    with open_slide(path) as slide:
        assert (slide.kind, slide.name, slide.rgb) == (kind, "x_40x", channels == 3)
        assert (slide.pixel_um, slide.objective) == (photo.pixel_um, 40)
        assert slide.pixel_um == pytest.approx(0.25, rel=0.01)
        assert len(slide.levels) == 1
        assert (slide.levels[0][10:30, 20:90] == photo.image[10:30, 20:90]).all()


def test_a_turned_photo_stands_upright(pixels, tmp_path):
    turned = {"extratags": [(274, "H", 1, 6, True)], "photometric": "rgb"}
    tifffile.imwrite(tmp_path / "a.tif", pixels, **turned)
    with open_slide(tmp_path / "a.tif") as slide:
        assert (slide.levels[0][:, :] == np.rot90(pixels, -1)).all()


def test_a_palette_becomes_colours(random_picture, tmp_path):
    palette = Pillow.fromarray(random_picture(80, 90) // 64 * 64).quantize(64)
    palette.save(tmp_path / "a.tif")
    with open_slide(tmp_path / "a.tif") as slide:
        assert slide.rgb
        assert (slide.levels[0][:, :] == np.asarray(palette.convert("RGB"))).all()


def test_the_content_tells_the_format_not_the_name(pixels, tmp_path):
    Pillow.fromarray(pixels).save(tmp_path / "a.png")
    shutil.move(tmp_path / "a.png", tmp_path / "a.svs")
    with open_slide(str(tmp_path / "a.svs")) as slide:
        assert (slide.kind, slide.path) == ("PNG", tmp_path / "a.svs")
        assert (slide.levels[0][:, :] == pixels).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"%PDF-1.7", "it is none of the formats that can be read: OME-Zarr, TIFF (OME-TIFF, SVS"),
        (b"\xff\xd8\xff\xe0 no more", "it is damaged or incomplete"),
        (b"\x89PNG\r\n\x1a\n", "it is damaged or incomplete"),
    ],
)
@pytest.mark.parametrize("name", ["a.bin", "a.svs"])
def test_what_is_no_slide_is_told_in_one_sentence(content, reason, name, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MedRefineError) as refused:
        open_slide(tmp_path / name)
    assert str(refused.value).startswith(f"Cannot read {tmp_path / name}: {reason}")
    assert "\n" not in str(refused.value)


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(MedRefineError, match=r"Cannot read .*gone\.svs: No such file"):
        open_slide(tmp_path / "gone.svs")
    with pytest.raises(MedRefineError, match=r"Cannot read .*it is a folder, but not OME-Zarr"):
        open_slide(".")


def test_a_slide_is_its_own_context(pixels, tmp_path):
    write_image(tmp_path / "a.png", pixels)
    slide = open_slide(tmp_path / "a.png")
    with slide as opened:
        assert opened is slide
        assert isinstance(opened, Slide)


def test_reading_needs_neither_torch_nor_qt_nor_napari():
    code = "import napari_medrefine.io.slides, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"torch", "napari", "qtpy", "magicgui", "PyQt6"}
