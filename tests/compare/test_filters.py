"""Baselines do what their names say, keep dtype and range, and are repeatable."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy import ndimage
from skimage.data import immunohistochemistry

from napari_medrefine.compare import filters, metrics
from napari_medrefine.errors import MedRefineError

SHARP = immunohistochemistry()[100:260, 100:260]
BLURRED = ndimage.gaussian_filter(SHARP, (1.5, 1.5, 0))


@pytest.mark.parametrize("enlarge", [filters.bicubic, filters.lanczos, filters.back_projection])
def test_enlarging_keeps_the_place_of_everything(enlarge: Callable[..., np.ndarray]) -> None:
    rows = np.linspace(0.2, 0.8, 40)
    ramp = np.add.outer(rows, rows / 2)[..., None].repeat(3, -1) / 1.5
    enlarged = enlarge(ramp, 4)
    centre = (np.arange(160) + 0.5) / 4 - 0.5
    expected = (
        np.interp(centre, np.arange(40), rows)[:, None] + np.interp(centre, np.arange(40), rows) / 2
    ) / 1.5
    np.testing.assert_allclose(enlarged[20:-20, 20:-20, 0], expected[20:-20, 20:-20], atol=1e-3)


def test_back_projection_beats_bicubic_and_agrees_with_its_input() -> None:
    small = filters.enlarge(SHARP, 1 / 4, Pillow.Resampling.BOX)
    bicubic, projected = filters.bicubic(small, 4), filters.back_projection(small, 4)
    assert metrics.psnr(projected, SHARP) > metrics.psnr(bicubic, SHARP) + 0.3
    assert metrics.consistency(projected, small) < metrics.consistency(bicubic, small) / 2


@pytest.mark.parametrize("sharpen", [filters.unsharp_mask, filters.richardson_lucy, filters.wiener])
def test_sharpening_brings_detail_back(sharpen: Callable[..., np.ndarray]) -> None:
    sharper = sharpen(BLURRED)
    assert sharper.dtype == BLURRED.dtype
    before = metrics.high_frequency_ratio(BLURRED, SHARP)
    assert before < metrics.high_frequency_ratio(sharper, SHARP) < 1.5
    assert metrics.mse(sharper, SHARP) < metrics.mse(BLURRED, SHARP)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_dtype_and_channels_are_kept(dtype: type, channels: tuple[int, ...]) -> None:
    level = 1.0 if dtype is np.float32 else np.iinfo(dtype).max
    image = (np.random.default_rng(0).random((24, 20, *channels)) * level).astype(dtype)
    for sharpen in (filters.unsharp_mask, filters.richardson_lucy, filters.wiener):
        assert sharpen(image).shape == image.shape
        assert sharpen(image).dtype == dtype
    assert filters.back_projection(image, 2.5).shape == (60, 50, *channels)
    assert filters.back_projection(image, 2.5).dtype == dtype


def test_unsharp_mask_reads_no_uninitialised_memory() -> None:
    # scikit-image 0.26 does with channel_axis=-1 (its issue 7264): two runs then differ.
    first = filters.unsharp_mask(SHARP)
    np.full(SHARP.shape, 1e30, np.float32)  # whatever is freed here must not show up below
    np.testing.assert_array_equal(filters.unsharp_mask(SHARP), first)
    grey = np.stack([filters.unsharp_mask(SHARP[..., c]) for c in range(3)], -1)
    np.testing.assert_array_equal(first, grey)


@pytest.mark.parametrize("scale", [0, -1, np.nan, 0.001])
def test_an_impossible_scale_is_refused(scale: float) -> None:
    with pytest.raises(MedRefineError, match=r"scale"):
        filters.bicubic(SHARP, scale)
