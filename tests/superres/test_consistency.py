"""A magnified reduction gives its input back; a photo with blur and noise is not forced to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi
from skimage.data import coffee, immunohistochemistry
from torch.nn import functional as nnf

from napari_medrefine.compare.filters import back_projection
from napari_medrefine.photos import read_photo
from napari_medrefine.superres.api import magnify
from napari_medrefine.superres.consistency import KINDS, Kind, Reduction, borne_out, is_bicubic
from napari_medrefine.superres.generator import Trunk, UNet, compose
from napari_medrefine.superres.origin import reduction_of
from napari_medrefine.superres.ready import ready_generator
from napari_medrefine.superres.reduction_spectrum import spectrum_levels


def reduced(image: np.ndarray, kind: Kind, scale: int) -> np.ndarray:
    tensor = torch.from_numpy(np.asarray(image, np.float32)).permute(2, 0, 1)[None]
    if kind == "area":
        small = nnf.avg_pool2d(tensor, scale)
    else:
        small = nnf.interpolate(tensor, scale_factor=1 / scale, mode="bicubic", antialias=True)
    return small[0].permute(1, 2, 0).numpy()


@pytest.fixture(scope="module")
def tissue() -> np.ndarray:
    return coffee()[:384, :480]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("generator", [Trunk(8, 1), UNet(4, 0)])
def test_the_result_reduces_to_the_input(generator: Trunk | UNet, kind: Kind, scale: int) -> None:
    shades = -torch.rand(1, 3, 48, 40, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        residual = generator.sub_pixels(shades, scale)
        found = Reduction(kind, scale).consistent(shades, residual, (-np.inf, np.inf))
        before, after = (
            compose(small, residual, scale)[0].permute(1, 2, 0).numpy() for small in (shades, found)
        )
    wanted = shades[0].permute(1, 2, 0).numpy() + 1
    inside = (slice(4, -4),) * 2  # torch leaves out what lies beyond the border, we repeat it
    was, now = (
        np.abs(reduced(large, kind, scale) - wanted)[inside].mean() for large in (before, after)
    )
    assert now < 0.03 * was


@pytest.mark.parametrize("realism", [0.0, 1.0])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_magnified_averages_give_the_averages_back(
    tissue: np.ndarray, scale: int, realism: float
) -> None:
    small = np.rint(reduced(tissue, "area", scale))
    large = magnify(small, scale, realism=realism)
    assert np.abs(reduced(large, "area", scale) - small).mean() <= 0.05


@pytest.mark.photos
@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_reduction_is_recognised(fields_dir: Path, kind: Kind) -> None:
    for slide in ("giardia", "keloid-scar"):
        sharp = read_photo(sorted((fields_dir / "train" / slide).glob("*.jpg"))[0]).image
        small = np.rint(reduced(sharp, kind, 4)).clip(0, 255).astype(np.uint8)
        found = reduction_of(small, ready_generator("magnify"), 4)
        assert found is not None
        assert found.kind == kind
        assert found.share > 0.95  # all of what the network adds is borne out


@pytest.mark.photos
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sigma", [0.8, 1.4, 2.0])
def test_of_a_soft_photo_no_more_is_made_than_it_bears_out(
    fields_dir: Path, sigma: float, kind: Kind
) -> None:
    """Taken for a crisp slide behind a blurring objective, it would be 2 to 14 dB worse."""
    for slide in ("giardia", "keloid-scar"):
        file = sorted((fields_dir / "train" / slide).glob("*.jpg"))[1]
        field = np.asarray(read_photo(file).image, np.float32)[:512, :512, :3]
        sharp = np.rint(ndi.gaussian_filter(field, (sigma, sigma, 0)))
        small = np.rint(reduced(sharp, kind, 4)).clip(0, 255).astype(np.uint8)
        errors = [
            np.mean((result.astype(np.float32) - sharp)[8:-8, 8:-8] ** 2)
            for result in (magnify(small, 4), back_projection(small, 4))
        ]
        assert errors[0] < errors[1]


def test_what_is_borne_out_is_what_the_input_lacks() -> None:
    chance = torch.Generator().manual_seed(0)
    added, noise = torch.randn(2, 1, 3, 64, 64, generator=chance)
    for part, share in ((0.4, 0.4 / 0.85), (0.9, 1.0), (-0.2, 0.0)):
        told, rest = borne_out(part * added + 0.1 * noise, added)
        assert told == pytest.approx(share, abs=0.01)
        assert rest == pytest.approx(0.1 * noise.abs().mean().item(), rel=0.05)
    assert borne_out(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)) == (1.0, 0.0)


def test_a_clean_reduction_of_another_stain_is_recognised() -> None:
    small = np.rint(reduced(immunohistochemistry(), "area", 4)).astype(np.uint8)
    assert reduction_of(small, ready_generator("magnify"), 4) is not None


@pytest.mark.photos
@pytest.mark.parametrize("kind", KINDS)
def test_how_a_soft_slide_was_reduced_is_told(fields_dir: Path, kind: Kind) -> None:
    """The generator's output does not tell: it takes nearly all for averaging."""
    right = []
    for slide in ("celiac-disease", "molluscum-contagiosum"):
        for file in sorted((fields_dir / "test" / slide).iterdir())[:2]:
            sharp = np.asarray(read_photo(file).image, np.float32)[..., :3]
            soft = ndi.gaussian_filter(sharp, (1.4, 1.4, 0))
            small = np.rint(reduced(soft, kind, 4)).clip(0, 255).astype(np.uint8)
            found = reduction_of(small, ready_generator("magnify"), 4)
            right.append(found is not None and found.kind == kind)
    assert sum(right) >= 3


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 5), st.sampled_from([1, 3]))
@settings(max_examples=10, deadline=None)
def test_levels_are_of_the_pattern_and_not_of_its_contrast_or_side(
    seed: int, contrast: float, channels: int
) -> None:
    rng = np.random.default_rng(seed)
    noise = np.repeat(rng.normal(0, 0.05, (1, 256, 320)), channels, axis=0)
    levels = spectrum_levels(noise)
    assert levels is not None
    for same in (noise * contrast - 0.3, noise.swapaxes(1, 2), noise[:, ::-1]):
        np.testing.assert_allclose(spectrum_levels(same), levels, atol=1e-3)


