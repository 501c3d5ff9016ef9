"""Pixel values at one place, and the mean difference around it: against plain block means."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medrefine.compare.neighbourhood import (
    Place,
    Reading,
    as_tsv,
    patch,
    reading,
    value_at,
)

RNG = np.random.default_rng(0)


def finer(factor, first=(0, 0)):
    """From pixels of a reference to those of an image `factor` times finer."""
    shift = (factor - 1) / 2
    return np.array(
        [[factor, 0, first[0] * factor + shift], [0, factor, first[1] * factor + shift], [0, 0, 1]]
    )


@given(st.integers(1, 16), st.integers(0, 3), st.sampled_from([1, 3, 5]))
def test_of_a_finer_image_all_pixels_on_one_of_the_reference_are_averaged(factor, first, size):
    image = RNG.integers(0, 255, (8 * factor, 8 * factor, 3), dtype=np.uint8)
    own = patch(image, finer(factor, (first, 0)), size, 255.0)
    blocks = image.reshape(8, factor, 8, factor, 3).mean((1, 3))
    expected = np.full((size, size, 3), np.nan)
    held = blocks[first : first + size, :size]
    expected[: held.shape[0], : held.shape[1]] = held
    np.testing.assert_allclose(own, expected)


def test_a_reference_pixel_partly_beside_the_image_does_not_count():
    image = np.full((9, 10), 100, np.uint8)  # the last row of fives is cut short by one pixel
    own = patch(image, finer(5), 2, 255.0)
    np.testing.assert_array_equal(np.isnan(own[..., 0]), [[False, False], [True, True]])


def test_differences_are_to_the_reference_and_in_grey_levels_of_255():
    reference = patch(np.full((4, 4, 3), 0.5, np.float32), np.eye(3), 2, 1.0)
    own = np.full((4, 4, 3), 100, np.uint8)
    own[0, 0] = (140, 100, 100)
    found = reading("a", value_at(own, 0, 0), patch(own, np.eye(3), 2, 255.0), reference)
    assert found.value == (140, 100, 100)
    assert found.mean == (110, 100, 100)
    assert found.difference == pytest.approx((-17.5, -27.5, -27.5))
    assert found.apart == pytest.approx((12.5 + 27.5 * 11) / 12)
    beside = reading("a", None, np.full((2, 2, 3), np.nan), reference)
    assert (beside.mean, beside.difference, beside.apart) == (None, None, None)


@pytest.mark.parametrize("at", [(-0.51, 0), (0, -0.51), (2.5, 0), (0, 3.5)])
def test_beside_the_image_there_is_no_value(at):
    image = np.arange(12, dtype=np.uint16).reshape(3, 4)
    assert value_at(image, *at) is None
    assert value_at(image, 2.49, 3.49) == (11, 11, 11)
    assert value_at(image, -0.5, 0.5) == (1, 1, 1)


def test_the_table_pastes_into_a_spreadsheet():
    there = Reading("=odd\tname", (1.0, 2.5, 65535.0), (1, 2, 3), (-1.5, 0.25, 3), 2.0)
    gone = Reading("b", None, None, None, None)
    text = as_tsv([Place((1.5, -2.0), "micrometer", "b", 5, [there, gone])] * 2)
    rows = list(csv.DictReader(io.StringIO(text), dialect="excel-tab"))
    assert [row["place"] for row in rows] == ["1", "1", "2", "2"]
    assert rows[0]["layer"] == "'=odd name"
    assert float(rows[0]["B"]) == 65535
    assert float(rows[0]["difference R"]) == -1.5
    assert rows[1]["R"] == rows[1]["absolute difference"] == ""
    assert {row["compared with"] for row in rows} == {"b"}
