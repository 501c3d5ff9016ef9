"""The geometry: there and back again, on disk, and in napari's affines."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration import Placement, field_affine
from napari_medrefine.registration.lens import Lens
from napari_medrefine.registration.placement import Distortion, similarity, transform

SHAPE = (274, 358)
STRENGTH = st.floats(-0.05, 0.05)


def placed(ratio=9.7, angle=3.0, at=(800.0, 1200.0), strengths=None, mirror=False):
    matrix = similarity(ratio, angle, np.array([136.5, 178.5]), np.array(at))
    if mirror:
        matrix = matrix @ np.array([[1, 0, 0], [0, -1, SHAPE[1] - 1], [0, 0, 1.0]])
    bent = strengths and Distortion(
        matrix, Lens(SHAPE, strengths[0]), Lens((2748, 3584), strengths[1])
    )
    return Placement(matrix, SHAPE, (2748, 3584), True, "fits", 0.8, distortion=bent or None)


@given(
    ratio=st.floats(1, 40),
    angle=st.floats(-179.9, 179.9),
    field_strength=STRENGTH,
    overview_strength=STRENGTH,
    points=st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)), min_size=1, max_size=20),
)
@settings(max_examples=200, deadline=None)
def test_to_field_undoes_to_overview_even_far_outside(
    ratio, angle, field_strength, overview_strength, points
):
    place = placed(ratio, angle, strengths=(field_strength, overview_strength))
    there = place.to_overview(points)
    np.testing.assert_allclose(place.to_field(there), points, rtol=1e-9, atol=1e-6)


@given(ratio=st.floats(1, 40), angle=st.floats(-179.9, 179.9), mirror=st.booleans())
def test_ratio_angle_and_mirror_are_read_off_the_matrix(ratio, angle, mirror):
    place = placed(ratio, angle, mirror=mirror)
    assert place.ratio == pytest.approx(ratio)
    assert place.mirrored is mirror
    if not mirror:
        assert place.angle == pytest.approx(angle, abs=1e-6)


def test_positive_angle_sends_higher_columns_to_higher_overview_rows():
    start, end = placed(ratio=10, angle=30).to_overview([[0, 0], [0, 100]])
    step = start - end
    assert step == pytest.approx([-10 * np.sin(np.pi / 6), -10 * np.cos(np.pi / 6)])


def test_overlap_counts_the_part_on_the_overview():
    assert placed().overlap == 1
    assert placed(at=(-0.5, 1200), angle=0).overlap == pytest.approx(0.5, abs=0.02)
    assert placed(at=(-500, 1200)).overlap == 0


@pytest.mark.parametrize("strengths", [None, (0.003, -0.002)])
def test_saved_placement_comes_back_the_same(tmp_path, strengths):
    place = placed(strengths=strengths)
    place.save(tmp_path / "p.json")
    back = Placement.load(tmp_path / "p.json")
    points = np.random.default_rng(0).uniform(-500, 500, (50, 2))
    np.testing.assert_array_equal(back.to_overview(points), place.to_overview(points))
    assert (back.accepted, back.reason, back.score) == (True, "fits", 0.8)
    assert back.field_shape == place.field_shape
    assert back.version == place.version
    assert np.isnan(back.false_alarms)


def test_saved_placement_is_readable(tmp_path):
    placed().save(tmp_path / "p.json")
    text = json.loads((tmp_path / "p.json").read_text())
    assert text["angle"] == pytest.approx(3)
    assert text["units"]["angle"] == "degree"
    assert text["field"]["shape"] == list(SHAPE)


def test_a_name_that_is_no_text_is_saved_with_a_mark(tmp_path):
    replace(placed(), field_name="f\udcff.png").save(tmp_path / "p.json")
    assert Placement.load(tmp_path / "p.json").field_name == "f\ufffd.png"


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"kind": "something else"}'])
def test_loading_something_else_is_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "p.json"
    path.write_text(content)
    with pytest.raises(MedRefineError, match="is not a placement file"):
        Placement.load(path)
    with pytest.raises(MedRefineError, match="Cannot read"):
        Placement.load(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("score", 99),
        ("false_alarms", -1),
        ("standard_error", -5),
        ("ratio", -2),
        ("overlap", -7),
        ("asked", {"ratio": -5, "angle": None}),
        ("asked", {"ratio": [5, 3], "angle": None}),
        ("asked", {"ratio": 4, "angle": [2, 1]}),
        ("asked", {"ratio": float("inf"), "angle": None}),
        ("asked", {"ratio": float("nan"), "angle": None}),
    ],
)
def test_numbers_that_no_search_gives_or_is_told_are_refused(tmp_path, name, value):
    path = tmp_path / "p.json"
    placed().save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(MedRefineError, match=rf"p.json is not a placement file \({name}"):
        Placement.load(path)


def test_points_of_a_wrong_shape_are_refused():
    with pytest.raises(MedRefineError, match=r"must be \(N, 2\)"):
        placed().to_overview([1, 2, 3])


def test_a_placement_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        placed().accepted = False


@given(scale=st.floats(0.01, 10), angle=st.floats(-180, 180))
def test_field_affine_puts_the_field_where_the_matrix_says(scale, angle):
    overview_to_world = similarity(1 / 1.25, angle, np.zeros(2), np.array([40.0, -7.0]))
    physical = np.diag([scale, scale, 1.0])
    matrix = placed().matrix
    affine = field_affine(overview_to_world, matrix, physical)
    points = np.array([[0.0, 0.0], [100.0, 30.0]])
    np.testing.assert_allclose(
        transform(affine, transform(physical, points)),
        transform(overview_to_world, transform(matrix, points)),
        atol=1e-6,
    )
