"""Which network *Magnify & sharpen* takes by itself: for photos, the one that knows their blur."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medrefine import magnify as enlarge
from napari_medrefine.superres.model_files import PHOTOS
from napari_medrefine.widgets._measured_layers import MadeBy
from napari_medrefine.widgets._model_choice import FOR_PHOTOS, SHIPPED
from napari_medrefine.widgets.magnify import MagnifyWidget


def chosen(widget: MagnifyWidget) -> str:
    return widget.model.model.current_choice


def test_a_photo_that_tells_its_objective_gets_the_network_for_photos(viewer, tissue):
    crop = viewer.add_image(tissue(40, 60), rgb=True, name="crop")
    widget = MagnifyWidget(viewer)
    assert chosen(widget) == "Shipped"
    photo = viewer.add_image(tissue(40, 60), rgb=True, name="slide1_4x")
    widget.layer.choose([photo])
    assert chosen(widget) == FOR_PHOTOS
    widget.layer.choose([crop])
    assert chosen(widget) == "Shipped"


@pytest.mark.parametrize("scan", [True, False])
def test_scans_and_what_we_made_do_not(viewer, tissue, scan):
    image = tissue(64, 64)
    notes = {} if scan else {"medrefine": {"made_from": "slide1_4x", "objective": 4.0}}
    viewer.add_image(
        [image, image[::2, ::2]] if scan else image,
        multiscale=scan, rgb=True, name="slide1_40x", metadata=notes,
    )  # fmt: skip
    widget = MagnifyWidget(viewer)
    widget.layer.choose(viewer.layers)
    assert chosen(widget) == "Shipped"


def test_sharpening_goes_by_the_network_that_can_and_magnifying_again_by_the_photo(viewer, tissue):
    viewer.add_image(tissue(40, 60), rgb=True, name="slide1_4x")
    widget = MagnifyWidget(viewer)
    assert chosen(widget) == FOR_PHOTOS
    widget.task.value = "sharpen"
    assert chosen(widget) == "Shipped"
    assert "pixels become" in widget.size.value
    widget.task.value = "magnify"
    assert chosen(widget) == FOR_PHOTOS


def test_what_the_user_chose_stays_also_in_the_next_window(viewer, tissue):
    crop = viewer.add_image(tissue(40, 60), rgb=True, name="crop")
    photo = viewer.add_image(tissue(40, 60), rgb=True, name="slide1_4x")
    widget = MagnifyWidget(viewer)
    widget.layer.choose([photo])
    assert chosen(widget) == FOR_PHOTOS
    widget.model.model.value = SHIPPED
    for layer in (crop, photo):
        widget.layer.choose([layer])
        assert chosen(widget) == "Shipped"
    assert chosen(MagnifyWidget(viewer)) == "Shipped"


def test_the_network_for_photos_has_a_trust_map_in_the_window_and_in_reports(viewer, tissue, wait):
    image = tissue(24, 32)
    viewer.add_image(image, rgb=True, name="slide1_4x")
    widget = MagnifyWidget(viewer)
    widget.region.value, widget.scale.value, widget.trust.value = "whole", 2.0, True
    widget.job.start.native.click()
    wait(widget.job)
    assert widget.model.file == PHOTOS
    photo, made, trust = viewer.layers
    np.testing.assert_array_equal(made.data, enlarge(image, 2, model="photo-faithful"))
    assert trust.data.shape == made.data.shape[:2]
    again = MadeBy.of(made).trust()(photo.data, 2, None)
    np.testing.assert_array_equal(again, trust.data)
