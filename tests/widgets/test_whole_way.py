"""The real search through the widget: photos with a known truth, on layers as users have them."""

from __future__ import annotations

import json

import dask.array as da
import numpy as np
import pytest

from napari_medrefine.photos import read_photo
from napari_medrefine.samples import Slide, field_to_overview
from napari_medrefine.widgets.magnify import MagnifyWidget
from napari_medrefine.widgets.register import RegisterWidget

TOLERANCE_UM = 1.25  # one overview pixel


@pytest.fixture(scope="module")
def shots():
    """A small 4x overview, a 10x and a 40x field of one procedural slide, none quite nominal."""
    slide = Slide(0, (900.0, 1100.0))
    overview = slide.photograph(4, shape=(480, 640), seed=1)
    ten = slide.photograph(10, centre_um=(480, 500), degrees=4, shape=(400, 500), seed=2)
    forty = slide.photograph(
        40, centre_um=(400, 600), degrees=-3, shape=(800, 1000), pixel_um=0.1265, seed=3
    )
    return overview, ten, forty


def add(viewer, photo, name, unit="um", **options):
    nominal = {4: 1.25, 10: 0.5, 40: 0.125}[int(photo.objective)] * {"um": 1, "nm": 1000}[unit]
    return viewer.add_image(
        photo.image, rgb=True, name=name, scale=(nominal, nominal), units=(unit, unit), **options
    )


def corner_errors(viewer_overview, overview, layer, field, per_um=1.0):
    """Distances in micrometres of the layer's corners in the world from where they belong."""
    height, width = field.image.shape[:2]
    corners = np.array([[0, 0], [0, width - 1], [height - 1, 0], [height - 1, width - 1]])
    there = np.c_[corners, np.ones(4)] @ field_to_overview(field, overview).T
    expected = np.array([viewer_overview.data_to_world(point) for point in there[:, :2]])
    got = np.array([layer.data_to_world(point) for point in corners]) / per_um
    return np.linalg.norm(got - expected, axis=1)


def test_a_multiscale_overview_of_lazy_levels(viewer, shots, wait):
    overview, _, forty = shots
    half = overview.image.astype(float)
    half = (half[::2, ::2] + half[1::2, ::2] + half[::2, 1::2] + half[1::2, 1::2]) / 4
    levels = [da.from_array(overview.image, chunks=200), da.from_array(half.astype(np.uint8))]
    base = viewer.add_image(
        levels, multiscale=True, rgb=True, name="s_4x", scale=(1.25, 1.25), units=("um", "um")
    )
    fine = add(viewer, forty, "s_40x")
    widget = RegisterWidget(viewer)
    widget.job.start.native.click()
    wait(widget.job, 120)
    assert "s_40x: placed." in widget.job.message.value
    assert corner_errors(base, overview, fine, forty).max() < TOLERANCE_UM
    widget.difference.native.click()
    wait(widget.job, 120)
    assert "s_40x · difference" in viewer.layers
    widget.show_search.native.click()
    assert any("refined at 1/1" in layer.name for layer in viewer.layers)


def test_fields_lie_on_a_turned_overview_in_other_units(viewer, shots, wait):
    overview, ten, forty = shots
    base = add(viewer, overview, "s_4x", rotate=30, translate=(500, -200))
    middle = add(viewer, ten, "s_10x", translate=(3, 4))
    fine = add(viewer, forty, "s_40x", unit="nm", rotate=-12)
    widget = RegisterWidget(viewer)
    widget.job.start.native.click()
    wait(widget.job, 120)
    assert widget.job.message.value.count(": placed.") == 2, widget.job.message.value
    assert corner_errors(base, overview, middle, ten).max() < TOLERANCE_UM
    assert corner_errors(base, overview, fine, forty, per_um=1000).max() < TOLERANCE_UM
    widget.undo.native.click()
    np.testing.assert_array_equal(middle.affine.affine_matrix, np.eye(3))
    np.testing.assert_array_equal(middle.translate, (3, 4))


def test_a_field_of_another_slide_is_refused_and_named_as_in_the_way(viewer, shots, wait):
    stranger = Slide(7, (300.0, 300.0)).photograph(40, shape=(800, 1000), seed=5)
    add(viewer, shots[0], "s_4x")
    layer = add(viewer, stranger, "t_40x")
    widget = RegisterWidget(viewer)
    widget.fields.value = [layer]
    widget.register()
    wait(widget.job, 120)
    assert "t_40x: not placed, refused" in widget.job.message.value
    assert "perhaps in the way: 't_40x'" in widget.job.message.value
    np.testing.assert_array_equal(layer.affine.affine_matrix, np.eye(3))


def test_the_network_magnifies_and_sharpens_in_place(viewer, shots, wait):
    overview = shots[0]
    source = add(viewer, overview, "s_4x", rotate=30)
    viewer.canvas.size = (600, 600)
    viewer.scene.camera.center = (0, *source.data_to_world((200, 300)))
    viewer.scene.camera.zoom = 10
    widget = MagnifyWidget(viewer)
    widget.scale.value = 2.5
    for task in ("magnify", "sharpen"):
        widget.task.value = task
        widget.job.start.native.click()
        wait(widget.job, 120)
        assert "Added" in widget.job.message.value
    for made in viewer.layers[1:]:
        region = made.metadata["medrefine"]["region"]
        rows, cols = slice(*region["rows"]), slice(*region["cols"])
        below = source.data[rows, cols].astype(float)
        # The network changes texture, not colour or place: the same tissue is at both ends.
        assert np.abs(made.data.mean((0, 1)) - below.mean((0, 1))).max() < 4
        zoom = np.array(made.data.shape[:2]) / below.shape[:2]
        for corner in ((0, 0), np.array(made.data.shape[:2]) - 1):
            there = (np.array(corner) + 0.5) / zoom - 0.5 + (rows.start, cols.start)
            np.testing.assert_allclose(
                made.data_to_world(corner), source.data_to_world(there), rtol=1e-9
            )


@pytest.mark.photos
def test_a_real_40x_photo_lies_on_its_4x(viewer, photos44, wait):
    """Opened as napari opens a JPEG: no pixel size; the names say 4x and 40x."""
    layers = {}
    for name in ("slide1_4x", "slide1_40x_1"):
        image = read_photo(photos44 / f"{name}.jpg").image
        layers[name] = viewer.add_image(image, rgb=True, name=name)
    widget = RegisterWidget(viewer)
    widget.register()
    wait(widget.job, 180)
    truth = json.loads((photos44 / "truth.json").read_text())["photos"]
    (entry,) = (photo for photo in truth if photo["field"] == "slide1_40x_1.jpg")
    got = [layers["slide1_40x_1"].data_to_world(point) for point in entry["field_points"]]
    expected = [layers["slide1_4x"].data_to_world(point) for point in entry["overview_points"]]
    distances = np.linalg.norm(np.subtract(got, expected), axis=1)
    assert np.sqrt((distances**2).mean()) < 1.0
