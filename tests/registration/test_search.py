"""Fields put back where they were cut, whatever their kind; and refused where they were not."""

from __future__ import annotations

import json
from itertools import islice

import numpy as np
import pytest
from scipy import ndimage
from skimage.data import immunohistochemistry

from napari_medrefine import MedRefineError, Overview, register
from napari_medrefine.photos import read_photo
from napari_medrefine.progress import Step, finish
from napari_medrefine.registration.coarse import Candidate, coarse_level
from napari_medrefine.registration.field import Field
from napari_medrefine.registration.lens import Lens
from napari_medrefine.registration.placement import similarity, transform
from napari_medrefine.registration.search import descend_steps
from napari_medrefine.registration.spiral import spiral
from napari_medrefine.registration.window import Window

SHAPE = (560, 720)


@pytest.fixture(scope="module")
def slide():
    return immunohistochemistry()


@pytest.fixture(scope="module")
def overview(slide):
    return Overview(slide)


def photograph(slide, ratio=4.0, angle=0.0, at=(250.0, 260.0), shape=SHAPE):
    """Return a field under another lamp, and the matrix that puts it back."""
    matrix = similarity(ratio, angle, (np.array(shape) - 1) / 2, np.array(at))
    field = np.stack(
        [
            ndimage.affine_transform(
                slide[..., c].astype(float), matrix[:2, :2], matrix[:2, 2], shape, mode="nearest"
            )
            for c in range(3)
        ],
        -1,
    )
    light = np.linspace(0.8, 1.0, shape[1])[:, None] * np.array([0.95, 0.9, 0.8])
    return np.clip(field * light, 0, 255).astype(np.uint8), matrix


def error(place, matrix):
    height, width = place.field_shape
    points = np.array([[0, 0], [0, width - 1], [height - 1, 0], [height - 1, width - 1.0]])
    apart = place.to_overview(points) - transform(matrix, points)
    return float(np.sqrt((apart**2).sum(1).mean()))


@pytest.mark.parametrize(
    ("ratio", "angle", "at"),
    [(4.0, 0.0, (250, 260)), (4.2, 7.0, (180, 330)), (3.8, -13, (330, 200))],
)
def test_turned_and_scaled_fields_are_found(slide, overview, ratio, angle, at):
    field, matrix = photograph(slide, ratio, angle, at)
    place = overview.register(field, ratio=4)
    assert place.accepted, place.reason
    assert error(place, matrix) < 0.1
    assert place.ratio == pytest.approx(ratio, rel=0.002)
    assert place.angle == pytest.approx(angle, abs=0.1)
    assert place.score > 0.8
    assert place.overlap == 1


def test_any_angle(slide, overview):
    field, matrix = photograph(slide, 4.0, 128.0)
    place = overview.register(field, ratio=4, angle=(-180, 180))
    assert place.accepted, place.reason
    assert error(place, matrix) < 0.1
    assert not overview.register(field, ratio=4).accepted  # outside the angles allowed


@pytest.mark.parametrize(
    ("true", "angle", "mirrored"), [(2.5, 3.0, False), (4.0, -120.0, False), (3.3, 60.0, True)]
)
def test_unknown_ratio_at_any_angle_and_mirrored(slide, overview, true, angle, mirrored):
    field, matrix = photograph(slide, true, angle, shape=(480, 600))
    if mirrored:
        field = field[:, ::-1]
        matrix = matrix @ np.array([[1, 0, 0], [0, -1, field.shape[1] - 1], [0, 0, 1]])
    place = overview.register(field)
    assert place.accepted, place.reason
    assert place.ratio == pytest.approx(true, rel=0.01)
    assert place.mirrored == mirrored
    assert error(place, matrix) < 0.3


def test_a_range_of_ratios_without_end_is_searched_as_far_as_the_photos_allow(slide, overview):
    """It ended in a ValueError on the size of an array, or took all memory."""
    field, matrix = photograph(slide)
    place = overview.register(field, ratio=(1e-9, 1e9), angle=(-2, 2))
    assert place.accepted, place.reason
    assert error(place, matrix) < 0.3
    assert place.asked.ratio == (1e-9, 1e9)


