"""Tasks in turns of Qt's event loop, and a layer that is added in several of them."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication

from napari_medrefine.progress import Step
from napari_medrefine.widgets._adding import add_in_turns
from napari_medrefine.widgets._jobs import JobPanel
from napari_medrefine.widgets._turns import Turns


@pytest.fixture
def turns(qapp):
    return Turns()


def test_between_two_turns_qt_does_what_else_there_is_to_do(turns, qtbot):
    order = []

    def task(*parts):
        for part in parts:
            order.append(part)
            QTimer.singleShot(0, lambda: order.append("."))
            yield

    turns.add(lambda: task("a", "b"))
    turns.add(lambda: order.append("c"))
    turns.add(lambda: task("d"))
    assert order == []
    qtbot.waitUntil(lambda: len(order) == 7, timeout=5000)
    assert order == ["a", ".", "b", ".", "c", "d", "."]


def test_what_waits_for_nothing_is_done_at_once_and_else_in_its_order(turns, qtbot):
    order = []
    turns.then(lambda: order.append(1))
    assert order == [1]
    turns.add(lambda: order.append(2))
    turns.then(lambda: order.append(3))
    assert order == [1]
    qtbot.waitUntil(lambda: order == [1, 2, 3], timeout=5000)


def test_a_task_that_lets_qt_handle_events_is_not_overtaken(turns, qtbot):
    order = []

    def first():
        turns.add(lambda: order.append("second"))
        turns.then(lambda: order.append("third"))
        for _ in range(3):
            QApplication.processEvents()
        order.append("first")

    turns.then(first)
    qtbot.waitUntil(lambda: len(order) == 3, timeout=5000)
    assert order == ["first", "second", "third"]


def test_a_task_that_fails_holds_up_nobody(turns, qtbot):
    done = []

    def fails():
        yield
        raise RuntimeError("on purpose")

    with qtbot.captureExceptions() as raised:
        turns.add(fails)
        turns.add(lambda: done.append(True))
        qtbot.waitUntil(lambda: done == [True], timeout=5000)
    assert [str(error) for _, error, _ in raised] == ["on purpose"]


def test_finished_at_once_where_nobody_waits_any_more(turns, qtbot):
    done = []

    def task():
        for k in range(3):
            done.append(k)
            yield

    turns.then(task)
    turns.add(lambda: done.append("end"))
    assert done == [0]
    turns.finish()
    assert done == [0, 1, 2, "end"]
    qtbot.wait(20)
    assert done == [0, 1, 2, "end"]


def test_turns_end_with_their_owner(qtbot):
    owner, done = QObject(), []
    turns = Turns(owner)
    turns.add(lambda: done.append(True))
    owner.deleteLater()
    del owner
    QApplication.sendPostedEvents(None, 52)  # DeferredDelete, as Qt numbers it
    qtbot.wait(20)
    assert done == []


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    for name in "abc":
        viewer.add_image(np.zeros((9, 9), np.uint8), name=name)
    return viewer


def made(**options):
    return Image(np.ones((9, 9), np.uint8), name="new", **options)


def test_a_layer_is_listed_then_selected_then_shown(viewer):
    viewer.layers.selection.active = viewer.layers["b"]
    layer, heard = made(), []
    viewer.layers.selection.events.active.connect(lambda event: heard.append(event.value))
    states = [
        (layer in viewer.layers.selection, layer.visible, len(heard))
        for _ in add_in_turns(viewer, layer, 1)
    ]
    assert states == [(False, False, 0), (True, False, len(heard))]
    assert heard[-1] is layer
    assert layer.visible
    assert [x.name for x in viewer.layers] == ["a", "new", "b", "c"]
    assert set(viewer.layers.selection) == {layer}
    controls = viewer.window._qt_viewer.controls
    assert controls.currentWidget() is controls.widgets[layer]


def test_several_selected_layers_stay_selected_until_the_next_turn(viewer):
    both = {viewer.layers["a"], viewer.layers["c"]}
    viewer.layers.selection = both
    adding = add_in_turns(viewer, made())
    next(adding)
    assert set(viewer.layers.selection) == both
    assert viewer.layers.selection.active is None
    assert list(adding) == [None]
    assert viewer.layers.selection.active.name == "new"


def test_what_the_user_selects_meanwhile_stays_selected(viewer):
    adding = add_in_turns(viewer, made())
    next(adding)
    viewer.layers.selection.active = viewer.layers["a"]
    assert list(adding) == [None]
    assert viewer.layers.selection.active is viewer.layers["a"]


def test_a_layer_that_is_removed_meanwhile_is_gone(viewer):
    adding = add_in_turns(viewer, made())
    next(adding)
    viewer.layers.remove("new")
    assert list(adding) == [None]
    assert [x.name for x in viewer.layers] == ["a", "b", "c"]


def test_a_hidden_layer_stays_hidden_and_one_whose_adding_ends_early_does_not(viewer):
    hidden, cut_off = made(visible=False), made()
    assert list(add_in_turns(viewer, hidden)) == [None, None]
    assert not hidden.visible
    adding = add_in_turns(viewer, cut_off)
    next(adding)
    adding.close()
    assert cut_off.visible
    assert cut_off in viewer.layers


def test_the_first_layer_of_a_viewer_is_in_view(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.scene.camera.zoom = 7.77
    layer = Image(np.ones((900, 900), np.uint8))
    for _ in add_in_turns(viewer, layer):
        QApplication.processEvents()
    assert viewer.scene.camera.zoom < 2
    assert np.allclose(viewer.scene.camera.center[1:], 449.5)


def test_a_job_goes_on_when_what_it_came_to_has_been_taken_to_its_end(qapp, wait):
    panel, order = JobPanel("Go", "Start", "Going"), []

    def work():
        yield "item"
        order.append("asked for the next")
        yield "another"
        return "result"

    def take(item):
        for part in range(3):
            order.append((item, part))
            QTimer.singleShot(0, lambda: order.append("seen"))
            yield

    panel.run(work, on_done=order.append, on_item=take)
    wait(panel)
    heard = [what for what in order if isinstance(what, tuple)]
    assert heard == [(item, part) for item in ("item", "another") for part in range(3)]
    assert order.index("seen") < order.index(("item", 1))
    assert order.index("result") > order.index(("another", 2))


def test_cancel_leaves_what_is_half_taken_to_be_taken_whole(qapp, wait):
    panel, order = JobPanel("Go", "Start", "Going"), []

    def work():
        yield "item"
        yield Step(0, 1, "")
        yield "never"

    def take(item):
        order.append(item)
        panel.stop()
        yield
        order.append("whole")

    panel.run(work, on_done=order.append, on_item=take, on_stop=lambda: order.append("stopped"))
    wait(panel)
    assert order == ["item", "whole", "stopped"]


def test_a_dock_that_is_closed_leaves_no_layer_hidden(viewer, qtbot):
    panel = JobPanel("Go", "Start", "Going")
    dock = viewer.window.add_dock_widget(panel.native)
    layer = made()

    def take(item):
        adding = add_in_turns(viewer, item)
        next(adding)
        viewer.window.remove_dock_widget(dock)
        panel.native.deleteLater()
        yield
        yield from adding

    panel.run(lambda: (item for item in [layer]), on_done=lambda _: None, on_item=take)
    qtbot.waitUntil(lambda: not panel.running and layer.visible, timeout=10_000)
    assert layer in viewer.layers
