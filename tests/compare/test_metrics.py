"""The numbers: right where they can be worked out by hand, refused where they mean nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage as ndi
from skimage import filters as skimage_filters
from skimage.data import immunohistochemistry

from napari_medrefine.compare import metrics
from napari_medrefine.errors import MedRefineError

ALL = [
    metrics.mse,
    metrics.psnr,
    metrics.ssim,
    metrics.high_frequency_ratio,
    metrics.colour_difference,
]


@pytest.fixture(scope="module")
def truth() -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(immunohistochemistry()[:200, :240])


def test_a_shift_of_eight_levels(truth: npt.NDArray[np.uint8]) -> None:
    dark = (truth // 2).astype(np.uint8)
    shifted = dark + np.uint8(8)
    assert metrics.mse(shifted, dark) == pytest.approx(64)
    assert metrics.psnr(shifted, dark) == pytest.approx(30.069, abs=1e-3)
    assert metrics.high_frequency_ratio(shifted, dark) == pytest.approx(1)
    assert metrics.consistency(shifted, dark) == pytest.approx(8)


def test_identical_images_are_perfect(truth: npt.NDArray[np.uint8]) -> None:
    assert metrics.mse(truth, truth) == 0
    assert metrics.psnr(truth, truth) == np.inf
    assert metrics.ssim(truth, truth) == pytest.approx(1)
    assert metrics.colour_difference(truth, truth) == 0


@pytest.mark.parametrize("metric", ALL)
def test_numbers_do_not_depend_on_the_dtype(metric: object, truth: object) -> None:
    blurred = np.rint(ndi.gaussian_filter(truth.astype(float), (1, 1, 0)))
    expected = metric(blurred.astype(np.uint8), truth)
    assert metric(blurred.astype(np.uint16) * 257, truth.astype(np.uint16) * 257) == pytest.approx(
        expected, rel=1e-3
    )
    assert metric(blurred / 255, truth / 255) == pytest.approx(expected, rel=1e-3)
    alpha = np.zeros((*truth.shape[:2], 1), np.uint8)
    with_alpha = [
        np.concatenate([i.astype(np.uint8), alpha + k], -1) for k, i in ((9, blurred), (0, truth))
    ]
    assert metric(*with_alpha) == pytest.approx(expected)


def test_overshoot_is_an_error_and_no_other_white(truth: npt.NDArray[np.uint8]) -> None:
    twelve = np.rint(truth * (4095 / 255)).astype(np.uint16)
    estimate = np.rint(twelve * 1.03 + 40).astype(np.uint16)
    clipped = np.minimum(estimate, 4095)
    assert estimate.max() > 4095
    cut_off, overshooting = (metrics.psnr(image, twelve) for image in (clipped, estimate))
    assert cut_off - 3 < overshooting < cut_off


def test_softer_and_noisier_show_in_the_fine_detail(truth: npt.NDArray[np.uint8]) -> None:
    soft = ndi.gaussian_filter(truth, (1, 1, 0))
    noisy = truth.astype(float) + np.random.default_rng(0).normal(0, 12, truth.shape)
    noisy = np.clip(noisy, 0, 255).astype(np.uint8)
    assert metrics.high_frequency_ratio(soft, truth) < 0.7
    assert metrics.high_frequency_ratio(noisy, truth) > 1.1
    plain = np.full_like(truth, 200)
    assert np.isnan(metrics.high_frequency_ratio(truth, plain))


def test_ssim_uses_the_window_of_wang(truth: npt.NDArray[np.uint8]) -> None:
    """By hand on one channel: Gaussian means, variances and covariance of sigma 1.5."""
    a, b = (i[..., 1].astype(float) for i in (truth, ndi.gaussian_filter(truth, (1, 1, 0))))

    def local(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return ndi.gaussian_filter(x, 1.5, truncate=3.5)

    ma, mb = local(a), local(b)
    va, vb, cov = local(a * a) - ma**2, local(b * b) - mb**2, local(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    score = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    grey = [i[..., 1] for i in (ndi.gaussian_filter(truth, (1, 1, 0)), truth)]
    assert metrics.ssim(*grey) == pytest.approx(score[5:-5, 5:-5].mean(), abs=1e-4)


def test_tile_errors_find_the_bad_corner(truth: npt.NDArray[np.uint8]) -> None:
    spoilt = truth.copy()
    spoilt[130:, 130:] = 0
    errors = metrics.tile_errors(spoilt, truth)
    assert errors.shape == (4,)
    assert (errors[:3] == 0).all()
    assert errors[3] > 1000
    weights = np.outer([128, 72], [128, 112]).ravel()
    assert np.average(errors, weights=weights) == pytest.approx(
        metrics.mse(spoilt, truth), rel=1e-5
    )


def test_the_study_s_impossible_number_is_refused(truth: npt.NDArray[np.uint8]) -> None:
    """0-255 against a filter's 0-1 output gives tens of thousands, and must not become a result."""
    filtered = skimage_filters.unsharp_mask(truth, channel_axis=2)
    wrong = np.mean((truth.astype(float) - filtered) ** 2)
    black = np.mean(truth.astype(float) ** 2)
    assert wrong == pytest.approx(black, rel=0.02)  # no better than a black image
    with pytest.raises(MedRefineError, match="uint8 image cannot be compared with a float64"):
        metrics.mse(truth, filtered)
    with pytest.raises(MedRefineError, match="white at 255, the other at 1"):
        metrics.mse(truth.astype(float), filtered)
    scaled = np.rint(filtered * 255).astype(np.uint8)
    assert metrics.mse(scaled, truth) < 0.01 * wrong


@pytest.mark.parametrize("metric", [*ALL, metrics.tile_errors])
def test_images_that_do_not_match_are_refused(metric: object, truth: object) -> None:
    for other in (truth[:-1], truth[..., 0], truth.astype(np.float32), np.zeros((4, 4, 4, 4))):
        with pytest.raises(MedRefineError):
            metric(other, truth)


def test_consistency_refuses_an_output_smaller_than_its_input(truth: object) -> None:
    with pytest.raises(MedRefineError, match="smaller than the input"):
        metrics.consistency(truth[::2, ::2], truth)
    large = np.repeat(np.repeat(truth, 3, 0), 3, 1)
    assert metrics.consistency(large, truth) == pytest.approx(0, abs=1e-4)
