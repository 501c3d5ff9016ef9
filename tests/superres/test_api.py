"""`magnify` and `sharpen` as a user calls them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medrefine import MedRefineError, magnify, sharpen
from napari_medrefine.compare import filters, metrics
from napari_medrefine.photos import read_photo


def scene(shape: tuple[int, int] = (40, 56)) -> np.ndarray:
    """Return dark spots on pink, uint8 RGB."""
    rows, columns = np.indices(shape)
    spots = np.exp(-(((rows % 14) - 7.0) ** 2 + ((columns % 17) - 8.0) ** 2) / 9)
    return (np.array([235, 180, 210]) - spots[..., None] * [140, 130, 80]).astype(np.uint8)


def as_dtype(image: np.ndarray, dtype: str) -> np.ndarray:
    unit = image / 255
    return {"uint8": image, "uint16": (unit * 65535).astype(np.uint16)}.get(
        dtype, unit.astype(dtype if dtype.startswith("float") else "float32")
    )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("channels", [0, 3, 4])
def test_dtype_channels_and_brightness_stay(dtype: str, channels: int) -> None:
    colour = as_dtype(scene(), dtype)
    image = {
        0: colour[..., 1],
        3: colour,
        4: np.concatenate([colour, colour[..., :1]], 2),
    }[channels]
    for result, size in ((magnify(image, 2), (80, 112)), (sharpen(image), (40, 56))):
        assert result.dtype == image.dtype
        assert result.shape == (*size, *image.shape[2:])
        assert result.mean() == pytest.approx(image.mean(), rel=0.02)  # spots become black


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    scale=st.floats(0.3, 9),
)
def test_size_is_exact(height: int, width: int, scale: float) -> None:
    shape = (round(height * scale), round(width * scale))
    image = scene((height, width))
    if 0 in shape:
        with pytest.raises(MedRefineError, match="nothing would be left"):
            magnify(image, scale)
    else:
        assert magnify(image, scale).shape == (*shape, 3)


@pytest.mark.parametrize("scale", [0.5, 1.3, 2, 2.5, 3, 4, 5, 10])
@pytest.mark.parametrize("realism", [0.0, 1.0])
def test_nothing_moves(scale: float, realism: float) -> None:
    """A spot stays where it was in the extent of the image, to a tenth of an input pixel."""
    rows, columns = np.indices((40, 50))
    spot = 1 - 0.6 * np.exp(-((rows - 17.3) ** 2 + (columns - 26.6) ** 2) / 18)
    dark = 1 - magnify(spot.astype(np.float32), scale, realism=realism).astype(float)
    dark = np.where(dark > 0.1, dark, 0)
    centre = [(np.indices(dark.shape)[axis] * dark).sum() / dark.sum() for axis in (0, 1)]
    back = [(c + 0.5) / scale - 0.5 for c in centre]
    assert back == pytest.approx([17.3, 26.6], abs=0.1)


@pytest.mark.parametrize("realism", [0.0, 1.0])
def test_white_stays_white(realism: float) -> None:
    white = np.full((30, 20, 3), 255, np.uint8)
    for result in (
        magnify(white, 4, realism=realism),
        magnify(white, 2.5, realism=realism),
        sharpen(white, realism=realism),
    ):
        assert result.min() == 255


def test_twelve_bit_white_stays() -> None:
    image = as_dtype(scene(), "float64")
    twelve = np.rint(image * 4095).astype(np.uint16)
    result = magnify(twelve, 2)
    assert result.max() <= 4095
    assert np.abs(result / 4095 - magnify(image, 2)).max() < 0.001


def test_no_strength_leaves_the_image() -> None:
    image = scene()
    np.testing.assert_array_equal(sharpen(image, strength=0), image)
    assert sharpen(image, strength=0) is not image
    full, half, none = (
        magnify(image.astype(np.float32), 2, strength=s).astype(float) for s in (1, 0.5, 0)
    )
    np.testing.assert_allclose(half, (full + none) / 2, atol=0.01)
    np.testing.assert_array_equal(magnify(image, 1), image)


def test_same_again_and_input_untouched() -> None:
    image = scene()
    kept = image.copy()
    for run in (lambda: magnify(image, 2.5, realism=0.5), lambda: sharpen(image, realism=1)):
        np.testing.assert_array_equal(run(), run())
    np.testing.assert_array_equal(image, kept)


def test_realism_and_sharpening_do_something() -> None:
    image = scene()
    assert not np.array_equal(magnify(image, 4), magnify(image, 4, realism=1))
    blurred = filters.bicubic(filters.bicubic(image, 1)[::2, ::2], 2)
    assert not np.array_equal(sharpen(blurred), blurred)


def test_consistency_brings_the_result_nearer_to_its_input() -> None:
    image = scene()
    plain, held = (
        np.abs(magnify(image, 4, consistency=on).reshape(40, 4, 56, 4, 3).mean((1, 3)) - image)
        for on in (False, True)
    )
    assert held.mean() < 0.5 * plain.mean()


def test_views_and_read_only_arrays_are_fine() -> None:
    image = scene()
    view = image[::-1, ::2]
    view.flags.writeable = False
    np.testing.assert_array_equal(magnify(view, 2), magnify(view.copy(), 2))


@pytest.mark.parametrize("scale", [0, -2, float("nan"), float("inf"), 1000])
def test_impossible_scales_are_refused(scale: float) -> None:
    with pytest.raises(MedRefineError, match="scale"):
        magnify(scene(), scale)


def test_results_beyond_memory_are_refused() -> None:
    huge = np.broadcast_to(np.uint8(200), (20_000, 20_000))
    with pytest.raises(MedRefineError, match="magnify a part"):
        magnify(huge, 60)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_shares_outside_are_refused(share: float) -> None:
    for name, call in (
        ("realism", lambda: magnify(scene(), 2, realism=share)),
        ("strength", lambda: magnify(scene(), 2, strength=share)),
        ("realism", lambda: sharpen(scene(), realism=share)),
        ("strength", lambda: sharpen(scene(), strength=share)),
    ):
        with pytest.raises(MedRefineError, match=f"{name} is"):
            call()


@pytest.mark.parametrize(
    "image",
    [np.zeros((0, 5)), np.full((4, 4), np.nan), np.zeros((4, 4, 2)), np.zeros((4, 4), int), "x"],
    ids=["empty", "nan", "two channels", "int64", "text"],
)
def test_what_is_no_image_is_refused(image: object) -> None:
    for call in (lambda: magnify(image, 2), lambda: sharpen(image)):
        with pytest.raises(MedRefineError, match="image"):
            call()


def test_a_magnifying_model_does_not_sharpen(tmp_path: Path) -> None:
    with pytest.raises(MedRefineError, match="cannot sharpen"):
        sharpen(scene(), model="magnify-faithful")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no weights")
    with pytest.raises(MedRefineError, match=r"broken\.safetensors"):
        magnify(scene(), 2, model=broken)


def test_sharpening_model_magnifies_after_interpolation() -> None:
    assert magnify(scene(), 2.5, model="sharpen-faithful").shape == (100, 140, 3)


def printed(code: str) -> list[str]:
    """Return the words that a Python of its own prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_import_and_bad_input_load_no_torch() -> None:
    code = (
        "import sys, napari_medrefine.superres as s\n"
        "try: s.magnify([[1.0]], -1)\n"
        "except ValueError: print('torch' in sys.modules)"
    )
    assert printed(code) == ["False"]


def test_a_run_does_not_load_the_compiler_of_torch() -> None:
    """Its import takes a second and more, and nothing here is compiled."""
    code = (
        "import sys, numpy, napari_medrefine.superres as s\n"
        "s.magnify(numpy.full((8, 8, 3), 90, numpy.uint8), 2, realism=0.5)\n"
        "print('torch' in sys.modules, 'torch._dynamo' in sys.modules)"
    )
    assert printed(code) == ["True", "False"]


@pytest.mark.photos
@pytest.mark.parametrize("slide", ["celiac-disease", "molluscum-contagiosum"])
def test_faithful_weights_beat_plain_enlarging(fields_dir: Path, slide: str) -> None:
    sharp = read_photo(min((fields_dir / "test" / slide).glob("*.png"))).image[256:768, 256:768]
    blocks = sharp.reshape(128, 4, 128, 4, 3).mean((1, 3))
    given = np.rint(blocks).astype(np.uint8)
    ours = metrics.psnr(magnify(given, 4), sharp)
    assert ours > metrics.psnr(filters.bicubic(given, 4), sharp) + 0.5
    assert ours > metrics.psnr(filters.back_projection(given, 4), sharp) + 0.2