def test_small_images_have_no_levels_and_are_told_apart_by_the_output_alone() -> None:
    assert spectrum_levels(np.zeros((3, 255, 300))) is None
    assert is_bicubic(4, 0.5, 0.1, None)
    assert not is_bicubic(2, 0.5, 0.1, None)  # cameras bin by averaging
    assert not is_bicubic(7, 0.5, -0.3, np.zeros(3))


def test_where_the_output_is_sure_the_spectrum_is_not_asked() -> None:
    astray = np.full(39, np.nan)
    assert is_bicubic(4, 1.0, 0.6, astray)
    assert not is_bicubic(4, 1.0, -0.6, astray)


def test_what_an_objective_blurred_is_not_forced(tissue: np.ndarray) -> None:
    blurred = ndi.gaussian_filter(tissue.astype(np.float32), (1.85, 1.85, 0))
    noise = np.random.default_rng(1).standard_normal((96, 120, 3))
    photo = np.clip(np.rint(reduced(blurred, "area", 4) + 1.5 * noise), 0, 255).astype(np.uint8)
    assert reduction_of(photo, ready_generator("magnify"), 4) is None
    forced = magnify(photo, 4, consistency=True)
    np.testing.assert_array_equal(magnify(photo, 4), magnify(photo, 4, consistency=False))
    assert not np.array_equal(magnify(photo, 4), forced)


def test_strength_zero_is_interpolation_still(tissue: np.ndarray) -> None:
    small = np.rint(reduced(tissue, "area", 4)).astype(np.uint8)
    plain = magnify(small, 4, strength=0, consistency=False)
    np.testing.assert_array_equal(magnify(small, 4, strength=0), plain)


def test_blank_and_tiny_images_are_fine() -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    assert (magnify(white, 4) == 255).all()
    assert magnify(white[:5, :7], 4).shape == (20, 28, 3)


@pytest.mark.parametrize("realism", [0.0, 1.0])
@pytest.mark.parametrize("consistency", [None, False])
def test_grey_stays_grey(realism: float, *, consistency: bool | None) -> None:
    for grey in (30, 128, 210):
        flat = np.full((60, 50, 3), grey, np.float32)
        flat[0, 0] = 255  # white is what is meant by 255
        large = magnify(flat, 4, realism=realism, consistency=consistency)
        for colour in large[160:, 120:].reshape(-1, 3).mean(axis=0):
            assert colour == pytest.approx(grey, abs=0.05)


def test_the_mean_colour_of_a_blurred_photo_stays(tissue: np.ndarray) -> None:
    blurred = ndi.gaussian_filter(tissue.astype(np.float32), (1.85, 1.85, 0))
    small = reduced(blurred, "area", 4)
    large = magnify(small, 4, consistency=False)
    np.testing.assert_allclose(large.mean((0, 1)), small.mean((0, 1)), atol=0.2)


@pytest.mark.photos
def test_the_faithful_weights_tell_the_reduction_whatever_the_realism(fields_dir: Path) -> None:
    """Of this field the GAN weights alone would tell averaging, and contradict the input by 1."""
    sharp = read_photo(sorted((fields_dir / "train/giardia").glob("*.jpg"))[0]).image[:768, :768]
    small = np.rint(reduced(sharp, "bicubic", 4)).clip(0, 255)
    for realism in (0.0, 0.5, 1.0):
        large = magnify(small.astype(np.float32), 4, realism=realism)
        assert np.abs(reduced(large, "bicubic", 4) - small).mean() <= 0.05
