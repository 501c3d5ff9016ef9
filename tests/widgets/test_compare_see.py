"""Ways to see two layers, on a real canvas: the right layer at the right place, and no trace left.

What is seen is compared with what napari itself draws of the two layers, which differ in
everything: scale, rotation, affine, units, size, colours, levels.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import dask.array as da
import numpy as np
import pytest
from napari.layers._layer_actions import _duplicate_layer
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_medrefine.widgets._see_stage import FRAME_MS
from napari_medrefine.widgets.compare import CompareWidget

PLUGIN = "napari-medrefine"
ROTATED = [[0.9, -0.2, 4000.0], [0.2, 1.1, -2000.0], [0, 0, 1]]


def photo(height, width, seed=0):
    """Large even patches of random colours: what is seen does not hang on half a pixel."""
    colours = np.random.default_rng(seed).integers(0, 255, (height // 8, width // 8, 3))
    return np.kron(colours, np.ones((8, 8, 1))).astype(np.uint8)


def add_two(viewer):
    """A multiscale grey overview in micrometres, and on it a turned colour photo in nanometres."""
    levels = [photo(256, 320)[::f, ::f, 0].astype(np.float32) / 255 for f in (1, 2, 4)]
    below = viewer.add_image(
        levels, multiscale=True, name="s_4x", scale=(0.5, 0.4), units=("um", "um"),
        contrast_limits=(0, 1), colormap="viridis", gamma=1.3,
    )  # fmt: skip
    above = viewer.add_image(
        photo(160, 200, 1), rgb=True, name="s_40x", scale=(400, 400), units=("nm", "nm"),
        affine=ROTATED, translate=(9000, 24000), rotate=10, opacity=0.7,
        metadata={"medrefine": {"overview": "s_4x"}},
    )  # fmt: skip
    return above, below


def open_compare(viewer):
    """Open the widget in its dock, as from the menu."""
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Compare")
    QApplication.processEvents()
    return dock, widget


def picture(viewer):
    """The canvas as a person sees it, without what the caption covers."""
    QApplication.processEvents()
    return viewer.screenshot(canvas_only=True, flash=False)[70:, :, :3].astype(int)


def alike(one, other):
    """Which share of the pixels is the same; edges of image pixels may fall either way."""
    return float((np.abs(one - other).max(-1) <= 3).mean())


def state(viewer):
    """Everything that a comparison might change, to be compared."""
    overlays = viewer.canvas.overlays
    return {
        "layers": [
            {**layer.as_layer_data_tuple()[1], "data": id(layer.data), "blocked": layer.mode}
            for layer in viewer.layers
        ],
        "names": [layer.name_overlay.model_dump() for layer in viewer.layers],
        "selection": {layer.name for layer in viewer.layers.selection},
        "active": viewer.layers.selection.active,
        "camera": viewer.scene.camera.model_dump(),
        "dims": viewer.dims.model_dump(),
        "grid": viewer.canvas.grid.model_dump(),
        "text": overlays["text"].model_dump(),
        "keys": dict(viewer.keymap),
        "mouse": [
            list(viewer.mouse_move_callbacks),
            list(viewer.mouse_drag_callbacks),
            list(viewer.mouse_wheel_callbacks),
        ],
    }


def assert_same(now, before):
    assert now.keys() == before.keys()
    for key in before:
        same = now[key] == before[key] if key in ("text", "names") else False
        assert same or repr(now[key]) == repr(before[key]), key


def screen_to_world(viewer, x, y):
    """Where in the world a point of the canvas is."""
    height, width = viewer.canvas.size
    camera = viewer.scene.camera
    return np.array(camera.center[-2:]) + (np.array([y - height / 2, x - width / 2]) / camera.zoom)


def world_to_screen(viewer, row, col):
    """Which point of the canvas shows a place of the world: (x, y)."""
    height, width = viewer.canvas.size
    camera = viewer.scene.camera
    y, x = np.subtract((row, col), camera.center[-2:]) * camera.zoom + (height / 2, width / 2)
    return int(x), int(y)


@pytest.fixture
def mouse(seen):
    """The mouse on the canvas of `seen`: press, move and release at points (x, y)."""
    (canvas,) = (
        each
        for each in QApplication.allWidgets()
        if type(each).__name__ == "CanvasBackendDesktop" and each.isVisible()
    )
    return Mouse(canvas)


class Mouse:
    def __init__(self, canvas):
        self.canvas = canvas

    def move(self, x, y):
        QTest.mouseMove(self.canvas, QPoint(int(x), int(y)))
        QTest.qWait(20)  # napari hands on a move in 5 ms at the latest

    def drag(self, *points, keys=Qt.KeyboardModifier.NoModifier):
        first, last = (QPoint(*map(int, points[k])) for k in (0, -1))
        QTest.mousePress(self.canvas, Qt.MouseButton.LeftButton, keys, first)
        for at in points[1:]:
            self.move(*at)
        QTest.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, keys, last)


SAME = 0.97  # of all pixels: those on the edges of image pixels may fall either way
MODES = ("fade", "swipe", "blink", "checkerboard", "difference", "loupe", "side by side")
TOP = 70  # rows of the canvas that the caption covers


@pytest.fixture
def seen(real_viewer):
    """A viewer with two layers, what it shows of each alone, and the opened widget."""
    above, _ = add_two(real_viewer)
    real_viewer.window.resize(760, 560)
    real_viewer.show()
    _, widget = open_compare(real_viewer)
    real_viewer.fit_to_view(layers=[above], margin=0.1)
    above.opacity = 1.0
    both = picture(real_viewer)
    above.visible = False
    under = picture(real_viewer)
    above.visible, above.opacity = True, 0.7
    assert alike(both, under) < 0.8
    return real_viewer, widget.sections["See"], both, under


def test_fading_goes_from_one_layer_to_the_other(seen):
    viewer, see, both, under = seen
    see.mode.value = "fade"
    share = see.modes["fade"].share
    for value, expected in ((1, both), (0, under), (0.5, (both + under) / 2)):
        share.value = value
        assert alike(picture(viewer), expected) > SAME
    see.swap.value = True
    share.value = 1
    there = under.any(-1)
    assert alike(picture(viewer)[there], under[there]) > SAME  # the grey one lies above now


@pytest.mark.parametrize("direction", ["across", "down"])
def test_swiping_shows_one_layer_on_each_side_of_the_line(seen, mouse, direction):
    viewer, see, both, under = seen
    see.mode.value = "swipe"
    swipe = see.modes["swipe"]
    swipe.direction.value = direction
    height, width = viewer.canvas.size
    axis, middle = (1, (0.7 * width, 200)) if direction == "across" else (0, (200, 0.6 * height))
    mouse.drag((width / 2, height / 2), (10, 10), (width - 10, 200), middle)
    line = round(middle[0]) if axis else round(middle[1]) - TOP
    shown, one, other = (np.moveaxis(x, axis, 0) for x in (picture(viewer), both, under))
    assert alike(shown[: line - 3], one[: line - 3]) > SAME
    assert alike(shown[line + 3 :], other[line + 3 :]) > SAME
    across = shown[line - 4 : line + 4]
    white = (across == 255).all(-1).mean(1)
    assert (white > 0.5).sum() == 2  # the line is white, two pixels wide
    assert swipe.position.value == pytest.approx(0.7 if axis else 0.6, abs=0.002)


def test_left_is_left_however_the_axes_are_turned(seen, mouse):
    viewer, see, _, _ = seen
    above = viewer.layers["s_40x"]
    viewer.dims.transpose()
    viewer.scene.camera.orientation2d = ("down", "left")
    viewer.fit_to_view(layers=[above], margin=0.1)
    above.opacity = 1
    both = picture(viewer)
    above.visible = False
    under = picture(viewer)
    above.visible = True
    see.mode.value = "swipe"
    width = mouse.canvas.width()
    mouse.drag((width / 2, 100), (width / 3, 120))
    shown, line = picture(viewer), width // 3
    assert alike(shown[:, : line - 3], both[:, : line - 3]) > SAME
    assert alike(shown[:, line + 3 :], under[:, line + 3 :]) > SAME


def test_what_is_in_the_way_is_not_seen(seen):
    viewer, see, both, _ = seen
    viewer.add_image(np.full((900, 900), 255), name="cover", scale=(1, 1), units=("um", "um"))
    viewer.layers.selection = {viewer.layers["s_4x"]}
    see.mode.value = "fade"
    see.modes["fade"].share.value = 1
    inside = (slice(200, 300), slice(200, 300))
    assert alike(picture(viewer)[inside], both[inside]) > SAME


def test_the_picture_follows_the_view_and_the_layers(seen, qtbot):
    viewer, see, _, _ = seen
    above = viewer.layers["s_40x"]
    see.mode.value = "fade"
    see.modes["fade"].share.value = 1
    viewer.scene.camera.zoom *= 1.7
    viewer.scene.camera.center = (0, *np.add(viewer.scene.camera.center[1:], (9, -11)))
    qtbot.wait(10 * FRAME_MS)
    followed = picture(viewer)
    above.affine = np.eye(3)
    above.gamma = 0.5
    qtbot.wait(10 * FRAME_MS)
    moved = picture(viewer)
    see.mode.value = "off"
    above.opacity = 1
    assert alike(picture(viewer), moved) > SAME
    assert alike(followed, moved) < 0.9


def test_a_held_key_or_button_shows_the_other_layer(seen, mouse):
    viewer, see, both, under = seen
    viewer.bind_key("H", lambda _: "the user's own")
    see.mode.value = "blink"
    assert alike(picture(viewer), both) > SAME
    QTest.keyPress(mouse.canvas, Qt.Key.Key_H)
    assert alike(picture(viewer), under) > SAME
    QTest.keyRelease(mouse.canvas, Qt.Key.Key_H)
    assert alike(picture(viewer), both) > SAME
    hold = see.modes["blink"].hold.native
    hold.pressed.emit()
    assert alike(picture(viewer), under) > SAME
    hold.released.emit()
    assert alike(picture(viewer), both) > SAME
    see.mode.value = "off"
    assert next(iter(viewer.keymap.values()))(viewer) == "the user's own"


def test_the_checkerboard_has_squares_of_both(seen):
    viewer, see, both, under = seen
    see.mode.value = "checkerboard"
    see.modes["checkerboard"].side.value = 64
    shown = picture(viewer)
    one, other = (np.abs(shown - x).max(-1) <= 3 for x in (both, under))
    assert (one | other).mean() > SAME
    differ = np.abs(both - under).max(-1) > 20
    assert 0.4 < one[differ].mean() < 0.6
    runs = np.diff(np.flatnonzero(np.diff(one[200, differ[200]].astype(int))))
    assert np.median(runs) > 2  # squares, not pixels


def test_the_circle_under_the_mouse_shows_the_other_layer(seen, mouse):
    viewer, see, both, under = seen
    see.mode.value = "loupe"
    see.modes["loupe"].radius.value = 60
    for x, y in ((150, 200), (260, 330)):  # what it left behind is as it was
        mouse.move(x, y)
        shown = picture(viewer)
        rows, cols = np.indices(shown.shape[:2])
        away = np.hypot(rows + TOP - y, cols - x)
        assert alike(shown[away < 55], both[away < 55]) > SAME
        assert alike(shown[away > 63], under[away > 63]) > SAME
        assert np.abs(shown - both).max(-1)[(away > 57) & (away < 60)].min() > 3  # the rim


def test_the_difference_is_white_where_the_layers_agree_and_signed_where_not(real_viewer):
    dark = np.full((40, 60, 3), 100, np.uint8)
    bright = dark.copy()
    bright[:, 20:40] += 40
    bright[:, 40:] -= 40
    real_viewer.add_image(dark, rgb=True, name="dark", scale=(2, 2))
    real_viewer.add_image(bright[::2, ::2], rgb=True, name="b", scale=(4, 4), translate=(1, 1))
    real_viewer.show()
    _, widget = open_compare(real_viewer)
    real_viewer.fit_to_view()
    see = widget.sections["See"]
    see.mode.value = "difference"
    assert real_viewer.layers[-1].name == "b minus dark"
    places = [world_to_screen(real_viewer, 40, x) for x in (20, 60, 100)]
    left, middle, right = (picture(real_viewer)[y - TOP, x] for x, y in places)
    assert left.tolist() == [255, 255, 255]
    assert middle[0] > middle[2] + 50  # orange: brighter
    assert right[2] > right[0] + 50  # blue: darker
    see.swap.value = True
    x, y = places[1]
    assert picture(real_viewer)[y - TOP, x].tolist() == right.tolist()
    see.modes["difference"].match.value = True
    see.modes["difference"].gain.value = 32
    assert "orange: brighter" in real_viewer.canvas.overlays["text"].text


def test_side_by_side_is_napari_s_grid_of_the_two(seen):
    viewer, see, _, _ = seen
    viewer.add_image(np.zeros((4, 4)), name="other")
    see.mode.value = "side by side"
    assert viewer.canvas.grid.enabled
    assert viewer.canvas.grid.actual_shape(viewer.layers) == (1, 2)
    places = {
        x.name: viewer.canvas.grid.position(k, viewer.layers) for k, x in enumerate(viewer.layers)
    }
    assert places["s_40x"] == (0, 0)
    assert places["s_4x"] == (0, 1)
    assert places["other"] == (-1, -1)
    see.swap.value = True
    places = {
        x.name: viewer.canvas.grid.position(k, viewer.layers) for k, x in enumerate(viewer.layers)
    }
    assert (places["s_4x"], places["s_40x"]) == ((0, 0), (0, 1))


def turn(viewer, see):
    see.mode.value = "off"


def remove_a_layer(viewer, see):
    above, chosen = viewer.layers["s_40x"], set(viewer.layers.selection)
    place = viewer.layers.index(above)
    viewer.layers.remove(above)
    for _ in range(3):
        QApplication.processEvents()
    assert see.mode.value == "off"
    assert len(viewer.layers) == 2
    viewer.layers.insert(place, above)
    viewer.layers.selection = chosen


def remove_ours(viewer, see):
    names = [x.name for x in viewer.layers if "helper_of" in x.metadata.get("medrefine", {})]
    for name in names[-1:]:
        viewer.layers.remove(name)
        for _ in range(3):
            QApplication.processEvents()
        assert see.mode.value == "off"
    see.mode.value = "off"


@pytest.mark.parametrize(
    ("end", "modes"), [(turn, MODES), (remove_a_layer, MODES), (remove_ours, ["swipe"])]
)
def test_nothing_is_left_of_any_mode_however_it_ends(real_viewer, end, modes):
    above, _ = add_two(real_viewer)
    real_viewer.window.resize(640, 480)
    real_viewer.add_points([[30, 30]], name="notes", units=("um", "um"))
    real_viewer.layers.selection = {above}
    real_viewer.canvas.overlays["text"].text = "mine"
    _, widget = open_compare(real_viewer)
    see = widget.sections["See"]
    real_viewer.fit_to_view(layers=[above])
    before = state(real_viewer)
    assert set(see.modes) == set(MODES)
    for mode in modes:
        see.mode.value = mode
        assert see.running, see.said.value
        assert above.opacity == (1 if mode == "side by side" else 0.7)
        end(real_viewer, see)
        assert_same(state(real_viewer), before)


@pytest.mark.parametrize("mode", ["swipe", "side by side"])
def test_closing_the_dock_ends_it(real_viewer, mode):
    add_two(real_viewer)
    before = state(real_viewer)
    dock, widget = open_compare(real_viewer)
    widget.sections["See"].mode.value = mode
    real_viewer.window.remove_dock_widget(dock)
    assert_same(state(real_viewer), before)


@pytest.mark.parametrize("mode", ["swipe", "side by side"])
def test_closing_the_window_ends_it(make_napari_viewer, mode):
    viewer = make_napari_viewer()
    above, below = add_two(viewer)
    before = list(viewer.mouse_drag_callbacks)
    _, widget = open_compare(viewer)
    widget.sections["See"].mode.value = mode
    viewer.close()
    QApplication.processEvents()
    assert (above.opacity, above.visible, below.visible) == (0.7, True, True)
    assert not above.name_overlay.visible
    assert list(viewer.mouse_drag_callbacks) == before


A_SCRIPT = """
    import napari
    import numpy as np
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication, QMainWindow

    def seen_by(mode):
        viewer = napari.Viewer()
        photos = np.random.default_rng(0).integers(0, 255, (2, 90, 120, 3), np.uint8)
        for photo, name, size in zip(photos, ("s_4x", "s_40x"), (2, 1)):
            viewer.add_image(photo, name=name, rgb=True, scale=(size, size), opacity=0.7)
        _, widget = viewer.window.add_plugin_dock_widget("napari-medrefine", "Compare")
        QApplication.processEvents()
        widget.sections["Pixel values"].inspect.value = True
        widget.sections["See"].mode.value = mode
        assert widget.sections["See"].running
        return viewer

    def click_on_x():
        (window,) = [
            each for each in QApplication.topLevelWidgets() if isinstance(each, QMainWindow)
        ]
        window.close()

    for mode in ("swipe", "side by side"):
        viewer = seen_by(mode)
        QTimer.singleShot(100, click_on_x)
        napari.run()
        looks = [(layer.name, layer.visible, layer.opacity) for layer in viewer.layers]
        assert looks == [("s_4x", True, 0.7), ("s_40x", True, 0.7)], (mode, looks)
        assert not viewer.canvas.grid.enabled
        assert not viewer.canvas.overlays["text"].visible
    viewer = seen_by("swipe")  # and the script just ends
    print("ended", flush=True)
