"""Layers that move, come and go while the others are not sent to the graphics card again."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_medrefine.widgets._adding import add_in_turns
from napari_medrefine.widgets._still_points import still_points


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((90, 120), np.uint8), name="overview")
    viewer.add_image(np.zeros((90, 120), np.uint8), name="field")
    return viewer


@pytest.fixture
def shown_anew(viewer):
    """How often the pixels of the overview were asked for."""
    times = []
    viewer.layers["overview"].events.set_data.connect(lambda _: times.append(1))
    return times


def points(viewer):
    """Return the points of the displayed axes."""
    return [viewer.dims.point[axis] for axis in viewer.dims.displayed]


def test_a_field_that_gets_its_place_leaves_the_others_as_they_are(viewer, shown_anew):
    before = points(viewer)
    with still_points(viewer):
        viewer.layers["field"].affine = np.diag([0.1013, 0.1013, 1])
    assert shown_anew == []
    assert points(viewer) == before
    assert viewer.dims.range[-1].step == pytest.approx(0.1013)
    viewer.layers["field"].affine = np.diag([0.0517, 0.0517, 1])
    assert shown_anew != []  # what napari does by itself: without it this module is not needed


def test_so_does_a_layer_that_is_added(viewer, shown_anew):
    list(add_in_turns(viewer, Image(np.zeros((9, 9), np.uint8), scale=(0.0713, 0.0713))))
    assert shown_anew == []


def test_a_point_that_is_outside_of_what_there_is_is_moved_and_everybody_told(viewer):
    told = []
    viewer.dims.events.point.connect(lambda _: told.append(viewer.dims.point))
    viewer.dims.set_point(viewer.dims.displayed, (80, 110))
    told.clear()
    with still_points(viewer):
        for layer in viewer.layers:
            layer.affine = np.diag([0.5, 0.5, 1])
        assert told == []
    assert points(viewer) == pytest.approx([44.5, 59.5])
    assert told == [viewer.dims.point]


def test_the_plane_that_is_seen_of_a_stack_is_the_same(viewer):
    stack = viewer.add_image(np.zeros((7, 90, 120), np.uint8), scale=(2.0, 1, 1))
    viewer.dims.set_current_step(0, 5)
    steps = []
    viewer.dims.events.current_step.connect(lambda _: steps.append(viewer.dims.current_step[0]))
    with still_points(viewer):
        stack.affine = np.diag([1, 0.313, 0.313, 1])
    assert viewer.dims.current_step[0] == 5
    assert viewer.dims.point[0] == 10
    with still_points(viewer):
        viewer.dims.set_current_step(0, 3)
    assert viewer.dims.point[0] == 6
    assert steps[-1] == 3


def test_the_slider_of_a_stack_follows_a_finer_grid(viewer):
    viewer.add_image(np.zeros((7, 90, 120), np.uint8), scale=(2.0, 1, 1))
    viewer.dims.set_current_step(0, 5)
    slider = viewer.window._qt_viewer.dims.slider_widgets[0].slider
    assert (slider.value(), slider.maximum()) == (5, 6)
    list(add_in_turns(viewer, Image(np.zeros((13, 9, 9), np.uint8), scale=(1.0, 1, 1))))
    assert viewer.dims.point[0] == 10
    assert (slider.value(), slider.maximum()) == (10, 12)


def test_an_error_in_the_middle_leaves_nobody_deaf(viewer):
    told = []
    with pytest.raises(ZeroDivisionError), still_points(viewer):
        raise ZeroDivisionError
    viewer.dims.events.point.connect(lambda _: told.append(1))
    viewer.dims.set_point(viewer.dims.displayed, (11, 12))
    assert told == [1]
