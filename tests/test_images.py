"""What counts as an image, and conversions that lose nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import (
    Tally,
    check_image,
    from_unit,
    largest_of,
    sha256_of,
    to_unit,
    white_level,
    white_of,
)


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


def test_a_hot_pixel_does_not_give_a_12_bit_photo_another_white() -> None:
    photo = np.full((200, 200), 3000, np.uint16)
    photo[50, 60], photo[90, 10] = 65535, 4100
    assert white_level(photo) == 4095
    np.testing.assert_array_equal(from_unit(to_unit(photo), like=photo), photo)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize(("brightest", "white"), [(9000, 16383), (30_000, 65535)])
def test_few_bright_cells_on_black_do_not_make_a_photo_one_of_12_bits(
    brightest: int, white: int, dtype: type
) -> None:
    fluorescence = np.full((1000, 1000), 300, dtype)
    fluorescence[500:520, 500:525] = brightest  # 0.05 % of it
    assert white_level(fluorescence) == white


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_what_is_opaque_does_not_say_what_is_white(dtype: type) -> None:
    colours = np.linspace(0, 200, 48).reshape(4, 4, 3).astype(dtype)
    opaque = np.full((4, 4, 1), largest_of(np.dtype(dtype)), dtype)
    photo = np.concatenate([colours, opaque], axis=2)
    assert white_level(photo) == white_level(colours)
    np.testing.assert_array_equal(to_unit(photo)[..., 3], 1)
    np.testing.assert_array_equal(from_unit(to_unit(photo), like=photo)[..., 3:], opaque)


class Lazy:
    """What can only be read part by part."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels, self.shape, self.dtype = pixels, pixels.shape, pixels.dtype

    def __getitem__(self, part: tuple[slice, slice]) -> np.ndarray:
        return self._pixels[part]


@pytest.mark.parametrize("side", [512, 1500])
def test_a_hot_spot_means_the_same_read_part_by_part(side: int) -> None:
    photo = np.full((side, side), 0.8, np.float32)
    photo[200:206, 200:206] = 3.0
    assert white_of(Lazy(photo)) == white_level(photo) == 1


@given(arrays(np.float32, (6, 5), elements=st.sampled_from([0.0, 1.5, 3.0, 600.0, 9e4, np.nan])))
def test_the_parts_of_an_image_add_up_to_its_white(image: np.ndarray) -> None:
    assert Tally.of(image[:2]) + Tally.of(image[2:]) == Tally.of(image)


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
