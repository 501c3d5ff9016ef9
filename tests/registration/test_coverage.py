"""How much of an overview was photographed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medrefine.registration.coverage import coverage
from napari_medrefine.registration.placement import Placement, similarity


def placed(shape, overview, ratio, angle, middle):
    matrix = similarity(ratio, angle, (np.array(shape) - 1) / 2, np.array(middle, float))
    return Placement(matrix, shape, overview, accepted=True, reason="", score=1.0)


def test_a_field_covers_its_share_and_the_finer_one_is_named():
    overview = (800, 1000)
    ten = placed((400, 600), overview, 2, 0, (399.5, 499.5))
    forty = placed((800, 800), overview, 8, 0, (399.5, 499.5))
    found = coverage(overview, {"10x": [ten], "40x": [forty]})
    assert found.factor == 1
    assert found.shares == pytest.approx({"10x": 200 * 300 / 8e5, "40x": 100 * 100 / 8e5})
    assert found.missing == pytest.approx(1 - 200 * 300 / 8e5)
    assert (found.labels == 2).sum() == 10_000
    assert (found.labels[350:450, 450:550] == 2).all()
    assert (found.labels == 1).sum() == 50_000


def test_what_lies_off_the_overview_does_not_count_and_twice_counts_once():
    overview = (300, 401)
    half = placed((200, 200), overview, 2, 0, (-0.5, 200))
    found = coverage(overview, {"40x": [half, half]})
    assert found.shares["40x"] == pytest.approx(50 * 100 / (300 * 401), rel=0.01)


def test_a_strip_thinner_than_the_map_s_samples_lie_apart():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a share of nothing
        assert coverage((2**20, 1), {}).missing == 1


def test_nothing_is_all_missing():
    found = coverage((3000, 2000), {})
    assert (found.missing, found.factor, found.labels.max()) == (1.0, 3, 0)
    assert found.labels.shape == (1000, 667)


@settings(max_examples=25, deadline=None)
@given(st.floats(-180, 180), st.floats(2, 10), st.integers(1500, 3000), st.integers(1500, 3000))
def test_the_share_is_the_area_at_any_angle(angle, ratio, height, width):
    field = placed((500, 700), (height, width), ratio, angle, (height / 2, width / 2))
    found = coverage((height, width), {"": [field]})
    assert found.shares[""] * height * width == pytest.approx(500 * 700 / ratio**2, rel=0.02)
