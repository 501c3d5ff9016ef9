"""On a small screen, and with large letters: every control can be read, or scrolled to."""

from __future__ import annotations

import pytest
from magicgui.widgets import PushButton
from napari.settings import get_settings
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QLayout, QLayoutItem, QPushButton

from napari_medrefine.widgets._panel import Panel, row
from napari_medrefine.widgets._wrapping import lines_of

PLUGIN = "napari-medrefine"
NAMES = ("Register", "Magnify & sharpen", "Compare", "Atlas", "Prepare dataset", "Train")


@pytest.fixture
def window(real_viewer):
    """A napari of 1280 x 720; letters are as large as before when the test is over."""
    appearance = get_settings().appearance
    before = appearance.font_size
    real_viewer.show()
    real_viewer.window.resize(1280, 720)
    yield real_viewer
    appearance.font_size = before


def cut_in(widget):
    """Return the texts of the controls that are not seen in full."""
    cut = []
    for kind in (QPushButton, QCheckBox, QLabel):
        for control in widget.native.findChildren(kind):
            wraps = kind is QLabel and control.wordWrap()
            if control.isVisible() and control.text() and not wraps:
                needed = control.minimumSizeHint().width()
                cut += [control.text()] if control.width() < needed else []
    return cut


def beyond_the_edge(widget):
    """Return by how many pixels a panel's controls go on where nobody can scroll to."""
    area = widget.body.root_native_widget
    bar = area.horizontalScrollBar()
    hidden = area.widget().width() - area.viewport().width() - bar.maximum()
    return max(hidden, area.width() - widget.native.width())


@pytest.fixture
def check(qtbot):
    """Say what is cut in a panel once Qt has laid it out, which may take some turns."""

    def checked(widget):
        def nothing():
            assert cut_in(widget) == []
            assert beyond_the_edge(widget) <= 0

        qtbot.wait(100)
        qtbot.waitUntil(nothing, timeout=5000)

    return checked


@pytest.mark.parametrize("points", [9, 12, 18])
def test_no_control_is_cut(window, check, points):
    get_settings().appearance.font_size = points
    for name in NAMES:
        dock, widget = window.window.add_plugin_dock_widget(PLUGIN, name)
        check(widget)
        for fold in getattr(widget, "folds", {}).values():
            fold.button.native.click()
            check(widget)
        assert dock.window().width() <= 1280
        window.window.remove_dock_widget(dock)


@pytest.mark.parametrize("points", [9, 12])
def test_the_format_of_an_export_is_read_in_full(window, qtbot, points):
    get_settings().appearance.font_size = points
    for name in ("Register", "Atlas"):
        _, widget = window.window.add_plugin_dock_widget(PLUGIN, name)
        qtbot.wait(300)
        box = widget.exporting.format.native
        assert isinstance(box, QComboBox)
        longest = max(box.fontMetrics().horizontalAdvance(text) for text in choices_of(box))
        assert box.width() > longest + 20  # and the arrow


def choices_of(box):
    return [box.itemText(n) for n in range(box.count())]


def test_a_row_goes_on_below_and_comes_back_when_there_is_room(window, qtbot):
    dock, widget = window.window.add_plugin_dock_widget(PLUGIN, "Register")
    dock.setFloating(True)
    dock.resize(900, 600)
    qtbot.wait(200)
    first, second = widget.exporting.format.native, widget.exporting.button.native
    assert first.y() == pytest.approx(second.y(), abs=4)
    dock.resize(320, 600)
    qtbot.wait(200)
    assert second.y() > first.y() + first.height() - 1
    dock.resize(900, 600)
    qtbot.wait(200)
    assert first.y() == pytest.approx(second.y(), abs=4)


def test_things_are_dealt_out_to_lines_in_their_order():
    assert lines_of([50, 50, 50], room=162, gap=6) == [0, 0, 0]
    assert lines_of([50, 50, 50], room=161, gap=6) == [0, 0, 1]
    assert lines_of([300, 50, 0, 50], room=161, gap=6) == [0, 1, 1, 1]


def test_controls_begin_in_one_column_and_the_column_follows_the_widest_label(window, qtbot):
    _, widget = window.window.add_plugin_dock_widget(PLUGIN, "Magnify & sharpen")

    def begin(*controls):
        return {control.native.mapTo(widget.native, QPoint(0, 0)).x() for control in controls}

    always = (widget.layer, widget.task, widget.scale, widget.strength, widget.realism)
    qtbot.wait(300)
    qtbot.waitUntil(lambda: len(begin(*always, widget.region)) == 1, timeout=5000)
    (before,) = begin(*always)
    assert before > 40  # beside their labels
    widget.scale.value = widget.scale.choices[-1]  # 'Other scale' comes, a wider label
    qtbot.waitUntil(lambda: len(begin(*always, widget.other_scale)) == 1, timeout=5000)
    assert begin(*always).pop() > before
    widget.scale.value = widget.scale.choices[0]
    qtbot.waitUntil(lambda: begin(*always) == {before}, timeout=5000)


def test_no_object_stands_for_what_qt_has_deleted(qtbot):
    """PySide6 would take whatever comes to lie at the same address for it, and crash."""
    shiboken = pytest.importorskip("shiboken6", reason="PySide6 keeps objects by their address")

    def items():
        found = [x for x in shiboken.getAllValidWrappers() if isinstance(x, QLayoutItem)]
        return {id(x): x for x in found if not isinstance(x, QLayout)}

    before = items()  # napari has some
    panel = Panel([row(*(PushButton(text="as long as this") for _ in range(4)))])
    qtbot.addWidget(panel.native)
    panel.native.show()
    panel.native.resize(200, 200)  # its buttons go on below, each in a line of its own
    buttons = panel.native.findChildren(QPushButton)
    qtbot.waitUntil(lambda: len({button.y() for button in buttons}) > 1)
    assert items().keys() - before.keys() == set()