"""


def test_napari_is_closed_or_a_script_ends_in_the_middle(has_display):
    """In a Python of its own: the layers, which a script may go on with, are as they were."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(A_SCRIPT)],
        check=False, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Error" not in ended.stderr
    assert ended.stdout.endswith("ended\n")


def test_removing_all_layers_at_once_ends_it(seen):
    viewer, see, _, _ = seen
    see.mode.value = "swipe"
    viewer.layers.clear()
    for _ in range(3):
        QApplication.processEvents()
    assert len(viewer.layers) == 0
    assert see.mode.value == "off"
    assert "removed" in see.said.value


@pytest.mark.parametrize("mode", ["fade", "swipe", "blink"])
def test_layers_that_are_linked_with_ours_stay_as_they_are(seen, mode):
    viewer, see, _, _ = seen
    above, below = viewer.layers["s_40x"], viewer.layers["s_4x"]
    before = [(x.visible, x.opacity, np.array(x.affine.affine_matrix)) for x in (above, below)]
    see.mode.value = mode
    viewer.layers.link_layers(list(viewer.layers))
    see.modes["fade"].share.value = 0.3
    viewer.scene.camera.zoom *= 1.2
    see._running.redraw()
    see.mode.value = "off"
    for layer, (visible, opacity, affine) in zip((above, below), before, strict=True):
        assert (layer.visible, layer.opacity) == (visible, opacity)
        np.testing.assert_array_equal(layer.affine.affine_matrix, affine)
    assert list(viewer.layers) == [below, above]


