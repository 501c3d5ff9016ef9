"""Files whose right pixels are known: turned, in other colours, with profiles, in palettes."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from fuzzing.outcome import judge
from fuzzing.photos import alpha, exif, picture, saved, tiff
from PIL import Image as Pillow
from PIL import ImageCms

from napari_medrefine.io.slides import open_slide
from napari_medrefine.photos import read_photo


def read(path):
    image = judge(lambda: read_photo(path), path, kind="known truth").value.image
    with open_slide(path) as slide:
        np.testing.assert_array_equal(np.asarray(slide.levels[0]), image)
    return image


def stored_for(orientation):
    """Return the picture as a camera held that way stores it (EXIF 2.32, 4.6.4)."""
    upright = picture()
    return np.ascontiguousarray(
        {
            1: upright,
            2: upright[:, ::-1],
            3: upright[::-1, ::-1],
            4: upright[::-1],
            5: upright.swapaxes(0, 1),
            6: np.rot90(upright, 1),
            7: np.rot90(upright, 2).swapaxes(0, 1),
            8: np.rot90(upright, -1),
        }[orientation]
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpg", "rgba.png", "tif", "lzw.tif", "cmyk.tif"])
def test_photos_come_upright_however_the_camera_was_held(bench, orientation, kind, monkeypatch):
    stored, path = stored_for(orientation), bench / f"turned.{kind}"
    image, expected = Pillow.fromarray(stored), picture()
    if kind == "png":
        path.write_bytes(saved(image, "PNG", exif=exif(orientation)))
    elif kind == "rgba.png":
        path.write_bytes(saved(image.convert("RGBA"), "PNG", exif=exif(orientation)))
        expected = np.dstack([picture(), np.full((24, 32), 255, np.uint8)])
    elif kind == "jpg":
        path.write_bytes(saved(image, "JPEG", exif=exif(orientation), quality=100, subsampling=0))
    elif kind == "cmyk.tif":
        path.write_bytes(saved(image.convert("CMYK"), "TIFF", tiffinfo={274: orientation}))
    else:
        if kind == "lzw.tif":  # as where imagecodecs is missing
            monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", {1: None})
            path.write_bytes(
                saved(image, "TIFF", compression="tiff_lzw", tiffinfo={274: orientation})
            )
        else:
            path.write_bytes(
                tiff(stored, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
            )
    made = read(path) if kind not in ("lzw.tif", "cmyk.tif") else read_photo(path).image
    assert made.shape == expected.shape
    assert np.abs(made.astype(int) - expected).max() <= (6 if kind == "jpg" else 0)


@pytest.mark.parametrize("codec", ["tifffile", "pillow"])
def test_white_is_white_in_a_fax(bench, codec, monkeypatch):
    bits = Pillow.fromarray(picture()).convert("1")
    path = bench / "fax.tif"
    path.write_bytes(saved(bits, "TIFF", compression="group4", tiffinfo={262: 0}))
    if codec == "pillow":
        monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", {1: None})
    expected = np.asarray(Pillow.open(path).convert("L"))
    np.testing.assert_array_equal(read_photo(path).image, expected)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_the_rgb_that_pillow_makes_of_it(bench, kind):
    path = bench / f"cmyk.{kind.lower()}"
    path.write_bytes(saved(Pillow.fromarray(picture()).convert("CMYK"), kind))
    np.testing.assert_array_equal(
        judge(lambda: read_photo(path), path, kind="known truth").value.image,
        np.asarray(Pillow.open(path).convert("RGB")),
    )


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_pixels_with_a_colour_profile_stay_as_they_are_stored(bench, kind):
    """As napari's own reader has them: a photo opened either way is the same photo."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    path = bench / f"profile.{kind.lower()}"
    path.write_bytes(saved(Pillow.fromarray(picture()), kind, icc_profile=profile))
    np.testing.assert_array_equal(read(path), picture())


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
def test_other_kinds_of_pixels(bench, mode):
    image = Pillow.fromarray(alpha())
    image = {
        "P": lambda: Pillow.fromarray(picture()).quantize(16),
        "I;16": lambda: Pillow.fromarray(picture()[..., 0].astype(np.uint16) * 257),
    }.get(mode, lambda: image.convert(mode))()
    shown = {"1": "L", "P": "RGB", "LA": "RGBA"}.get(mode, mode)
    expected = np.asarray(image if mode == "I;16" else image.convert(shown))
    path = bench / "kind.png"
    path.write_bytes(saved(image, "PNG"))
    np.testing.assert_array_equal(read(path), expected)
