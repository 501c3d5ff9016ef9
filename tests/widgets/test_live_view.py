"""The view, magnified wherever it goes: right pixels at the right place, and only new ones made."""

from __future__ import annotations

from collections import deque
from itertools import islice

import numpy as np
import pytest
from scipy import ndimage as ndi
from skimage.data import immunohistochemistry

from napari_medrefine import magnify
from napari_medrefine.superres.magnified import Magnified
from napari_medrefine.superres.recipe import Recipe
from napari_medrefine.widgets._live_view import LiveLayer, LiveTile, LiveView
from napari_medrefine.widgets._preferences import Preferences
from napari_medrefine.widgets.magnify import MagnifyWidget

PHOTO = np.tile(immunohistochemistry(), (2, 2, 1))
PLACED = {"scale": (2.0, 2.0), "translate": (100.0, -40.0), "units": ("um", "um")}


def look_at(viewer, layer, middle, zoom=2.0):
    viewer.canvas.size = (600, 600)
    viewer.scene.camera.center = (0, *layer.data_to_world(middle))
    viewer.scene.camera.zoom = zoom


@pytest.fixture
def following(viewer, qtbot):
    """A widget that follows the view of a photo at x4, and a wait until all in view is made."""
    source = viewer.add_image(PHOTO, rgb=True, name="slide 10x", **PLACED)
    look_at(viewer, source, (500, 480))
    widget = MagnifyWidget(viewer)
    widget.region.value = "follow"
    widget.job.start.native.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=20_000)

    def settled():
        qtbot.waitUntil(lambda: bool((viewer.layers[1].data[..., 3] == 255).all()), timeout=90_000)

    settled()
    yield widget, source, settled
    widget.job.stop()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=20_000)


def test_what_is_in_view_lies_where_it_belongs(viewer, following):
    _, source, _ = following
    shown = viewer.layers["slide 10x · magnified x4 (generated), in view"]
    assert list(viewer.layers).index(shown) == 1
    assert (shown.data[..., 3] == 255).all()
    assert "diagnosis" in shown.metadata["medrefine"]["warning"]
    assert shown.thumbnail[..., :3].max() > 100  # and not as it was when nothing had been made
    whole = magnify(PHOTO, 4, model="photo-faithful")  # it tells its objective
    first = np.round(np.array(source.world_to_data(shown.data_to_world((0, 0)))) * 4 + 1.5)
    top, left = first.astype(int)
    height, width = shown.data.shape[:2]
    np.testing.assert_array_equal(
        shown.data[..., :3], whole[top : top + height, left : left + width]
    )
    # The whole view is covered: 150 um to each side of the middle.
    for corner in ((-150, -150), (150, 150)):
        world = np.array(source.data_to_world((500, 480))) + corner
        row, col = shown.world_to_data(world)
        assert -1 <= row <= height
        assert -1 <= col <= width


def test_panning_makes_only_what_is_new(viewer, following, monkeypatch, qtbot):
    widget, source, settled = following
    asked = []
    real = Magnified.render
    monkeypatch.setattr(Magnified, "render", lambda *how: (asked.append(how[1:3]), real(*how))[1])
    before = widget._live.made
    look_at(viewer, source, (500, 610))
    qtbot.waitUntil(lambda: len(asked) > 0, timeout=60_000)
    settled()
    assert len(asked) == len(set(asked)) == widget._live.made - before
    assert len(asked) < before
    count = len(asked)
    look_at(viewer, source, (500, 480))  # and back: all of it is kept
    qtbot.wait(500)
    settled()
    assert len(asked) == count
    assert (viewer.layers[1].data[..., 3] == 255).all()


def test_too_much_in_view_is_told_and_cancel_ends_it(viewer, following, qtbot):
    widget, source, _ = following
    look_at(viewer, source, (500, 480), zoom=0.2)
    qtbot.waitUntil(lambda: "Zoom in" in widget.size.value, timeout=20_000)
    widget.job.cancel.native.click()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=20_000)
    assert widget.job.message.value.startswith("Stopped following")
    assert viewer.layers[1].name.endswith("in view")
    look_at(viewer, source, (100, 100))  # nobody follows any more
    qtbot.wait(300)
    assert not widget.job.running


def test_it_ends_when_the_layer_is_removed(viewer, following, qtbot):
    widget, source, _ = following
    viewer.layers.remove(source)
    qtbot.waitUntil(lambda: not widget.job.running, timeout=20_000)


def test_before_all_is_in_place_the_photo_shines_through(viewer, qtbot):
    source = viewer.add_image(ndi.zoom(PHOTO, (3, 3, 1), order=0), rgb=True, name="s")
    look_at(viewer, source, (1500, 1500))
    widget = MagnifyWidget(viewer)
    widget.region.value = "follow"
    widget.job.start.native.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=20_000)
    shown = viewer.layers[1]
    assert not shown.data[..., 3].any()
    qtbot.waitUntil(lambda: bool(shown.data[..., 3].any()), timeout=60_000)
    widget.job.stop()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=20_000)


def all_in_view(viewer, source, scale=2.0):
    """Make what is in view, without a thread; return the layer."""
    live = LiveView(viewer, source, Recipe("magnify", scale))
    live.look()
    job = live.steps()
    for item in job:
        if isinstance(item, LiveLayer | LiveTile):
            deque(live.take(item))
        elif item.text.startswith("All in view"):
            break
    job.close()
    return live.layer


