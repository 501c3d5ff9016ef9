"""The part in view and the part inside a rectangle are the right pixels."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_medrefine.errors import MedRefineError
from napari_medrefine.widgets._regions import in_rectangle, in_view, whole

UM = {"scale": (2.0, 2.0), "units": ("um", "um")}


@pytest.fixture
def photo(viewer, tissue):
    return viewer.add_image(tissue(200, 300), rgb=True, name="photo", **UM)


def look_at(viewer, centre, height_in_world):
    viewer.canvas.size = (600, 600)
    viewer.scene.camera.center = (0, *centre)
    viewer.scene.camera.zoom = 600 / height_in_world


def test_the_part_in_view_is_what_the_canvas_shows(viewer, photo):
    look_at(viewer, (199, 299), 100)  # micrometres: 50 pixels on each side
    region = in_view(viewer, photo)
    assert (region.rows, region.cols) == ((75, 125), (125, 175))
    np.testing.assert_array_equal(region.cut(photo), photo.data[75:125, 125:175])


def test_the_view_is_cut_off_at_the_layers_edge(viewer, photo):
    look_at(viewer, (-1, -1), 100)
    region = in_view(viewer, photo)
    assert (region.rows, region.cols) == ((0, 25), (0, 25))


def test_the_view_is_in_the_smallest_of_the_layers_units(viewer, photo, tissue):
    viewer.add_image(tissue(10, 10), rgb=True, scale=(1, 1), units=("nm", "nm"))
    look_at(viewer, (199_000, 299_000), 100_000)  # the canvas is in nanometres now
    region = in_view(viewer, photo)
    assert (region.rows, region.cols) == ((75, 125), (125, 175))


def test_looking_elsewhere_says_so(viewer, photo):
    look_at(viewer, (5000, 5000), 100)
    with pytest.raises(MedRefineError, match="Nothing of 'photo' is in view"):
        in_view(viewer, photo)


def test_the_3d_view_has_no_part(viewer, photo):
    viewer.dims.ndisplay = 3
    with pytest.raises(MedRefineError, match="2-D view"):
        in_view(viewer, photo)


def test_a_transposed_view_is_understood(viewer, photo):
    viewer.dims.order = (1, 0)
    look_at(viewer, (399, 99), 100)  # displayed rows are the photo's columns
    region = in_view(viewer, photo)
    assert (region.rows, region.cols) == ((25, 75), (175, 225))


def test_a_rectangle_in_other_units_and_place_encloses_the_same_tissue(viewer, photo):
    pixel_corners = np.array([[19.5, 29.5], [19.5, 69.5], [49.5, 69.5], [49.5, 29.5]])
    drawn = pixel_corners * 2000 - 500  # nanometres, from the shapes layer's own origin
    shapes = viewer.add_shapes(drawn, translate=(500, 500), units=("nm", "nm"))
    region = in_rectangle(shapes, photo)
    assert (region.rows, region.cols) == ((20, 50), (30, 70))


def test_the_selected_rectangle_counts_else_the_last(viewer, photo):
    square = np.array([[0, 0], [0, 40], [40, 40], [40, 0]])
    shapes = viewer.add_shapes([square, square + 100], units=("um", "um"))
    shapes.selected_data = set()
    assert in_rectangle(shapes, photo).rows == (50, 71)
    shapes.selected_data = {0}
    assert in_rectangle(shapes, photo).rows == (0, 21)


def test_an_empty_shapes_layer_says_what_to_do(viewer, photo):
    with pytest.raises(MedRefineError, match="Draw a rectangle in 'region' first"):
        in_rectangle(viewer.add_shapes(name="region"), photo)


def test_a_multiscale_layer_gives_the_level_in_view(viewer, tissue):
    full = da.from_array(tissue(400, 600))
    layer = viewer.add_image([full, full[::2, ::2], full[::4, ::4]], multiscale=True, rgb=True)
    look_at(viewer, (200, 200), 200)
    layer.data_level = 1
    region = in_view(viewer, layer)
    assert region.level == 1
    assert region.reduction == (2.0, 2.0)
    assert region.shape == (101, 101)
    assert region.first == (100.0, 100.0)
    assert whole(layer).shape == (400, 600)
    np.testing.assert_array_equal(region.cut(layer), full[::2, ::2][50:151, 50:151])
