"""Places in the inspector without a mouse, and the marks on the canvas that are gone with it."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_medrefine.compare.neighbourhood import Place, Reading
from napari_medrefine.widgets._layer_pair import LayerPair
from napari_medrefine.widgets._pixel_values import PixelSection
from napari_medrefine.widgets._place_keys import along_screen, middle_of_view
from napari_medrefine.widgets._place_marks import BLACK, WHITE, marks
from napari_medrefine.widgets.save_session import save


@pytest.fixture
def pair(viewer):
    """A coarse photo and one four times finer, of values that tell their pixels apart."""
    coarse = np.add.outer(np.arange(20), 3 * np.arange(30)).astype(np.uint8)
    fine = np.repeat(np.repeat(coarse, 4, 0), 4, 1)
    um = {"units": ("um", "um")}
    return (
        viewer.add_image(coarse, name="coarse", scale=(2, 2), translate=(0.75, 0.75), **um),
        viewer.add_image(fine, name="fine", scale=(0.5, 0.5), **um),
    )


@pytest.fixture
def section(viewer, pair):
    return PixelSection(viewer, LayerPair(viewer))


def ours(viewer):
    return [layer for layer in viewer.layers if "medrefine" in layer.metadata]


def test_arrow_keys_move_by_a_pixel_of_the_finer_layer(viewer, section, qtbot):
    qtbot.addWidget(section.inspect.native)
    section.inspect.value = True
    start = middle_of_view(viewer)
    assert section.place.world == pytest.approx(tuple(start))
    for keys, moved in (
        ((Qt.Key.Key_Right,), (0, 1)),
        ((Qt.Key.Key_Down, Qt.Key.Key_Down), (2, 1)),
        ((Qt.Key.Key_Up, Qt.Key.Key_Left), (1, 0)),
    ):
        for key in keys:
            QTest.keyClick(section.inspect.native, key)
        assert section.place.world == pytest.approx(tuple(start + 0.5 * np.array(moved)))
    QTest.keyClick(section.keep.native, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert section.place.world == pytest.approx((start[0] + 0.5, start[1] + 5))
    assert section.across.value == pytest.approx(start[1] + 5)
    assert section.across.step == pytest.approx(0.5)


def test_right_is_right_on_the_screen_however_it_is_turned(viewer, section):
    viewer.scene.camera.orientation2d = ("up", "left")
    assert along_screen(viewer, 1, 2) == pytest.approx([-1, -2])
    viewer.dims.order = (1, 0)
    assert along_screen(viewer, 1, 2) == pytest.approx([-2, -1])


def test_a_typed_place_is_read_kept_and_copied(viewer, pair, section):
    coarse, _ = pair
    section.keep.native.click()
    assert "Tick 'Inspect'" in section.said.value
    section.inspect.value = True
    section.down.value, section.across.value = coarse.data_to_world((7, 11))
    section.keep.native.click()
    assert section.said.value.endswith("1 place kept.")
    section.across.value = 1000.0  # beside both layers
    section.keep.native.click()
    assert section.said.value.endswith("2 places kept.")
    section.copy.native.click()
    assert "rows of 2 places" in section.said.value
    rows = list(csv.DictReader(io.StringIO(QApplication.clipboard().text()), dialect="excel-tab"))
    assert [(x["place"], x["layer"]) for x in rows[:2]] == [("1", "fine"), ("1", "coarse")]
    assert [float(x["R"]) for x in rows[:2]] == [coarse.data[7, 11]] * 2
    assert [x["R"] for x in rows[2:]] == ["", ""]
    view = viewer.scene.camera.center
    assert view[2] == pytest.approx(1000)  # the view has gone there


def test_marks_show_the_places_and_are_gone_with_the_mode(viewer, pair, section, tmp_path):
    coarse, _ = pair
    viewer.layers.selection = {coarse}
    before, points = list(viewer.layers), viewer.dims.point
    section.inspect.value = True
    section.down.value, section.across.value = 10.0, 20.0
    section.keep.native.click()
    section.down.value = 12.0
    section.keep.native.click()
    section.across.value = 30.0
    (shown,) = ours(viewer)
    assert viewer.layers.selection == {coarse}
    np.testing.assert_allclose(shown.data[:2], [(10, 20), (12, 20)])
    assert list(shown.features["place"])[:2] == ["1", "2"]
    np.testing.assert_allclose(shown.data[2:].mean(0), [12, 30])  # crosshairs
    on_screen = shown.size * viewer.scene.camera.zoom
    viewer.scene.camera.zoom *= 3
    assert shown.size * viewer.scene.camera.zoom == pytest.approx(on_screen)
    save(viewer, tmp_path / "a.medrefine-session.json")
    assert "places that are read" not in json.dumps(
        json.loads((tmp_path / "a.medrefine-session.json").read_text(encoding="utf-8"))
    )
    section.inspect.value = False
    assert list(viewer.layers) == before
    assert viewer.layers.selection == {coarse}
    assert viewer.dims.point == points
    assert len(section.kept) == 2
    section.inspect.value = True  # nothing was lost
    (again,) = ours(viewer)
    np.testing.assert_allclose(again.data[:2], [(10, 20), (12, 20)])
    section.clear.native.click()
    assert len(again.data) == 4
    section.stop()
    assert list(viewer.layers) == before


def test_a_layer_of_marks_that_the_user_removes_stays_away(viewer, pair, section):
    section.inspect.value = True
    section.keep.native.click()
    viewer.layers.remove(ours(viewer)[0])
    section.keep.native.click()
    assert ours(viewer) == []
    assert len(section.kept) == 2
    section.inspect.value = False
    section.inspect.value = True
    assert len(ours(viewer)[0].data) == 2 + 4


def test_numbers_can_be_read_on_bright_and_on_dark_places():
    def place(level):
        colour = (level,) * 3
        return Place((0, 0), "um", "4x", 1, [Reading("4x", colour, colour, (0, 0, 0), 0.0)])

    assert marks([place(240), place(10)], None, 1).colours == [BLACK, WHITE]
    assert len(marks([], np.zeros(2), 1).at) == 4


def test_tab_goes_through_the_section_from_top_to_bottom(real_viewer):
    _, widget = real_viewer.window.add_plugin_dock_widget("napari-medrefine", "Compare")
    section = widget.sections["Pixel values"]
    order = ["inspect", "keep", "down", "across", "size", "copy", "clear"]
    stops = [getattr(section, name).native for name in order]
    stops.insert(5, section.table.table)
    chain = [stops[0]]
    while len(chain) < 1000 and chain[-1] is not stops[-1]:
        chain.append(chain[-1].nextInFocusChain())
    assert [x for x in chain if x in stops] == stops
    assert all(x.toolTip() for x in stops)
