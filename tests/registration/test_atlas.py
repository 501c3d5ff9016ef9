"""Many fields and several overviews, put in order together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.data import immunohistochemistry

from napari_medrefine import MedRefineError, Overview
from napari_medrefine.progress import Step
from napari_medrefine.registration.atlas import FieldPhoto, atlas, atlas_steps
from napari_medrefine.registration.placement import similarity, transform

RATIO, ANGLE, SHAPE = 4.15, 5.0, (480, 600)


@pytest.fixture(scope="module")
def slides():
    """Return two slides that have nothing in common."""
    tissue = immunohistochemistry()
    return [tissue[:, :256], tissue[:, 256:]]


@pytest.fixture(scope="module")
def overviews(slides):
    return [Overview(slide) for slide in slides]


def photograph(slide, row, col, angle=ANGLE):
    matrix = similarity(RATIO, angle, (np.array(SHAPE) - 1) / 2, np.array([row, col]))
    channels = [
        ndimage.affine_transform(
            slide[..., c], matrix[:2, :2], matrix[:2, 2], SHAPE, order=1, mode="nearest"
        )
        for c in range(3)
    ]
    return np.stack(channels, -1), matrix


PLACES = [(0, 120, 110), (1, 380, 140), (0, 300, 130), (1, 150, 120), (1, 250, 150)]


def off(place, matrix):
    corners = np.array([[0, 0], [0, SHAPE[1]], [SHAPE[0], 0], SHAPE], float)
    return float(np.hypot(*(place.to_overview(corners) - transform(matrix, corners)).T).max())


def covered(field, share, rng):
    """Return `field` with all but a strip of it covered by dirt."""
    dirt = ndimage.gaussian_filter(rng.normal(0, 1, (*SHAPE, 3)), (5, 5, 0)) * 400 + 90
    field = field.copy()
    field[round(SHAPE[0] * (1 - share)) :] = np.clip(dirt, 0, 255)[round(SHAPE[0] * (1 - share)) :]
    return field


def assert_found_again(overviews, entry, image):
    """Check that a search that is told the same finds the same, whatever the siblings said."""
    where = entry.guess if entry.overview is None else entry.overview
    asked = entry.placement.asked
    again = overviews[where].register(image, ratio=asked.ratio, angle=asked.angle)
    np.testing.assert_array_equal(again.matrix, entry.placement.matrix)
    assert again.accepted == entry.placement.accepted


@pytest.mark.parametrize("ratio", [4, None])
def test_every_field_comes_to_its_own_slide(slides, overviews, ratio):
    photos = [photograph(slides[slide], row, col) for slide, row, col in PLACES]
    rng = np.random.default_rng(0)
    stranger = np.clip(ndimage.gaussian_filter(rng.normal(0, 1, SHAPE), 4) * 900 + 120, 0, 255)
    fields = [FieldPhoto(image, ratio, "40x") for image, _ in photos]
    if ratio is not None:  # to look for a stranger at every ratio takes long
        fields.append(FieldPhoto(stranger.astype(np.uint8), ratio, "40x"))
    entries = atlas(overviews, fields)
    for (slide, *_), (_, matrix), entry in zip(PLACES, photos, entries, strict=False):
        assert entry.overview == slide
        assert entry.placement.accepted
        assert off(entry.placement, matrix) < 0.2
    assert_found_again(overviews, entries[0], photos[0][0])
    if ratio is not None:
        assert entries[-1].overview is None
        assert not entries[-1].placement.accepted


def test_a_weak_field_is_found_by_what_its_siblings_say_and_harms_none(slides, overviews):
    photos = [photograph(slides[slide], row, col) for slide, row, col in PLACES]
    weak = covered(photos[2][0], 0.72, np.random.default_rng(3))
    alone = [overviews[slide].register(image, ratio=4) for (slide, *_), (image, _) in
             zip(PLACES, photos, strict=True)]  # fmt: skip
    entries = atlas(overviews, [FieldPhoto(weak, 4), *(FieldPhoto(i, 4) for i, _ in photos)])
    for entry, place in zip(entries[1:], alone, strict=True):
        np.testing.assert_array_equal(entry.placement.matrix, place.matrix)
    if entries[0].overview is not None:  # found or refused, but never put in a wrong place
        assert entries[0].overview == 0
        assert off(entries[0].placement, photos[2][1]) < 2
    assert entries[0].placement.ratio == pytest.approx(RATIO, rel=0.06)
    assert_found_again(overviews, entries[0], weak)


def test_one_turned_differently_from_its_siblings_stays_as_it_is(slides, overviews):
    photos = [photograph(slides[slide], row, col) for slide, row, col in PLACES]
    odd = photograph(slides[0], 220, 128, angle=-9.0)
    entries = atlas(overviews, [FieldPhoto(image, 4) for image, _ in [*photos, odd]])
    assert entries[-1].overview == 0
    assert entries[-1].placement.angle == pytest.approx(-9, abs=0.2)


def test_the_same_slide_twice_and_what_is_no_image(slides, overviews):
    image, _ = photograph(slides[0], 200, 120)
    entries = atlas(overviews, [FieldPhoto(lambda: image, 4), FieldPhoto(np.zeros(5), 4)])
    assert entries[0].overview == 0
    assert entries[1].placement is None
    assert "shape" in entries[1].problem
    with pytest.raises(MedRefineError, match="at least one overview"):
        atlas([], [])


def test_it_reports_and_can_be_stopped(slides, overviews):
    image, _ = photograph(slides[0], 200, 120)
    job = atlas_steps(overviews, [FieldPhoto(image, 4)] * 3)
    steps = [next(job) for _ in range(12)]
    assert all(isinstance(step, Step) and 0 <= step.done < step.total == 6 for step in steps)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    job.close()