@pytest.mark.parametrize("chosen_by_user", [False, True])
def test_copies_of_our_layers_go_when_all_are_duplicated(seen, qtbot, chosen_by_user):
    viewer, see, _, _ = seen
    see._pair._chosen_by_user = chosen_by_user
    see.mode.value = "swipe"
    viewer.layers.select_all()
    _duplicate_layer(viewer.layers)
    qtbot.waitUntil(lambda: len(viewer.layers) == 6)
    see.mode.value = "off"
    assert {layer.name for layer in viewer.layers} == {
        "s_4x", "s_4x copy", "s_40x", "s_40x copy",
    }  # fmt: skip


def test_it_says_what_to_do_when_the_layers_are_not_right(real_viewer):
    _, widget = open_compare(real_viewer)
    see = widget.sections["See"]
    see.mode.value = "swipe"
    assert "Open a 4x overview" in see.said.value
    add_two(real_viewer)
    assert "Left of the line is 's_40x'" in see.said.value  # chosen before there were layers
    real_viewer.dims.ndisplay = 3
    see.mode.value = "blink"
    assert "2-D view" in see.said.value
    assert len(real_viewer.layers) == 2
    real_viewer.dims.ndisplay = 2
    see.mode.value = "loupe"
    real_viewer.scene.camera.center = (0, 1e6, 1e6)
    QTest.qWait(10 * FRAME_MS)
    assert "in view" in see.said.value
    real_viewer.fit_to_view()
    QTest.qWait(10 * FRAME_MS)
    assert "circle" in see.said.value


