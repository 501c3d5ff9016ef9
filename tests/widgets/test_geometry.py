"""Parts and registered fields lie exactly where they should, whatever transforms layers have."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_medrefine.errors import MedRefineError
from napari_medrefine.widgets._geometry import (
    data_to_physical,
    data_to_world,
    part_place,
    registered_affine,
    unit_factors,
)

LOOSE = {
    "scale": (1.25, 1.5),
    "translate": (100.0, -40.0),
    "rotate": 20.0,
    "shear": (0.1,),
    "affine": [[0.9, -0.1, 5.0], [0.2, 1.1, -3.0], [0, 0, 1]],
    "units": ("um", "um"),
}
CORNERS = np.array([[-0.5, -0.5], [-0.5, 59.5], [39.5, 59.5], [39.5, -0.5]])


def image(shape=(40, 60, 3), **options):
    return Image(np.zeros(shape, np.uint8), rgb=True, **options)


def world(layer, points):
    return np.array([layer.data_to_world(point) for point in points])


def homogeneous(points):
    return np.c_[points, np.ones(len(points))]


def test_the_matrix_of_a_layer_is_what_napari_does():
    layer = image(**LOOSE)
    ours = (homogeneous(CORNERS) @ data_to_world(layer).T)[:, :2]
    np.testing.assert_allclose(ours, world(layer, CORNERS), atol=1e-9)


def test_without_affine_only_scale_translate_rotate_and_shear_count():
    layer = image(**LOOSE)
    bare = image(**{**LOOSE, "affine": None})
    ours = (homogeneous(CORNERS) @ data_to_physical(layer).T)[:, :2]
    np.testing.assert_allclose(ours, world(bare, CORNERS), atol=1e-9)


@pytest.mark.parametrize("field_units", ["um", "nm", "mm"])
def test_a_registered_field_lies_where_the_matrix_says(field_units):
    overview = image(**LOOSE)
    field = image(
        scale=(125, 125),
        translate=(7, 9),
        rotate=-33,
        shear=(0.2,),
        affine=[[2, 0, 1], [0, 3, 1], [0, 0, 1]],
        units=(field_units, field_units),
    )
    matrix = np.array([[0.1, 0.01, 12.0], [-0.01, 0.1, 20.0], [0, 0, 1]])
    field.affine = registered_affine(overview, field, matrix)
    per_um = {"um": 1.0, "nm": 1000.0, "mm": 0.001}[field_units]
    on_overview = (homogeneous(CORNERS) @ matrix.T)[:, :2]
    expected = world(overview, on_overview) * per_um
    np.testing.assert_allclose(world(field, CORNERS), expected, rtol=1e-9)
    np.testing.assert_array_equal(field.scale, (125, 125))


def test_units_that_measure_other_things_are_refused_in_a_sentence():
    overview, field = image(units=("um", "um")), image(units=("s", "s"))
    assert unit_factors(overview, field) is None
    with pytest.raises(MedRefineError, match=r"second.*micrometer.*same units"):
        registered_affine(overview, field, np.eye(3))


@pytest.mark.parametrize("zoom", [(4.0, 4.0), (2.5, 2.6), (1.0, 1.0), (0.5, 0.5)])
def test_a_magnified_part_covers_exactly_its_part(zoom):
    source = image(**LOOSE)
    first, size = (10.0, 20.0), (8, 12)
    shape = (round(size[0] * zoom[0]), round(size[1] * zoom[1]))
    exact = (shape[0] / size[0], shape[1] / size[1])
    part = image((*shape, 3), **part_place(source, first, exact))
    corners = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    outer = np.array(first) - 0.5 + corners * size
    np.testing.assert_allclose(world(part, corners * shape - 0.5), world(source, outer), rtol=1e-9)
    assert part.units == source.units
