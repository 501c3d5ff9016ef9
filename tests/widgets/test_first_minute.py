"""The tour in a real window: every button does what it says."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medrefine.samples import field_to_overview
from napari_medrefine.widgets import first_minute
from napari_medrefine.widgets.first_minute import (
    COMPARE,
    FADE,
    MAGNIFY,
    OPEN,
    REGISTER,
    STOPS,
    FirstMinuteWidget,
)

PLUGIN = "napari-medrefine"


@pytest.fixture
def photos(sample_photos):
    """One overview, one 10x and one 40x field: half the time of all."""
    overview, fields = sample_photos
    return overview, [fields[0], fields[2]]


@pytest.fixture
def tour(real_viewer, photos, monkeypatch):
    def photographed():
        yield from ()
        return photos

    monkeypatch.setattr(first_minute, "demo_photos_steps", photographed)
    _, widget = real_viewer.window.add_plugin_dock_widget(PLUGIN, "First minute")
    return widget


@pytest.fixture
def press(tour, qtbot):
    def until(stop):
        while tour._at < stop:
            before = tour._at
            tour.job.start.native.click()
            qtbot.waitUntil(lambda now=before: has_left(now), timeout=120_000)

    def has_left(stop):  # a job says what it found before it lets the next one begin
        return tour._at > stop and not tour.job.running

    return until


def test_the_whole_tour(real_viewer, tour, press, photos, qtbot):
    overview_photo, fields = photos
    press(REGISTER)
    assert [layer.name for layer in real_viewer.layers] == [
        "slide 4x",
        "slide 10x 1",
        "slide 40x 1",
    ]

    press(FADE)
    field, overview = real_viewer.layers["slide 40x 1"], real_viewer.layers["slide 4x"]
    truth = field_to_overview(fields[1], overview_photo)
    for corner in ((0, 0), (1023, 0), (1023, 1343)):
        there = overview.world_to_data(field.data_to_world(corner))
        right = truth[:2, :2] @ np.array(corner) + truth[:2, 2]
        assert np.hypot(*(np.array(there)[-2:] - right)) < 0.3

    assert FirstMinuteWidget(real_viewer)._at == FADE  # closed and opened again, it goes on
    press(MAGNIFY)
    tour.opacity.value = 0.25
    assert field.opacity == 0.25
    assert not real_viewer.layers["slide 10x 1"].visible

    press(COMPARE)
    made = next(x for x in real_viewer.layers if "generated" in x.name)
    assert made.metadata["medrefine"]["made_from"] == "slide 4x"
    assert "Register (napari-medrefine)" not in real_viewer.window.dock_widgets

    press(len(STOPS))
    _, compare = real_viewer.window.add_plugin_dock_widget(PLUGIN, "Compare")
    assert compare.pair.layers == (made, field)
    assert compare.sections["See"].running
    assert not tour.job.start.enabled
    compare.job.stop()


def test_the_tour_begins_again_when_its_photos_are_gone(real_viewer, tour, press):
    press(REGISTER)
    real_viewer.layers.clear()
    tour.job.start.native.click()
    assert tour._at == OPEN
    assert "open them again" in tour.job.message.value
    press(REGISTER)
    assert len(real_viewer.layers) == 3


def test_a_registration_that_is_stopped_can_be_tried_again(real_viewer, tour, press, qtbot):
    press(REGISTER)
    tour.job.start.native.click()
    _, register = real_viewer.window.add_plugin_dock_widget(PLUGIN, "Register")
    register.job.stop()
    qtbot.waitUntil(lambda: tour.job.start.enabled, timeout=60_000)
    assert tour._at in (REGISTER, FADE)  # the field was perhaps found before it was stopped
    press(FADE)