def test_a_drag_moves_the_line_and_with_shift_the_picture(seen, mouse):
    viewer, see, _, _ = seen
    see.mode.value = "swipe"
    position, centre = see.modes["swipe"].position, viewer.scene.camera.center
    width = mouse.canvas.width()
    mouse.drag((width // 2, 200), (width // 4, 220))
    assert position.value == pytest.approx(0.25, abs=0.01)
    assert viewer.scene.camera.center == centre
    held = screen_to_world(viewer, 100, 100)
    mouse.drag((100, 100), (160, 130), keys=Qt.KeyboardModifier.ShiftModifier)
    assert position.value == pytest.approx(0.25, abs=0.01)
    step = 1 / viewer.scene.camera.zoom
    np.testing.assert_allclose(screen_to_world(viewer, 160, 130), held, atol=2 * step)
    drawn = viewer.add_shapes(None, units=("um", "um"))
    drawn.mode = "add_rectangle"  # a tool in use is left alone
    mouse.drag((100, 100), (width // 2, 130))
    assert position.value == pytest.approx(0.25, abs=0.01)
    assert len(drawn.data) == 1


def unreadable(block):
    raise OSError("the disk is gone")


ODD = {
    "unreadable": lambda v: v.add_image(
        da.zeros((40, 48), np.uint8).map_blocks(unreadable, dtype=np.uint8),
        contrast_limits=(0, 255), visible=False, name="odd",
    ),
    "not a number": lambda v: v.add_image(
        np.where(np.eye(40, 48) > 0, np.nan, 0.5), contrast_limits=(0, 1), name="odd"
    ),
    "one pixel": lambda v: v.add_image(np.ones((1, 1), np.uint8), name="odd"),
    "16 bits": lambda v: v.add_image(np.full((40, 48, 3), 40_000, np.uint16), rgb=True, name="odd"),
    "glass": lambda v: v.add_image(np.full((40, 48, 4), 100, np.uint8), rgb=True, name="odd"),
    "mirrored": lambda v: v.add_image(photo(40, 48), rgb=True, scale=(-1, 2), name="odd"),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(ODD))
def test_odd_layers_are_seen_or_refused_in_a_sentence(viewer, kind, qtbot):
    viewer.add_image(photo(40, 48), rgb=True, name="plain")
    ODD[kind](viewer)
    widget = CompareWidget(viewer)
    see = widget.sections["See"]
    before = state(viewer)
    for mode in see.modes:
        see.mode.value = mode
        assert see.said.value.endswith((".", ").")), see.said.value
        if kind == "unreadable" and mode != "side by side":
            assert "disk is gone" in see.said.value
        see.mode.value = "off"
        assert_same(state(viewer), before)
