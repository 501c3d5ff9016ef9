"""Places at which every part agrees though they are wrong, or only nearly right."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from skimage.data import immunohistochemistry

from napari_medrefine import register
from napari_medrefine.photos import read_photo
from napari_medrefine.registration.placement import Placement
from napari_medrefine.samples import demo_photos, field_to_overview


@pytest.fixture(scope="module")
def photos():
    return demo_photos(2)


def corners_off(place: Placement, matrix: np.ndarray) -> float:
    height, width = place.field_shape
    points = np.array([[0, 0], [0, width - 1], [height - 1, 0], [height - 1, width - 1.0]])
    right = points @ matrix[:2, :2].T + matrix[:2, 2]
    return float(np.hypot(*(place.to_overview(points) - right).T).max())


@pytest.mark.parametrize("number", [0, 3])
@pytest.mark.parametrize(("high", "wide"), [(1.0, 1.02), (1.04, 1.0)])
def test_a_field_with_pixels_that_are_not_square_lies_where_it_belongs(photos, number, high, wide):
    overview, fields = photos
    field = fields[number]
    height, width = field.image.shape[:2]
    size = round(height * high), round(width * wide)
    image = np.asarray(Image.fromarray(field.image).resize(size[::-1], Image.Resampling.BICUBIC))
    zoom = np.diag([height / size[0], width / size[1], 1.0])
    zoom[:2, 2] = (np.diag(zoom)[:2] - 1) / 2
    place = register(overview.image, image, ratio=field.objective / overview.objective)
    assert place.accepted
    assert "stretched by" in place.reason
    assert corners_off(place, field_to_overview(field, overview) @ zoom) < 0.5
    assert place.standard_error < 0.3


def test_square_pixels_are_told_to_be_nothing_else(photos):
    overview, fields = photos
    for field in fields:
        place = register(overview.image, field.image, ratio=field.objective / overview.objective)
        assert place.accepted
        assert "stretched" not in place.reason


def glass(seed: int, shape: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(230 + rng.normal(0, 2, (*shape, 3)), 0, 255).astype(np.uint8)


def with_dust(image: np.ndarray, scale: float) -> np.ndarray:
    """Put dust that lies on the camera on a photo; `scale` is its pixels for one of 200 x 280."""
    image, rng = image.copy(), np.random.default_rng(5)
    rows, cols = np.indices(image.shape[:2]) / scale
    for _ in range(40):
        row, col, radius = rng.uniform(0, 200), rng.uniform(0, 280), rng.uniform(2, 5)
        image[np.hypot(rows - row, cols - col) < radius] //= 2
    return image


@pytest.mark.parametrize("tissue", [False, True])
def test_dust_on_the_camera_is_no_registration(tissue):
    below = immunohistochemistry()[:360, :504] if tissue else glass(1, (360, 504))
    overview, field = with_dust(below, 1.8), with_dust(glass(2, (720, 1008)), 3.6)
    place = register(overview, field, ratio=2.0)
    assert not place.accepted
    if not tissue:
        assert "stay with the camera" in place.reason


def with_grid(image: np.ndarray, step: int, first: int, line: int) -> np.ndarray:
    image = image.copy()
    for begin in range(first, image.shape[0], step):
        image[begin : begin + line] = 30
    for begin in range(first, image.shape[1], step):
        image[:, begin : begin + line] = 30
    return image


def test_a_grid_does_not_put_a_field_on_another_slide(photos):
    overview, _ = photos
    _, strangers = demo_photos(7)
    for first in (3, 57, 110):
        field = with_grid(strangers[0].image, 150, first, 5)
        place = register(with_grid(overview.image, 60, 0, 2), field, ratio=2.5)
        assert not place.accepted, place.reason


@pytest.mark.photos
def test_real_photos_with_a_grid_of_the_specimen_are_refused_on_other_slides(photos44):
    overview = read_photo(photos44 / "slide1_4x.jpg").image
    field = read_photo(photos44 / "slide2_10x_1.jpg").image
    place = register(with_grid(overview, 100, 0, 3), with_grid(field, 250, 0, 3), ratio=2.5)
    assert not place.accepted
    assert "repeats" in place.reason
