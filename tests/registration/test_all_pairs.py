"""Every field against every overview: all right pairs accepted and accurate, all wrong ones not.

The protocol of GDB-ICP: G. Yang, C. V. Stewart, M. Sofka, C.-L. Tsai, "Registration of challenging
image pairs: initialization, estimation, and decision", IEEE Transactions on Pattern Analysis and
Machine Intelligence 29(11), 2007. A wrong pair is a field and another slide's overview, or its own
overview where the field is seen in a mirror, or a field of blank glass.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from napari_medrefine import Overview
from napari_medrefine.registration.placement import transform
from napari_medrefine.samples import Slide, field_to_overview

SEEDS = (1, 2, 3)
SIZE_UM = (950.0, 1200.0)
OBJECTIVES = (10, 40)
RATIO = {10: 2.5, 40: 10.0}
RIGHT = 0.25  # overview pixels, root mean square


@dataclass(frozen=True)
class Shot:
    """A field, its nominal ratio, and points of it with their places on its own overview."""

    image: np.ndarray
    ratio: float
    here: np.ndarray
    there: np.ndarray

    def error(self, place):
        apart = place.to_overview(self.here) - self.there
        return float(np.sqrt((apart**2).sum(1).mean()))

    def error_in_the_middle(self, place):
        middle = self.here.mean(0, keepdims=True), self.there.mean(0, keepdims=True)
        return float(np.hypot(*(place.to_overview(middle[0]) - middle[1])[0]))


def assert_right(place, shot):
    assert place.accepted, place.reason
    assert shot.error(place) < RIGHT


def assert_refused(place):
    assert not place.accepted, place.reason
    assert place.reason.startswith("Refused: ")


def blank_share(overview, side):
    """Return which share of the box of `side` pixels around each pixel is glass; 1 at the rim."""
    white = (overview.image.min(-1) > 215).astype(float)
    share = np.ones_like(white)
    inside = np.s_[side:-side, side:-side]
    share[inside] = ndimage.uniform_filter(white, side)[inside]
    return share


def shoot(slide, overview, objective):
    """Photograph a field anywhere on tissue, the camera turned a bit and not quite to scale."""
    rng = np.random.default_rng([slide.seed, objective])
    shape, side = {10: ((400, 520), 180), 40: ((800, 1000), 90)}[objective]
    middle = rng.choice(np.argwhere(blank_share(overview, side) < 0.15))
    photo = slide.photograph(
        objective,
        centre_um=tuple(transform(overview.matrix_to_slide, middle[None])[0]),
        degrees=rng.uniform(-12, 12),
        shape=shape,
        pixel_um={10: 0.5, 40: 0.125}[objective] * rng.uniform(0.96, 1.04),
        seed=objective,
    )
    here = np.argwhere(np.ones((5, 5))) / 4 * (np.array(shape) - 1)
    there = transform(field_to_overview(photo, overview), here)
    return Shot(photo.image, RATIO[objective], here, there)


@pytest.fixture(scope="module")
def generated():
    """Overviews and fields of several slides of our own, by seed and by (seed, objective)."""
    overviews, shots = {}, {}
    for seed in SEEDS:
        slide = Slide(seed, size_um=SIZE_UM)
        photo = slide.photograph(4, shape=(600, 780), seed=100 + seed)
        overviews[seed] = Overview(photo.image)
        for objective in OBJECTIVES:
            shots[seed, objective] = shoot(slide, photo, objective)
    return overviews, shots


@pytest.fixture(scope="module")
def own_places(generated):
    """Where each field lies on its own overview, as found."""
    overviews, shots = generated
    return {
        (seed, objective): overviews[seed].register(shot.image, ratio=shot.ratio)
        for (seed, objective), shot in shots.items()
    }


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("seed", SEEDS)
def test_generated_right_pairs(generated, own_places, seed, objective):
    assert_right(own_places[seed, objective], generated[1][seed, objective])


def test_generated_right_pairs_know_how_sure_they_are(generated, own_places):
    """Errors are as large as the standard errors say; 1.5 times so is beyond chance (p < 0.01)."""
    _, shots = generated
    errors = np.array([shot.error_in_the_middle(own_places[key]) for key, shot in shots.items()])
    stated = np.array([own_places[key].standard_error for key in shots])
    assert np.sqrt(np.mean((errors / stated) ** 2)) < 1.5, (errors, stated)
    assert np.median(stated) < RIGHT / 2  # no mere caution


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(("ours", "theirs"), list(permutations(SEEDS, 2)))
def test_generated_wrong_pairs(generated, ours, theirs, objective):
    overviews, shots = generated
    shot = shots[theirs, objective]
    assert_refused(overviews[ours].register(shot.image, ratio=shot.ratio))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("seed", SEEDS)
def test_generated_fields_in_a_mirror(generated, seed, objective):
    overviews, shots = generated
    shot = shots[seed, objective]
    assert_refused(overviews[seed].register(shot.image[:, ::-1], ratio=shot.ratio))


@pytest.mark.parametrize("shape", [(800, 1000), (1100, 700)])
def test_blank_glass(generated, shape):
    """Light, its fall-off and noise, and nothing else."""
    overviews, _ = generated
    rng = np.random.default_rng(shape)
    rows, cols = (np.linspace(-1, 1, n) for n in shape)
    light = 240 - 9 * (rows[:, None] ** 2 + cols**2) + 3 * cols
    glass = np.rint(light[..., None] + rng.normal(0, 1.5, (*shape, 3))).astype(np.uint8)
    for overview in overviews.values():
        assert_refused(overview.register(glass, ratio=10))


# The real photos, overviews reduced by 2 and fields by 4, so that the nominal 10 becomes 5.
SLIDES = (1, 2, 3, 4)
LESS, FIELD_LESS = 2, 4


def reduced(path, factor):
    with Image.open(path) as file:
        return np.asarray(file.reduce(factor))


def reduced_points(points, factor):
    return (np.array(points) - (factor - 1) / 2) / factor


@pytest.fixture(scope="module")
def photographed(photos44):
    """Overview and one 40x field of each real slide."""
    rows = {
        row["field"]: row for row in json.loads((photos44 / "truth.json").read_text())["photos"]
    }
    overviews, shots = {}, {}
    for slide in SLIDES:
        overviews[slide] = Overview(reduced(photos44 / f"slide{slide}_4x.jpg", LESS))
        name = f"slide{slide}_40x_{slide + 2}.jpg"
        shots[slide] = Shot(
            reduced(photos44 / name, FIELD_LESS),
            10 * LESS / FIELD_LESS,
            reduced_points(rows[name]["field_points"], FIELD_LESS),
            reduced_points(rows[name]["overview_points"], LESS),
        )
    return overviews, shots


@pytest.mark.photos
@pytest.mark.parametrize("slide", SLIDES)
def test_photographed_right_pairs(photographed, slide):
    overviews, shots = photographed
    place = overviews[slide].register(shots[slide].image, ratio=shots[slide].ratio)
    assert_right(place, shots[slide])


@pytest.mark.photos
@pytest.mark.parametrize(("ours", "theirs"), list(permutations(SLIDES, 2)))
def test_photographed_wrong_pairs(photographed, ours, theirs):
    overviews, shots = photographed
    shot = shots[theirs]
    assert_refused(overviews[ours].register(shot.image, ratio=shot.ratio))
