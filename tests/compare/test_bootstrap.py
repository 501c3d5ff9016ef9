"""Paired differences: the mean is that of the images, the interval that of their number."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medrefine.compare import paired_difference
from napari_medrefine.compare.evaluate import Row
from napari_medrefine.errors import MedRefineError


def row(slide: str, image: int, method: str, psnr: float) -> Row:
    return Row(str(image), slide, method, 0, psnr, 0, 0, 0, 0, 0, 0, ())


def rows(gains: dict[str, list[float]]) -> list[Row]:
    """Images of very different difficulty, on which A is better than B by `gains`."""
    made = []
    for slide, values in gains.items():
        for k, gain in enumerate(values):
            made += [row(slide, k, "B", 20.0 + k), row(slide, k, "A", 20.0 + k + gain)]
    return made


def test_a_difference_is_paired_by_image() -> None:
    found = paired_difference(rows({"s": [1.0, 1.0, 1.0, 1.0]}), "A", "B")
    assert (found.mean, found.low, found.high) == pytest.approx((1, 1, 1))
    back = paired_difference(rows({"s": [1.0, 2.0, 4.0]}), "B", "A")
    assert back.mean == pytest.approx(-7 / 3)
    assert -4 <= back.low < back.mean < back.high <= -1


def test_the_interval_is_that_of_the_mean() -> None:
    gains = np.random.default_rng(0).normal(0.5, 0.2, 40).tolist()
    found = paired_difference(rows({"s": gains}), "A", "B")
    half = 1.96 * np.std(gains) / np.sqrt(40)
    assert found.low == pytest.approx(np.mean(gains) - half, abs=0.01)
    assert found.high == pytest.approx(np.mean(gains) + half, abs=0.01)


def test_slides_that_disagree_widen_the_interval_over_slides() -> None:
    measured = rows({"easy": [2.0] * 10, "hard": [0.0] * 2})
    overall = paired_difference(measured, "A", "B")
    assert overall.mean == pytest.approx(1)  # each slide has the same weight
    assert (overall.low, overall.high) == pytest.approx((0, 2))
    one = paired_difference(measured, "A", "B", slide="easy")
    assert (one.mean, one.low, one.high) == pytest.approx((2, 2, 2))


def test_the_images_of_a_slide_that_is_drawn_twice_are_drawn_anew() -> None:
    gains = {f"s{k}": [-1.0, 1.0] for k in range(4)}
    found = paired_difference(rows(gains), "A", "B")
    # Slides that are all alike say no more than their images: eight draws of -1 or 1.
    assert (found.low, found.high) == pytest.approx((-0.75, 0.75))


def test_one_image_has_no_interval() -> None:
    assert not paired_difference(rows({"s": [0.3]}), "A", "B").has_interval
    assert paired_difference(rows({"s": [0.3, 0.4]}), "A", "B").has_interval
    assert paired_difference(rows({"s": [0.3], "t": [0.4]}), "A", "B").has_interval


def test_methods_without_a_common_image_cannot_be_compared() -> None:
    measured = [row("s", 0, "A", 20), row("s", 1, "B", 21)]
    with pytest.raises(MedRefineError, match="same images"):
        paired_difference(measured, "A", "B")
