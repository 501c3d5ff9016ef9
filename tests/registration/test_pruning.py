"""The pyramid that prunes finds the very position that walking the whole spiral finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.data import immunohistochemistry
from skimage.feature import match_template

from napari_medrefine import MedRefineError
from napari_medrefine.progress import finish
from napari_medrefine.registration.pruning import bounds, exhaustive_steps, pruned_steps
from napari_medrefine.registration.pyramid import block_mean, brightness, optical_density
from napari_medrefine.registration.spiral import spiral, spiral_order

LIKENESSES = ["difference", "correlation"]


@st.composite
def pictures(draw):
    """Return an image and a template: rough, smooth, periodic, flat in parts, or with equals."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height, width = draw(st.integers(5, 24)), draw(st.integers(5, 24))
    h, w = draw(st.integers(2, height)), draw(st.integers(2, width))
    kind = draw(st.sampled_from(["rough", "smooth", "periodic", "coarse", "flat"]))
    shape = (height, width, 3) if draw(st.booleans()) else (height, width)
    image = rng.uniform(0, 1, shape)
    if kind == "smooth":
        image = ndimage.gaussian_filter(image, [2, 2, 0][: image.ndim])
    elif kind == "periodic":
        image = np.tile(image[:4, :4], (6, 6, 1)[: image.ndim])[:height, :width]
    elif kind == "coarse":
        image = np.round(image)
    elif kind == "flat":
        image[: height // 2] = 0.5
    row, col = draw(st.integers(0, height - h)), draw(st.integers(0, width - w))
    template = image[row : row + h, col : col + w].copy()
    if draw(st.booleans()):
        template += rng.normal(0, draw(st.sampled_from([0.0, 0.05, 1.0])), template.shape)
    if draw(st.integers(0, 9)) == 0:
        template[:] = 0.25
    return image, template


@given(pictures(), st.sampled_from(LIKENESSES), st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_no_position_is_better_than_its_bound(pair, likeness, side):
    bound, value = bounds(*pair, likeness, side)
    if likeness == "difference":
        assert (bound <= value + 1e-9).all()
    else:
        assert (bound >= value - 1e-9).all()


@given(pictures(), st.sampled_from(LIKENESSES))
@settings(max_examples=150, deadline=None)
def test_pruning_finds_what_the_whole_spiral_finds(pair, likeness):
    whole = finish(exhaustive_steps(*pair, likeness))
    quick = finish(pruned_steps(*pair, likeness))
    assert quick.position == whole.position
    assert quick.value == whole.value


@pytest.fixture(scope="module")
def tissue():
    return block_mean(brightness(immunohistochemistry()), 4)


def cases(tissue):
    """Return templates that are there exactly, with noise, in another light, and not at all."""
    density = optical_density(tissue).astype(np.float64)
    rng = np.random.default_rng(4)
    there = density[50:82, 61:101]
    return density, {
        "exact": there,
        "noise": there + rng.normal(0, 0.05, there.shape),
        "other light": 0.7 * there + 0.2 + rng.normal(0, 0.02, there.shape),
        "absent": there[::-1, ::-1] + rng.normal(0, 0.1, there.shape),
    }


@pytest.mark.parametrize("likeness", LIKENESSES)
@pytest.mark.parametrize("case", ["exact", "noise", "other light", "absent"])
def test_real_tissue_too_and_most_positions_are_never_compared(tissue, case, likeness):
    density, templates = cases(tissue)
    whole = finish(exhaustive_steps(density, templates[case], likeness))
    quick = finish(pruned_steps(density, templates[case], likeness))
    assert (quick.position, quick.value) == (whole.position, whole.value)
    if case in ("exact", "noise"):
        assert whole.position == (50, 61)
        assert quick.compared[-1][1] < 0.05 * whole.compared[-1][1]
    assert [side for side, _ in quick.compared] == [16, 8, 4, 2, 1]
    bound, value = bounds(density, templates[case], likeness, 8)
    off = bound - value if likeness == "difference" else value - bound
    assert off.max() < 1e-9


def test_the_correlation_is_scikit_images(tissue):
    density, templates = cases(tissue)
    template = templates["noise"]
    _, value = bounds(density, template, "correlation", 4)
    np.testing.assert_allclose(value, match_template(density, template), atol=1e-5)


@pytest.mark.parametrize("likeness", LIKENESSES)
@pytest.mark.parametrize("offset", [0, 60_000])
def test_16_bit_numbers_round_as_well(tissue, likeness, offset):
    image = np.clip(tissue * 5000 + offset, 0, 65535).astype(np.uint16)
    for row, col in ((5, 9), (60, 71), (90, 40)):
        template = image[row : row + 24, col : col + 30]
        whole = finish(exhaustive_steps(image, template, likeness))
        quick = finish(pruned_steps(image, template, likeness))
        assert (quick.position, quick.value) == (whole.position, whole.value)
        assert whole.position == (row, col)


def test_what_cannot_be_compared_is_said_so():
    image = np.zeros((8, 8))
    for template in (np.zeros((9, 3)), np.zeros((3, 3, 3)), np.full((3, 3), np.nan)):
        with pytest.raises(MedRefineError):
            finish(pruned_steps(image, template, "difference"))


@given(st.integers(1, 40), st.integers(1, 40))
def test_the_spiral_as_an_array_is_the_spiral(height, width):
    assert spiral_order(height, width).tolist() == [list(place) for place in spiral(height, width)]


@pytest.mark.parametrize("likeness", LIKENESSES)
def test_of_equals_the_first_along_the_spiral_wins(likeness):
    spot = np.array([[1.0, 0.0], [0.25, 0.5]])
    image = np.zeros((9, 9))
    places = [(0, 0), (3, 4), (6, 1)]
    for row, col in places:
        image[row : row + 2, col : col + 2] = spot
    order = spiral_order(8, 8).tolist()
    first = min(places, key=lambda place: order.index(list(place)))
    for way in (exhaustive_steps, pruned_steps):
        found = finish(way(image, spot, likeness))
        assert found.position == first
