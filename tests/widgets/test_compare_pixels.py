"""Pixel values under the mouse: what the layers' data say there, and what is copied."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_medrefine.widgets._layer_pair import LayerPair
from napari_medrefine.widgets._pixel_values import FRAME_MS, PixelSection
from napari_medrefine.widgets._reading import Reader, layers_to_read


@pytest.fixture
def three(viewer):
    """Blur, generated and sharp of one place, in other pixel sizes, units and ranges."""
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 255, (80, 120, 3), dtype=np.uint8)
    blur = sharp.reshape(20, 4, 30, 4, 3).mean((1, 3)).astype(np.uint8)
    made = (sharp.astype(np.float32) + 10) / 255
    um = {"units": ("um", "um")}
    return (
        viewer.add_image(blur, rgb=True, name="blur", scale=(2, 2), translate=(10, 20), **um),
        viewer.add_image(
            [made, made[::2, ::2]], rgb=True, multiscale=True, name="made", scale=(0.5, 0.5),
            translate=(9.25, 19.25), **um,
        ),
        viewer.add_image(
            sharp, rgb=True, name="sharp", scale=(500, 500), units=("nm", "nm"),
            translate=(9250, 19250),
        ),
    )  # fmt: skip


def in_canvas_units(viewer, microns):
    return np.asarray(microns, float) * float(
        (1 * viewer.layers[0].units[0]).to(viewer.layers.units[0]).magnitude
    )


def test_every_layer_is_read_at_the_same_place_in_its_own_values(viewer, three):
    blur, made, sharp = three
    world = in_canvas_units(viewer, blur.data_to_world((7, 11)))
    place = Reader(viewer).read(three, blur, world + 0.1, 3)
    assert place.readings[0].value == tuple(blur.data[7, 11])
    assert place.readings[2].value == tuple(sharp.data[30, 46])
    assert place.readings[1].value == pytest.approx(made.data[0][30, 46])
    block = sharp.data[24:36, 40:52].reshape(3, 4, 3, 4, 3).mean((1, 3))
    apart = block - blur.data[6:9, 10:13]
    assert place.readings[2].difference == pytest.approx(apart.mean((0, 1)))
    assert place.readings[2].apart == pytest.approx(np.abs(apart).mean())
    brighter = np.subtract(place.readings[1].difference, place.readings[2].difference)
    np.testing.assert_allclose(brighter, 10, atol=1e-3)
    assert place.readings[0].difference == (0, 0, 0)


def test_beside_a_layer_there_are_no_values(viewer, three):
    blur = three[0]
    small = viewer.add_image(np.zeros((2, 2), np.uint8), name="small", units=("um", "um"))
    world = in_canvas_units(viewer, blur.data_to_world((0, 0)))
    place = Reader(viewer).read([blur, small], blur, world, 3)
    assert place.readings[1].value is None
    assert place.readings[1].apart is None
    assert place.readings[0].mean == pytest.approx(blur.data[:2, :2].mean((0, 1)))


def test_the_pair_comes_first_then_what_is_visible_or_selected(viewer, three):
    blur, made, sharp = three
    hidden = viewer.add_image(np.zeros((4, 4)), name="hidden", visible=False)
    viewer.add_image(np.zeros((3, 4, 4)), name="stack")
    viewer.layers.selection = set()
    assert layers_to_read(viewer, (sharp, blur)) == [sharp, blur, made]
    viewer.layers.selection = {hidden}
    assert layers_to_read(viewer, (sharp, blur)) == [sharp, blur, hidden, made]


def test_without_two_layers_it_says_what_to_do(viewer, qtbot):
    section = PixelSection(viewer, LayerPair(viewer))
    section.inspect.value = True
    assert "Open a 4x overview" in section.said.value
    section.copy.native.click()
    assert "Inspect" in section.said.value
    section.stop()
    assert not section.inspect.value


def test_the_mouse_is_followed_a_click_is_kept_and_the_table_pastes(real_viewer, qtbot):
    data = np.add.outer(np.arange(40), np.arange(60)).astype(np.uint8)
    one = real_viewer.add_image(data, name="one", scale=(2, 2))
    two = real_viewer.add_image(data + 5, name="two", scale=(2, 2))
    before = list(real_viewer.mouse_move_callbacks), list(real_viewer.mouse_drag_callbacks)
    real_viewer.show()
    dock, widget = real_viewer.window.add_plugin_dock_widget("napari-medrefine", "Compare")
    widget.folds["Pixel values"].button.native.click()
    section = widget.sections["Pixel values"]
    section.inspect.native.click()
    real_viewer.fit_to_view()
    (canvas,) = (
        x
        for x in QApplication.allWidgets()
        if type(x).__name__ == "CanvasBackendDesktop" and x.isVisible()
    )
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    QTest.mouseMove(canvas, middle)
    qtbot.wait(3 * FRAME_MS)
    row, col = np.round(one.world_to_data(real_viewer.cursor.position)).astype(int)
    shown = [section.table.table.item(k, 1).text() for k in (0, 1)]
    assert shown == [f"{data[row, col] + 5}", f"{data[row, col]}"]  # the newest is the layer
    assert section.table.table.item(0, 4).text() == "5.0"
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=middle)
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=middle)  # a drag is no click
    QTest.mouseMove(canvas, middle + QPoint(30, 0))
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=middle + QPoint(30, 0))
    assert len(section.kept) == 1
    section.copy.native.click()
    rows = list(csv.DictReader(io.StringIO(QApplication.clipboard().text()), dialect="excel-tab"))
    assert [x["layer"] for x in rows] == ["two", "one"]
    assert [float(x["R"]) for x in rows] == [data[row, col] + 5, data[row, col]]
    assert float(rows[0]["absolute difference"]) == 5
    section.clear.native.click()
    assert section.kept == []
    real_viewer.window.remove_dock_widget(dock)
    assert (
        list(real_viewer.mouse_move_callbacks),
        list(real_viewer.mouse_drag_callbacks),
    ) == before
    assert two.opacity == 1
