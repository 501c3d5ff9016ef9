"""What is seen of an image on a grid of screen pixels: the right pixel at the right place."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medrefine.compare.blending import backed, checkers, disc, fitted, over, rim
from napari_medrefine.compare.seen import View, sample

some = st.floats(-3, 3, allow_nan=False)
places = st.floats(-50, 50, allow_nan=False)
views = st.builds(
    View,
    st.tuples(places, places),
    st.floats(0.01, 10),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
IMAGE = np.random.default_rng(0).integers(0, 255, (23, 31, 3), dtype=np.uint8)


@st.composite
def affines(draw):
    linear = [[draw(some), draw(some)], [draw(some), draw(some)]]
    if draw(st.booleans()):  # upright: the fast way
        linear[0][1] = linear[1][0] = 0.0
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = draw(places), draw(places)
    return matrix


@given(affines())
def test_every_grid_point_shows_the_pixel_it_lies_on(to_image):
    shape = (9, 13)
    values, inside = sample(IMAGE, to_image, shape)
    grid = np.stack([*np.indices(shape), np.ones(shape)], -1) @ to_image.T
    rows, cols = grid[..., 0] + 0.5, grid[..., 1] + 0.5
    clear = (np.abs(rows - np.rint(rows)) > 1e-3) & (np.abs(cols - np.rint(cols)) > 1e-3)
    on = (rows >= 0) & (rows < 23) & (cols >= 0) & (cols < 31)
    np.testing.assert_array_equal(inside[clear], on[clear])
    seen = clear & on
    expected = IMAGE[rows[seen].astype(int), cols[seen].astype(int)]
    np.testing.assert_array_equal(values[seen], expected)


@settings(max_examples=30)
@given(affines())
def test_smoothly_a_plane_stays_a_plane(to_image):
    ramp = np.add.outer(2.0 * np.arange(23), 3.0 * np.arange(31))
    values, _ = sample(ramp, to_image, (9, 13), smooth=True)
    grid = np.stack([*np.indices((9, 13)), np.ones((9, 13))], -1) @ to_image.T
    rows, cols = grid[..., 0], grid[..., 1]
    within = (rows >= 0) & (rows <= 22) & (cols >= 0) & (cols <= 30)
    np.testing.assert_allclose(values[within], (2 * rows + 3 * cols)[within], atol=1e-6)


@given(views, st.lists(st.tuples(places, places), min_size=2, max_size=4))
def test_a_part_of_the_view_holds_exactly_the_pixels_between_its_corners(view, corners):
    part = view.around(corners)
    low, high = np.min(corners, 0), np.max(corners, 0)
    axes = [
        first + view.step * np.arange(n) for first, n in zip(view.first, view.shape, strict=True)
    ]
    slack = 1e-5 * view.step
    certain = [(a > low[k] + slack) & (a < high[k] - slack) for k, a in enumerate(axes)]
    if part is None:
        assert not (certain[0].any() and certain[1].any())
        return
    offset = np.rint(view.pixel(part.first)).astype(int)
    np.testing.assert_allclose(part.first, np.add(view.first, offset * view.step), atol=1e-6)
    for k in (0, 1):
        held = np.zeros(len(axes[k]), bool)
        held[offset[k] : offset[k] + part.shape[k]] = True
        assert held[certain[k]].all()
        assert (axes[k][held] >= low[k] - slack).all()
        assert (axes[k][held] <= high[k] + slack).all()


@given(st.integers(-30, 30), st.integers(-30, 30), st.integers(1, 12))
def test_the_checkerboard_stays_where_it_is_when_one_pans(down, across, side):
    step = 0.25
    here = checkers(View((3.0, -7.0), step, (40, 40)), side)
    moved = checkers(View((3.0 + down * step, -7.0 + across * step), step, (40, 40)), side)
    rows, cols = slice(max(0, down), 40 + min(0, down)), slice(max(0, across), 40 + min(0, across))
    there = slice(max(0, -down), 40 + min(0, -down)), slice(max(0, -across), 40 + min(0, -across))
    np.testing.assert_array_equal(here[rows, cols], moved[there])
    assert here.any() != here.all() or side == 12


def seen(colour, alpha):
    return np.broadcast_to(np.array([*colour, alpha], np.uint8), (1, 1, 4)).copy()


def test_nothing_shines_through_where_only_the_other_layer_is():
    red, none = seen((200, 0, 0), 255), seen((9, 9, 9), 0)
    ground = np.array([10, 20, 30], np.uint8)
    assert backed(none, red, ground)[0, 0].tolist() == [10, 20, 30, 255]
    assert backed(red, none, ground)[0, 0].tolist() == [200, 0, 0, 255]
    assert backed(none, none, ground)[0, 0, 3] == 0
    assert over(none, red)[0, 0].tolist() == [200, 0, 0, 255]
    half = over(seen((100, 0, 50), 128), seen((0, 0, 200), 255))[0, 0]
    np.testing.assert_allclose(half, [50, 0, 125, 255], atol=1)


@given(st.integers(3, 60))
def test_a_disc_is_round_and_its_rim_lies_on_its_edge(radius):
    whole, edge = disc(radius), rim(radius, 2)
    assert whole.shape == (2 * radius + 1, 2 * radius + 1)
    assert abs(whole.sum() - np.pi * radius**2) < 6 * radius
    np.testing.assert_array_equal(whole, whole.T)
    assert (whole | ~edge).all()
    assert not edge[radius, 2:-2].any()
    assert edge[radius, [0, 1, -1, -2]].all()


def test_matching_brightness_takes_out_another_lamp():
    rng = np.random.default_rng(1)
    second = rng.uniform(50, 200, (20, 30, 3)).astype(np.float32)
    lamp = (second * np.float32([0.7, 1.1, 0.9]) + np.float32([20, -5, 8])).astype(np.float32)
    mask = rng.random((20, 30)) > 0.3
    np.testing.assert_allclose(fitted(lamp, second, mask), second, atol=1e-2)
    np.testing.assert_array_equal(fitted(lamp, second, np.zeros_like(mask)), lamp)
    flat = np.full_like(second, 80)
    np.testing.assert_allclose(fitted(flat, flat + 5, mask), flat + 5, atol=1e-3)
