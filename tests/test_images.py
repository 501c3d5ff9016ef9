"""What counts as an image, and conversions that lose nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import check_image, from_unit, sha256_of, to_unit, white_level


@given(
    arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 5), st.integers(1, 5), st.just(3)),
    )
)
def test_integers_survive_the_way_to_floats_and_back(image: np.ndarray) -> None:
    np.testing.assert_array_equal(from_unit(to_unit(image), like=image), image)


@pytest.mark.parametrize(
    ("brightest", "level"),
    [
        (0.9, 1),
        (1.02, 1),
        (200.0, 255),
        (4000.0, 4095),
        (9000.0, 16383),
        (60000.0, 65535),
        (2e5, 2e5),
    ],
)
def test_the_white_of_floats_is_told_from_their_range(brightest: float, level: float) -> None:
    assert white_level(np.array([[0.0, brightest]])) == level


def test_a_12_bit_camera_in_a_16_bit_file_is_not_taken_for_darkness() -> None:
    assert white_level(np.array([[4095]], np.uint16)) == 4095
    assert white_level(np.array([[4096]], np.uint16)) == 16383
    assert white_level(np.array([[16384]], np.uint16)) == 65535


def test_a_hot_pixel_does_not_make_the_rest_black():
    image = np.full((100, 100, 3), 0.8, np.float32)
    image[3, 4] = 40.0
    assert white_level(image) == 1
    image[:20] = 40.0
    assert white_level(image) == 255


@pytest.mark.parametrize(
    ("image", "word"),
    [
        (np.zeros((4, 4, 2)), "shape"),
        (np.zeros((0, 4)), "empty"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.zeros((2, 4, 4, 3), np.uint8), "shape"),
    ],
)
def test_what_is_no_image_is_refused_in_one_sentence(image: np.ndarray, word: str) -> None:
    with pytest.raises(MedRefineError, match=word) as refusal:
        check_image(image, "field")
    assert "\n" not in str(refusal.value)
    assert "field" in str(refusal.value)


def test_the_hash_tells_shapes_and_dtypes_apart() -> None:
    flat = np.zeros((4, 4), np.uint8)
    assert len({sha256_of(flat), sha256_of(flat.reshape(2, 8)), sha256_of(flat[:2])}) == 3
