"""A box of photos in any order, with or without their objectives, sorted out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from skimage.data import immunohistochemistry

from napari_medrefine import MedRefineError
from napari_medrefine.progress import Step, finish
from napari_medrefine.registration import box
from napari_medrefine.registration.box import BoxPhoto, arrange, arrange_steps
from napari_medrefine.registration.overview import Overview
from napari_medrefine.registration.placement import similarity, transform
from napari_medrefine.registration.pyramid import block_mean
from napari_medrefine.registration.structure import likely_ratios, structure_size

RATIO, ANGLE, SHAPE = 4.15, 5.0, (480, 600)
PLACES = [(0, 120, 110), (1, 380, 140), (0, 300, 130), (1, 150, 120), (1, 250, 150)]


@pytest.fixture(scope="module")
def slides():
    """Return two slides that have nothing in common."""
    tissue = immunohistochemistry()
    return [tissue[:, :256], tissue[:, 256:]]


def photograph(slide, row, col, ratio=RATIO):
    matrix = similarity(ratio, ANGLE, (np.array(SHAPE) - 1) / 2, np.array([row, col]))
    channels = [
        ndimage.affine_transform(
            slide[..., c], matrix[:2, :2], matrix[:2, 2], SHAPE, order=1, mode="nearest"
        )
        for c in range(3)
    ]
    return np.stack(channels, -1), matrix


@pytest.fixture(scope="module")
def fields(slides):
    return [photograph(slides[slide], row, col) for slide, row, col in PLACES]


def box_of(slides, fields, objective, field_objective):
    """Return the fields and, between them, the overviews: of five fields numbers 2 and 5."""
    photos = [BoxPhoto(lambda image=image: image, field_objective) for image, _ in fields]
    photos.insert(2, BoxPhoto(slides[0], objective))
    photos.insert(5, BoxPhoto(slides[1], objective))
    return photos


def off(place, matrix):
    corners = np.array([[0, 0], [0, SHAPE[1]], [SHAPE[0], 0], SHAPE], float)
    return float(np.hypot(*(place.to_overview(corners) - transform(matrix, corners)).T).max())


@pytest.mark.parametrize(("objective", "field_objective"), [(10, 40), (None, None)])
def test_overviews_are_found_and_every_field_lies_on_its_own(
    slides, fields, objective, field_objective
):
    arranged = arrange(box_of(slides, fields, objective, field_objective))
    assert arranged.overviews == (2, 5)
    assert sorted(arranged.entries) == [0, 1, 3, 4, 6]
    for number, (slide, *_), (_, matrix) in zip((0, 1, 3, 4, 6), PLACES, fields, strict=True):
        entry = arranged.entries[number]
        assert entry.overview == (2, 5)[slide]
        assert off(entry.placement, matrix) < 0.2


@pytest.mark.parametrize("objectives", [(10, None), (None, 40)])
def test_overviews_are_found_where_only_some_objectives_are_known(slides, fields, objectives):
    arranged = arrange(box_of(slides, fields[:2], *objectives))
    assert arranged.overviews == (2, 3)
    for number, overview in ((0, 2), (1, 3)):
        assert arranged.entries[number].overview == overview
        assert off(arranged.entries[number].placement, fields[number][1]) < 0.2


@pytest.mark.parametrize("objectives", [(10, 40), (None, None)])
def test_without_its_overview_a_field_is_refused(slides, fields, objectives):
    photos = box_of(slides, fields, *objectives)
    del photos[5]
    arranged = arrange(photos)
    assert arranged.overviews == (2,)
    for number, (slide, *_) in zip((0, 1, 3, 4, 5), PLACES, strict=True):
        entry = arranged.entries[number]
        assert entry.overview == (2 if slide == 0 else None)
        if slide == 1:
            assert entry.placement is None or not entry.placement.accepted


def test_the_lowest_objective_that_is_named_is_no_overview_if_an_unnamed_photo_is(slides, fields):
    photos = box_of(slides, fields[:2], None, 40)
    photos[1] = replace(photos[1], objective=10)
    arranged = arrange(photos)
    assert arranged.overviews == (2, 3)
    assert arranged.entries[1].overview == 3
    assert off(arranged.entries[1].placement, fields[1][1]) < 0.2


def test_a_photo_that_software_turned_is_found_beside_its_siblings(slides, fields):
    photos = box_of(slides, fields, None, None)
    turned = np.rot90(fields[-1][0])
    arranged = arrange([*photos[:-1], BoxPhoto(np.ascontiguousarray(turned))])
    assert arranged.entries[6].overview == 5
    assert abs(abs(arranged.entries[6].placement.angle) - 90) < 10


def test_a_turned_photo_that_seemed_an_overview_is_found_with_what_lies_on_it(slides):
    """As the photo of 10x of a slide whose camera was turned for it."""
    upright, _ = photograph(slides[1], 150, 120, ratio=2.5)
    turned, _ = photograph(slides[1], 380, 130, ratio=2.5)
    photos = [slides[1], upright, np.ascontiguousarray(np.rot90(turned))]
    arranged = arrange([BoxPhoto(photo) for photo in photos])
    assert arranged.overviews == (0,)
    assert arranged.entries[1].overview == 0
    assert arranged.entries[2].overview == 0
    assert abs(abs(arranged.entries[2].placement.angle) - 90) < 10


def test_the_user_says_which_are_overviews(slides, fields):
    arranged = arrange(box_of(slides, fields, None, None), overviews=[5])
    assert arranged.overviews == (5,)
    assert [n for n, entry in arranged.entries.items() if entry.overview == 5] == [1, 4, 6]


def test_what_is_no_image_is_told_and_harms_none(slides, fields):
    def damaged():
        raise MedRefineError("Cannot read it: it is damaged.")

    photos = [
        BoxPhoto(damaged, 40),
        BoxPhoto(np.zeros((300, 300), np.uint8), 10),
        *box_of(slides, fields[:2], 10, 40)[:3],
    ]
    arranged = arrange(photos)
    assert arranged.overviews == (4,)
    assert "damaged" in arranged.entries[0].problem
    assert "constant" in arranged.entries[1].problem
    assert arranged.entries[2].overview == 4


def test_a_blank_photo_is_neither_an_overview_nor_a_field(slides, fields):
    noise = np.random.default_rng(0).normal(240, 2, (400, 500, 3)).clip(0, 255).astype(np.uint8)
    assert np.isnan(structure_size(noise))
    photos = [*box_of(slides, fields[:2], None, None), BoxPhoto(noise)]
    arranged = arrange(photos)
    assert arranged.overviews == (2, 3)
    assert "nothing on it stands out" in arranged.entries[4].problem


def test_what_cannot_be_sorted_out_is_one_sentence(slides):
    with pytest.raises(MedRefineError, match="same objective, 10x"):
        arrange([BoxPhoto(slide, 10) for slide in slides])
    with pytest.raises(MedRefineError, match="can be an overview"):
        arrange([BoxPhoto(np.zeros((50, 50), np.uint8))])


def test_it_reports_and_can_be_stopped(slides, fields):
    job = arrange_steps(box_of(slides, fields, None, None))
    steps = [next(job) for _ in range(8)]
    assert all(isinstance(step, Step) and 0 <= step.done <= step.total for step in steps)
    job.close()


@pytest.mark.parametrize("zoom", [2, 3, 4.15])
def test_structures_grow_with_the_magnification(slides, zoom):
    for slide in slides:
        size = structure_size(slide)
        larger = structure_size(ndimage.zoom(slide, (zoom, zoom, 1), order=1))
        low, high = likely_ratios(size, larger)
        assert low < zoom < high
        assert larger / size == pytest.approx(zoom, rel=0.35)


def test_structures_finer_than_the_pixels_exclude_no_magnification(slides):
    for slide in slides:
        seen_small = block_mean(slide.astype(np.float32), 6)
        low, high = likely_ratios(structure_size(seen_small), structure_size(slide))
        assert low < 6 < high


@pytest.mark.photos
@pytest.mark.parametrize("larger", [1, 2])
def test_structures_tell_the_objectives_of_real_photos_apart(photos44, larger):
    """Also as cameras with larger pixels photograph them."""
    from napari_medrefine.photos import read_photo

    for slide in range(1, 5):
        photos = [
            read_photo(photos44 / f"slide{slide}_{name}.jpg").image
            for name in ("4x", "10x_1", "40x_1")
        ]
        sizes = [structure_size(block_mean(photo.astype(np.float32), larger)) for photo in photos]
        assert sizes == sorted(sizes)
        for field, ratio in ((1, 2.5), (2, 10)):
            low, high = likely_ratios(sizes[0], sizes[field])
            assert low < ratio < high


def test_progress_never_goes_back_where_overviews_are_found_out(monkeypatch, tissue):
    def found(photos, _):
        yield Step(0, 2, "finding")
        yield Step(1, 2, "finding")
        return {0: Overview(photos[0].read())}

    monkeypatch.setattr(box, "find_overviews_steps", found)
    job = arrange_steps([BoxPhoto(tissue(120, 150)), BoxPhoto(tissue(60, 60, seed=1))])
    steps = []
    finish(job, steps.append)
    shares = [step.done / step.total for step in steps]
    assert shares == sorted(shares)
    assert [step.text for step in steps[:3]] == ["finding", "finding", "preparing the overviews"]
    assert shares[2] > shares[1] > shares[0] == 0
