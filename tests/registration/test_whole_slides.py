"""Overviews too large to be read whole: dask, zarr, several levels."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from scipy import ndimage
from skimage.data import immunohistochemistry

from napari_medrefine import MedRefineError, Overview
from napari_medrefine.registration.overlay import difference
from napari_medrefine.registration.placement import similarity, transform

RATIO = 5.0


class Counting:
    """A stored array that counts the pixels read from it."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.read = array, array.shape, array.dtype, 0

    def __getitem__(self, key):
        part = self.array[key]
        self.read += part.shape[0] * part.shape[1]
        return part


@pytest.fixture(scope="module")
def slide():
    """Return a slide of 3072 x 4096 pixels, no two places of which are alike, and its levels."""
    tissue = immunohistochemistry()
    rng = np.random.default_rng(5)
    large = np.empty((3072, 4096, 3), np.uint8)
    for row in range(6):
        for col in range(8):
            piece = ndimage.zoom(tissue[:300, :300], (512 / 300, 512 / 300, 1), order=1)
            warp = ndimage.gaussian_filter(rng.normal(0, 1, (2, 512, 512)), (0, 9, 9)) * 90
            at = np.indices((512, 512)) + warp
            for channel in range(3):
                large[row * 512 : row * 512 + 512, col * 512 : col * 512 + 512, channel] = (
                    ndimage.map_coordinates(piece[..., channel], at, order=1, mode="reflect")
                )
    levels = [large]
    while len(levels) < 4:
        fine = levels[-1].astype(np.uint16)
        levels.append(((fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2])
                       // 4).astype(np.uint8))  # fmt: skip
    return levels


def field_at(slide, row, col, shape=(1100, 1300)):
    matrix = similarity(RATIO * 1.02, 4.0, (np.array(shape) - 1) / 2, np.array([row, col]))
    field = np.stack(
        [
            ndimage.affine_transform(
                slide[..., c], matrix[:2, :2], matrix[:2, 2], shape, order=1, mode="nearest"
            )
            for c in range(3)
        ],
        -1,
    )
    return field, matrix


def off(place, matrix):
    height, width = place.field_shape
    corners = np.array([[0, 0], [0, width], [height, 0], [height, width]], float)
    apart = place.to_overview(corners) - transform(matrix, corners)
    return float(np.sqrt((apart**2).sum(1).mean()))


@pytest.mark.parametrize("at", [(1500, 2100), (150, 3900), (2900, 400)])
def test_only_what_is_needed_is_read(slide, at):
    field, matrix = field_at(slide[0], *at)
    stored = [Counting(level) for level in slide]
    place = Overview(stored).register(field, ratio=RATIO)
    assert place.accepted, place.reason
    assert off(place, matrix) < 0.1
    assert stored[0].read < 0.15 * slide[0].shape[0] * slide[0].shape[1]
    assert stored[1].read < 0.35 * slide[1].shape[0] * slide[1].shape[1]


def test_lazy_or_not_single_or_several_levels_give_the_same_place(slide):
    field, matrix = field_at(slide[0], 1400, 2500)
    kinds = {
        "in memory": slide[0],
        "dask": da.from_array(slide[0], chunks=(700, 900, 3)),
        "levels": [da.from_array(level, chunks=(512, 512, 3)) for level in slide],
        "every second level": [Counting(level) for level in slide[::2]],
    }
    places = {kind: Overview(data).register(field, ratio=RATIO) for kind, data in kinds.items()}
    for place in places.values():
        assert place.accepted, place.reason
        assert off(place, matrix) < 0.1
        np.testing.assert_allclose(place.matrix, places["in memory"].matrix, atol=2e-2)
        assert place.overview_shape == slide[0].shape[:2]


def test_a_difference_reads_no_more_than_the_field_covers(slide):
    field, _ = field_at(slide[0], 1400, 2500)
    place = Overview(slide[0]).register(field, ratio=RATIO)
    stored = Counting(slide[0])
    apart = difference(stored, field, place)
    np.testing.assert_array_equal(apart.image, difference(slide[0], field, place).image)
    assert stored.read == apart.mask.size
    assert apart.image[apart.mask].mean() < 0.02


def test_a_field_of_another_slide_is_refused(slide):
    field = np.ascontiguousarray(field_at(slide[0], 1400, 2500)[0][:, ::-1])
    assert not Overview([Counting(level) for level in slide]).register(field, ratio=RATIO).accepted


def test_what_is_no_slide_is_said_to_be_none(slide):
    with pytest.raises(MedRefineError, match="constant"):
        Overview([Counting(np.full((400, 500, 3), 7, np.uint8))])
    with pytest.raises(MedRefineError, match="must be"):
        Overview(da.zeros((5, 400, 500, 3), dtype=np.uint8))
    with pytest.raises(MedRefineError, match="whole slides"):
        Overview([Counting(level) for level in slide]).register(
            slide[0][:400, :500], ratio=RATIO, method="spiral"
        )