def test_two_places_as_good_as_each_other_are_said_to_be(slide):
    twice = np.concatenate([slide[:, :256], slide[:, :256]], axis=1)
    field, _ = photograph(slide, 4.0, 0.0, at=(250.0, 128.0), shape=(480, 600))
    for ratio in (4, None):
        place = Overview(twice).register(field, ratio=ratio)
        assert not place.accepted
        assert "another place fits about as well" in place.reason


def test_a_slide_and_its_mirror_image_side_by_side(slide):
    both = np.concatenate([slide[:, :256], slide[:, 255::-1]], axis=1)
    field, _ = photograph(slide, 4.0, 0.0, at=(250.0, 128.0), shape=(480, 600))
    assert Overview(both).register(field, ratio=4).accepted  # the same way round is known
    place = Overview(both).register(field)
    assert not place.accepted
    assert "another place fits about as well" in place.reason


def test_grey_16_bit_and_float_give_the_same_place(slide, overview):
    field, matrix = photograph(slide, 4.1, -4.0)
    grey = field.mean(-1)
    rgba = np.dstack([field, field[..., 0]])
    kinds = [grey / 255, (grey * 257).astype(np.uint16), rgba]
    for kind in kinds:
        place = overview.register(kind, ratio=4)
        assert place.accepted, place.reason
        assert error(place, matrix) < 0.1


def test_field_hanging_over_the_edge(slide, overview):
    field, matrix = photograph(slide, 4.0, 5.0, at=(20.0, 260.0))
    outside = transform(matrix, np.argwhere(np.ones(SHAPE))).reshape(*SHAPE, 2)[..., 0] < 0
    field[outside] = np.random.default_rng(0).integers(150, 250, (int(outside.sum()), 1))
    place = overview.register(field, ratio=4)
    assert place.accepted, place.reason
    assert error(place, matrix) < 0.3
    assert place.overlap == pytest.approx(1 - outside.mean(), abs=0.02)


def test_mirrored_and_foreign_fields_are_refused_in_words(slide, overview):
    field, _ = photograph(slide)
    rng = np.random.default_rng(1)
    other = ndimage.gaussian_filter(rng.uniform(0, 1, SHAPE), 6)
    other = (255 * (other - other.min()) / np.ptp(other)).astype(np.uint8)
    blank = np.clip(235 + rng.normal(0, 2, (*SHAPE, 3)), 0, 255).astype(np.uint8)
    for wrong in (field[:, ::-1].copy(), other, blank):
        place = overview.register(wrong, ratio=4)
        assert not place.accepted
        assert place.reason.startswith("Refused: ")


def test_same_input_same_answer(slide, overview):
    field, _ = photograph(slide, 4.1, 2.0)
    first, second = (overview.register(field, ratio=4) for _ in range(2))
    np.testing.assert_array_equal(first.matrix, second.matrix)


def test_progress_is_reported_and_the_job_can_be_stopped(slide, overview):
    field, _ = photograph(slide)
    steps: list[Step] = []
    place = finish(overview.register_steps(field, ratio=4), steps.append)
    assert place.accepted
    assert len(steps) > 5
    job = overview.register_steps(field, ratio=4)
    next(job)
    job.close()


