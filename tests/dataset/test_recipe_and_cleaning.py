"""The study's geometry for any size, and what is measured of a photo."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from napari_medrefine.dataset import Cleaning, Recipe
from napari_medrefine.dataset.clean import fault, is_copy, measure, shrink
from napari_medrefine.dataset.recipe import cut_and_reduce, plan_cut
from napari_medrefine.errors import MedRefineError

Photo = Callable[..., np.ndarray]


def test_the_studys_photo_is_cut_as_in_the_study() -> None:
    assert plan_cut(2748, 3584, Recipe()) == (94, 0, 2560, 3584)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 5), st.sampled_from([32, 100]))
def test_any_size_gives_whole_tiles_from_the_middle(
    height: int, width: int, reduce: int, tile: int
) -> None:
    recipe = Recipe(tile=tile, reduce=reduce)
    side = tile * reduce
    if min(height, width) < side:
        with pytest.raises(MedRefineError, match="smaller than"):
            plan_cut(height, width, recipe)
        return
    cut = plan_cut(height, width, recipe)
    assert cut.height % side == cut.width % side == 0
    assert 0 <= height - cut.height < side
    assert 0 <= width - cut.width < side
    assert abs(height - cut.height - 2 * cut.top) <= 1


def test_a_crop_can_be_asked_for() -> None:
    recipe = Recipe(tile=64, reduce=2, crop=(128, 256))
    cut, picture = cut_and_reduce(np.zeros((300, 300, 3), np.uint8), recipe)
    assert cut == (86, 22, 128, 256)
    assert picture.shape == (64, 128, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tile": 0}, {"reduce": 0}, {"crop": (100, 100)}, {"proportions": (0, 0, 0)},
        {"proportions": (1, -1, 1)}, {"pixel_um": {4: -1}}, {"split_by": "tile"}, {"objective": 0},
    ],
)  # fmt: skip
def test_an_impossible_recipe_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Recipe(**wrong)


def test_reducing_rounds_the_exact_mean() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    _, picture = cut_and_reduce(photo, Recipe(tile=32, reduce=3))
    exact = photo.reshape(32, 3, 32, 3, 3).mean(axis=(1, 3))
    assert np.abs(picture - exact).max() <= 0.5 + 1e-6


def test_blur_lowers_sharpness_step_by_step(photo: Photo) -> None:
    sharp = photo(1)
    levels = [measure(gaussian_filter(sharp, (s, s, 0))).sharpness for s in (0, 1, 2, 4, 8)]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] == pytest.approx(0.25, abs=0.06)  # nothing but smooth


def test_noise_does_not_hide_that_a_photo_is_blank(photo: Photo) -> None:
    noise = np.random.default_rng(0).normal(0, 6, (512, 512, 3))
    light = 220 + 20 * np.linspace(-1, 1, 512)[:, None, None]
    quality = measure(np.clip(light + noise, 0, 255).astype(np.uint8))
    assert str(fault(quality, Cleaning())).startswith("blank")
    assert fault(measure(photo(1)), Cleaning()) is None


def test_white_glass_is_not_overexposure_but_burnt_tissue_is(photo: Photo) -> None:
    tissue = photo(3, 256, 256)
    on_glass = np.full((512, 512, 3), 255, np.uint8)
    on_glass[:256, :256] = tissue
    assert fault(measure(on_glass), Cleaning()) is None
    burnt = np.clip(tissue * 1.6, 0, 255).astype(np.uint8)
    assert str(fault(measure(burnt), Cleaning())).startswith("over-exposed")
    assert str(fault(measure(np.full((64, 64, 3), 255, np.uint8)), Cleaning())).startswith("over")


def test_a_limit_of_zero_lets_everything_pass() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    assert fault(measure(grey), Cleaning(contrast=0, sharpness=0, clipped=1)) is None


def test_copies_are_told_from_neighbours(photo: Photo) -> None:
    whole = photo(4, 512, 640)
    assert is_copy(whole, np.clip(whole.astype(int) + 3, 0, 255).astype(np.uint8))
    assert is_copy(whole, whole[::2, ::2])
    assert not is_copy(whole[:400, :400], whole[40:440, 40:440])
    assert not is_copy(whole, photo(5, 512, 640))
    assert not is_copy(np.full((64, 64, 3), 9, np.uint8), np.full((64, 64, 3), 9, np.uint8))


@given(st.integers(16, 80), st.integers(16, 80))
def test_shrinking_keeps_the_mean_of_every_block(height: int, width: int) -> None:
    grey = np.random.default_rng(height).integers(0, 256, (height, width), dtype=np.uint8)
    small = shrink(grey, 16)
    assert small.shape == (16, 16)
    first = grey[: height // 16, : width // 16]
    assert small[0, 0] == pytest.approx(first.mean(), rel=1e-5)
