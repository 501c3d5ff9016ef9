"""Numbers that mean what they say, and refusals of numbers that would mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.data import immunohistochemistry

from napari_medrefine.compare import filters, metrics
from napari_medrefine.errors import MedRefineError

SHARP = immunohistochemistry()[:128, :128]


def test_a_known_difference() -> None:
    shifted = np.clip(SHARP.astype(int), 0, 250).astype(np.uint8)
    worse = shifted + 5
    assert metrics.mse(worse, shifted) == pytest.approx(25)
    assert metrics.psnr(worse, shifted) == pytest.approx(10 * np.log10(255**2 / 25))
    assert metrics.high_frequency_ratio(worse, shifted) == pytest.approx(1)


def test_equal_images_are_perfect() -> None:
    assert metrics.mse(SHARP, SHARP) == 0
    assert metrics.psnr(SHARP, SHARP) == float("inf")
    assert metrics.ssim(SHARP, SHARP) == pytest.approx(1)
    assert metrics.colour_difference(SHARP, SHARP) == 0


def test_the_same_error_in_another_dtype_is_the_same_number() -> None:
    other = SHARP[::-1].copy()
    as_float = metrics.mse(other / 255, SHARP / 255)
    assert as_float == pytest.approx(metrics.mse(other, SHARP), rel=1e-6)


def test_an_enlargement_is_consistent_with_its_original_and_not_with_another() -> None:
    assert metrics.consistency(filters.back_projection(SHARP, 3), SHARP) < 0.5
    assert metrics.consistency(filters.back_projection(SHARP, 3), SHARP[::-1].copy()) > 5


@pytest.mark.parametrize(
    "truth",
    [SHARP[:64], SHARP.astype(np.uint16), SHARP[..., 0], np.full(SHARP.shape, np.nan)],
    ids=["shape", "dtype", "channels", "NaN"],
)
def test_what_cannot_be_compared_is_refused(truth: np.ndarray) -> None:
    for measure, _ in metrics.METRICS.values():
        with pytest.raises(MedRefineError):
            measure(SHARP, truth)


def test_the_studys_mistake_is_refused() -> None:
    # 0-255 against 0-1: this is how a "mean squared error" of 40463 comes about.
    with pytest.raises(MedRefineError, match="mean nothing"):
        metrics.mse(SHARP.astype(float), SHARP / 255)