def test_lens_distortion_is_found_where_there_is_any_and_only_there(slide, overview):
    field, matrix = photograph(slide)
    assert overview.register(field, ratio=4).distortion is None
    lens = Lens(SHAPE, 0.012)
    grid = np.argwhere(np.ones(SHAPE)).astype(float)
    at = lens.straighten(grid).T.reshape(2, *SHAPE)
    bent = np.stack([ndimage.map_coordinates(field[..., c], at, order=1) for c in range(3)], -1)
    place = overview.register(bent, ratio=4)
    corners = np.array([[0, 0], [0, 719], [559, 0], [559, 719.0], [280, 360]])
    apart = place.to_overview(corners) - transform(matrix, lens.straighten(corners))
    assert place.accepted, place.reason
    assert np.abs(apart).max() < 0.2
    assert place.distortion is not None
    assert np.abs(place.to_field(place.to_overview(corners)) - corners).max() < 1e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"field": np.full((300, 300, 3), 200, np.uint8)}, "constant"),
        ({"field": np.zeros((0, 5))}, "empty"),
        ({"field": np.full((300, 300), np.nan)}, "NaN"),
        ({"field": np.zeros((4, 4, 2))}, "shape"),
        ({"ratio": -1}, "ratio"),
        ({"ratio": (5, 3)}, "ratio"),
        ({"ratio": 0.5}, "larger than"),
        ({"ratio": 500}, "covers only"),
        ({"angle": (20, 10)}, "angle"),
        ({"angle": (-400, 400)}, "angle"),
        ({"method": "magic"}, "method"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(slide, overview, change, message):
    arguments = {"field": photograph(slide)[0], "ratio": 4} | change
    with pytest.raises(MedRefineError, match=message):
        overview.register(**arguments)


def test_constant_overview_is_refused(slide):
    with pytest.raises(MedRefineError, match="overview is constant"):
        register(np.full((100, 100), 7, np.uint8), slide, ratio=4)


def test_the_spiral_visits_every_place_once_from_the_middle_out():
    places = list(spiral(5, 8))
    assert places[0] == (2, 3)
    assert sorted(places) == [(r, c) for r in range(5) for c in range(8)]
    rings = [max(abs(r - 2), abs(c - 3)) for r, c in places]
    assert rings == sorted(rings)


def test_method_spiral_comes_close_on_equal_light(slide, overview):
    same_light = ndimage.zoom(
        slide[180:320, 170:350], (4, 4, 1), order=1, grid_mode=True, mode="nearest"
    )
    place = overview.register(same_light, ratio=4, method="spiral")
    assert place.method == "spiral"
    truth = similarity(4, 0, (np.array([560, 720]) - 1) / 2, np.array([249.5, 259.5]))
    assert error(place, truth) <= 2.1  # half a pixel of the image reduced by 4


@pytest.mark.photos
def test_real_photos_are_found_and_strangers_refused(photos44):
    rows = json.loads((photos44 / "truth.json").read_text())["photos"]
    chosen = {row["field"]: row for row in rows}
    overview = Overview(read_photo(photos44 / "slide2_4x.jpg").image)
    row = chosen["slide2_40x_8.jpg"]
    place = overview.register(read_photo(photos44 / "slide2_40x_8.jpg").image, ratio=10)
    there = place.to_overview(row["field_points"])
    apart = np.sqrt(((there - np.array(row["overview_points"])) ** 2).sum(1).mean())
    assert place.accepted, place.reason
    assert apart < 0.05
    assert place.ratio == pytest.approx(row["ratio"], rel=0.002)
    assert place.angle == pytest.approx(row["degrees"], abs=0.1)
    assert not overview.register(read_photo(photos44 / "slide1_40x_1.jpg").image, ratio=10).accepted


def test_an_overview_smaller_than_the_field_is_done_with_soon() -> None:
    """Ratios at which hardly any of the field would lie on it are not tried: most, and the dearest.

    It took minutes; steps are counted here, since time says nothing on a busy machine.
    """
    rng = np.random.default_rng(0)
    overview = Overview(rng.integers(0, 255, (24, 32, 3), np.uint8))
    field = rng.integers(0, 255, (856, 792, 3), np.uint8)
    assert sum(1 for _ in islice(overview.register_steps(field), 1000)) < 1000


def test_a_place_that_is_worse_than_none_is_given_up(slide):
    """Photos through an eyepiece, black around, have only such places where they do not belong."""
    levels = Overview(slide).levels
    inside = slide[100:380, 120:440]
    field = Field(255 - inside)
    matrix = similarity(1.0, 0.0, np.zeros(2), np.array([100.0, 120.0]))
    fits = finish(descend_steps(levels, field, [Candidate(-0.9, matrix, len(levels) - 1)]))
    assert all(not fit.final for fit in fits)


def test_a_strip_is_looked_for_on_a_coarse_level_and_found(slide, overview):
    """By its short side alone it was looked for on the finest one, for minutes."""
    strip, matrix = photograph(slide, at=(250.0, 256.0), shape=(200, 1700))
    square, _ = photograph(slide, shape=(300, 300))
    window = Window((3.8, 4.2), (-2.0, 2.0))
    levels = overview.levels
    assert coarse_level(levels, Field(strip), window) == coarse_level(levels, Field(square), window)
    assert error(overview.register(strip, ratio=4), matrix) < 0.5