@pytest.mark.parametrize("when", [0, 1, 2, 3])
def test_one_may_pan_while_the_layer_is_put_in(viewer, when):
    source = viewer.add_image(PHOTO, rgb=True, name="s")
    look_at(viewer, source, (300, 300))
    live = LiveView(viewer, source, Recipe("magnify", 4))
    live.look()
    assert len(viewer.layers) == 1  # not in the turn of the click: napari needs one for that alone
    turns = live.take(LiveLayer())
    deque(islice(turns, when))
    look_at(viewer, source, (500, 700))
    live.look()
    deque(turns)
    deque(live.take(LiveLayer()))  # asked for twice, added once
    assert len(viewer.layers) == 2
    rows, cols = live.layer.data.shape[:2]
    first = np.subtract((350, 550), live.layer.data_to_world((0, 0)))
    last = np.subtract(live.layer.data_to_world((rows, cols)), (650, 850))
    for beyond in (*first, *last):  # of what is in view: nothing is missing, and less than a tile
        assert -1 <= beyond <= 129


def test_a_layer_that_was_removed_comes_back_with_what_is_made(viewer):
    source = viewer.add_image(PHOTO[:300, :300].copy(), rgb=True, name="s")
    look_at(viewer, source, (150, 150), zoom=1.5)
    first = all_in_view(viewer, source)
    live = LiveView(viewer, source, Recipe("magnify", 2.0))
    live.look()
    job = live.steps()
    for item in job:
        if isinstance(item, LiveTile):
            viewer.layers.remove(live.layer)  # just as its tile was made
            deque(live.take(item))
            live.look()
        elif isinstance(item, LiveLayer):
            deque(live.take(item))
        elif item.text.startswith("All in view"):
            break
    job.close()
    assert len(viewer.layers) == 3
    np.testing.assert_array_equal(live.layer.data, first.data)
    assert (
        live.layer.metadata["medrefine"]["provenance"] == first.metadata["medrefine"]["provenance"]
    )


@pytest.mark.parametrize("before", [0, 1])
def test_without_its_source_it_does_not_come(viewer, before):
    source = viewer.add_image(PHOTO, rgb=True, name="s")
    look_at(viewer, source, (300, 300))
    live = LiveView(viewer, source, Recipe("magnify", 4))
    live.look()
    turns = live.take(LiveLayer())
    for _ in range(before):
        next(turns)
    viewer.layers.remove(source)
    deque(turns)
    assert len(viewer.layers) == 0


def test_what_was_magnified_once_is_there_in_the_next_session(viewer, tmp_path, monkeypatch):
    wanted = Preferences(cache_folder=str(tmp_path))
    monkeypatch.setattr("napari_medrefine.widgets._live_view.preferences", lambda: wanted)
    source = viewer.add_image(PHOTO[:400, :300].copy(), rgb=True, name="s")
    look_at(viewer, source, (200, 150), zoom=1.0)
    asked = []
    real = Magnified.render
    monkeypatch.setattr(Magnified, "render", lambda *how: (asked.append(how[1:]), real(*how))[1])
    first = all_in_view(viewer, source).data.copy()
    count = len(asked)
    assert count == 4
    kept = sorted(tmp_path.rglob("*.npz"))
    assert len(kept) == count
    kept[0].write_bytes(b"damaged")
    viewer.layers.remove(viewer.layers[1])
    again = all_in_view(viewer, source).data
    np.testing.assert_array_equal(again, first)
    assert len(asked) == count + 1  # the damaged one
    source.data[200, 150] = 255 - source.data[200, 150]  # all four tiles see that place
    viewer.layers.remove(viewer.layers[1])
    changed = all_in_view(viewer, source).data
    assert len(asked) > count + 1
    assert not np.array_equal(changed, first)


def test_a_channel_is_shown_as_its_layer_is(viewer):
    """One of several: dark, in a colour, added to the others."""
    green = (PHOTO[:300, :300, 1].astype(np.uint16) // 4) + 20
    source = viewer.add_image(
        green, name="DAPI", colormap="green", blending="additive", contrast_limits=(20, 84)
    )
    look_at(viewer, source, (150, 150), zoom=1.5)
    layer = all_in_view(viewer, source)
    assert layer.blending == "additive"
    right = np.clip((magnify(green, 2).astype(float) - 20) / 64, 0, 1) * 255
    np.testing.assert_allclose(layer.data[..., 1], right, atol=1.5)
    assert not layer.data[..., [0, 2]].any()
    assert (layer.data[..., 3] == 255).all()


def test_to_follow_the_view_of_a_stack_it_has_to_be_taken_apart(viewer):
    viewer.add_image(np.moveaxis(PHOTO, -1, 0), rgb=False, name="stack")
    widget = MagnifyWidget(viewer)
    widget.region.value = "follow"
    widget.job.start.native.click()
    assert "Split Stack" in widget.job.message.value
    assert not widget.job.running


def test_the_tiles_move_along_and_are_made_anew_of_other_pixels(real_viewer, qtbot):
    viewer = real_viewer
    source = viewer.add_image(PHOTO[:200, :150].copy(), rgb=True, name="s")
    _, widget = viewer.window.add_plugin_dock_widget("napari-medrefine", "Magnify & sharpen")
    look_at(viewer, source, (100, 75), zoom=1.0)
    widget.region.value, widget.scale.value = "follow", 2.0
    widget.job.start.native.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=20_000)
    made = viewer.layers[1]

    def shows(photo):
        there = made.data[..., 3] == 255
        return there.all() and np.array_equal(made.data[..., :3], magnify(photo, 2))

    qtbot.waitUntil(lambda: bool((made.data[..., 3] == 255).all()), timeout=60_000)
    source.translate = (10, 20)
    qtbot.waitUntil(lambda: np.allclose(made.translate, (9.75, 19.75)), timeout=20_000)
    other = 255 - source.data
    source.data = other
    qtbot.waitUntil(lambda: shows(other), timeout=60_000)
    widget.job.stop()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=20_000)
