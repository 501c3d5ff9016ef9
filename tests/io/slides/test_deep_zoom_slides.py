"""Deep Zoom as slides: made here by its own rules, from whole levels, with Pillow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image as Pillow

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.slides import open_slide

XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="{format}"'
    ' Overlap="{overlap}" TileSize="{tile}"><Size Width="{width}" Height="{height}"/></Image>\n'
)


def write_dzi(path, pixels, tile=64, overlap=1, format="png"):  # noqa: A002 - Deep Zoom's word
    """Write a picture; each level is every second pixel of the finer one. Return the levels."""
    height, width = pixels.shape[:2]
    described = {"format": format, "overlap": overlap, "tile": tile}
    path.write_text(XML.format(**described, width=width, height=height))
    levels = []
    for number in range(math.ceil(math.log2(max(height, width))), -1, -1):
        levels.append(pixels)
        folder = path.with_name(path.stem + "_files") / str(number)
        folder.mkdir(parents=True)
        for row in range(-(-pixels.shape[0] // tile)):
            for column in range(-(-pixels.shape[1] // tile)):
                top, left = max(row * tile - overlap, 0), max(column * tile - overlap, 0)
                part = pixels[
                    top : (row + 1) * tile + overlap, left : (column + 1) * tile + overlap
                ]
                Pillow.fromarray(part).save(folder / f"{column}_{row}.{format}", quality=95)
        pixels = np.ascontiguousarray(pixels[::2, ::2])
    return levels


@pytest.mark.parametrize(("tile", "overlap"), [(64, 0), (62, 1), (50, 7), (254, 1), (1024, 1)])
def test_any_window_of_any_level(tile, overlap, random_picture, same_windows, tmp_path):
    pixels = random_picture(301, 427)
    levels = write_dzi(tmp_path / "slide_10x.dzi", pixels, tile, overlap)
    with open_slide(tmp_path / "slide_10x.dzi") as slide:
        assert (slide.kind, slide.name, slide.rgb) == ("Deep Zoom", "slide_10x", True)
        assert (slide.pixel_um, slide.objective) == (None, 10)
        assert len(slide.levels) == 1 + max(0, math.ceil(math.log2(427 / tile)))
        assert max(slide.levels[-1].shape) <= tile
        for level, expected in zip(slide.levels, levels, strict=False):
            same_windows(level, expected, 20)


@pytest.mark.parametrize(("channels", "dtype"), [(0, "uint8"), (0, "uint16"), (4, "uint8")])
def test_grey_deep_and_transparent_tiles(channels, dtype, random_picture, same_windows, tmp_path):
    pixels = random_picture(100, 130, channels, dtype)
    write_dzi(tmp_path / "a.dzi", pixels)
    with open_slide(tmp_path / "a.dzi") as slide:
        assert slide.rgb is (channels == 4)
        same_windows(slide.levels[0], pixels)


def test_jpeg_tiles_fit_together(tmp_path):
    pixels = np.add.outer(np.arange(300), np.arange(400))[..., None] * [0.2, 0.3, 0.1]
    pixels = pixels.astype(np.uint8)
    write_dzi(tmp_path / "a.dzi", pixels, 128, 2, "jpg")
    with open_slide(tmp_path / "a.dzi") as slide:
        assert np.abs(slide.levels[0][:, :].astype(int) - pixels).max() < 6


def test_a_blank_tile_may_be_grey(random_picture, tmp_path):
    pixels = random_picture(100, 200)
    pixels[:, 128:] = 255
    write_dzi(tmp_path / "a.dzi", pixels, 64, 0)
    Pillow.new("L", (64, 64), 255).save(tmp_path / "a_files" / "8" / "2_0.png")
    with open_slide(tmp_path / "a.dzi") as slide:
        assert (slide.levels[0][:, :] == pixels).all()


def test_only_the_tiles_that_are_touched_are_needed(random_picture, tmp_path):
    pixels = random_picture(300, 400)
    write_dzi(tmp_path / "a.dzi", pixels, 100, 0)
    gone = tmp_path / "a_files" / "9" / "2_1.png"
    gone.unlink()
    with open_slide(tmp_path / "a.dzi") as slide:
        level = slide.levels[0]
        for near in np.s_[:100, :], np.s_[:, :200], np.s_[200:, :], np.s_[:, 300:]:
            assert (level[near] == pixels[near]).all()
        with pytest.raises(MedRefineError) as refused:
            level[99:101, 200:201]
    assert str(refused.value) == f"Cannot read {gone}: No such file or directory."


def test_damaged_tiles_are_named(random_picture, tmp_path):
    write_dzi(tmp_path / "a.dzi", random_picture(300, 400), 100, 0)
    torn, other = (tmp_path / "a_files" / "9" / name for name in ("1_1.png", "2_2.png"))
    torn.write_bytes(torn.read_bytes()[:500])
    Pillow.new("RGB", (90, 100)).save(other)
    with open_slide(tmp_path / "a.dzi") as slide:
        with pytest.raises(MedRefineError, match=rf"Cannot read {torn}: it is damaged"):
            slide.levels[0][150:160, 150:160]
        sentence = rf"{other}: the tile has the shape \(100, 90, 3\) and uint8 pixels instead of"
        with pytest.raises(MedRefineError, match=sentence):
            slide.levels[0][250:260, 250:260]


def test_without_its_tiles_the_first_is_named(random_picture, tmp_path):
    write_dzi(tmp_path / "a.dzi", random_picture(300, 400))
    (tmp_path / "a_files").rename(tmp_path / "elsewhere")
    with pytest.raises(MedRefineError, match=r"a_files/9/0_0\.png: No such file"):
        open_slide(tmp_path / "a.dzi")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"png"', '"../../../b_files/7/0_0.png"', "its tiles are '../../../b_files/7/0'; jpg and"),
        ('"png"', '"webp"', "its tiles are 'webp'; jpg and png can be read"),
        ('"64"', '"0"', "its description is damaged (TileSize: "),
        ('"64"', '"many"', "its description is damaged (TileSize: "),
        ('Overlap="1"', "", "its description is damaged (Overlap: Field required)"),
        ('"130"', '"-130"', "its description is damaged (Width: "),
        ("<Size ", "<Sighs ", "it does not describe a Deep Zoom picture"),
        ("</Image>", "", "it is damaged, not XML (no element found"),
        ("<Image", '<!DOCTYPE x [<!ENTITY a "b">]><Image', "it declares a document type"),
        ("<Image", '<!DOCTYPE x SYSTEM "file:///etc/passwd"><Image', "it declares a document type"),
        ("</Image>", "<!-- " + "x" * 2**20 + "--></Image>", "it is too large for the description"),
    ],
)
def test_bad_descriptions_are_told_in_one_sentence(old, new, reason, random_picture, tmp_path):
    path = tmp_path / "a.dzi"
    write_dzi(path, random_picture(100, 130))
    write_dzi(tmp_path / "b.dzi", random_picture(100, 130))
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(MedRefineError) as refused:
        open_slide(path)
    assert str(refused.value).startswith(f"Cannot read {path}: {reason}")
    assert "\n" not in str(refused.value)
