"""A job in the background: progress, errors as sentences, windows that close in the middle."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from qtpy.QtCore import QTimer

from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step, look_up
from napari_medrefine.widgets import _jobs as jobs
from napari_medrefine.widgets._jobs import JobPanel


@pytest.fixture
def panel(qapp):
    return JobPanel("Go", "Start", "Going")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MedRefineError("The photo is empty."), "The photo is empty."),
        (MemoryError(), "not enough memory"),
        (RuntimeError("shape '[3]' is invalid"), "RuntimeError: shape '[3]' is invalid"),
        (KeyError("weights"), "KeyError: 'weights'"),
    ],
)
def test_every_error_becomes_one_sentence(panel, wait, error, says):
    def work():
        yield Step(0, 1, "")
        raise error

    done = []
    panel.run(work, on_done=done.append)
    wait(panel)
    assert says in panel.message.value
    assert done == []
    assert panel.start.enabled


def test_results_and_items_arrive_in_the_main_thread(panel, wait):
    def work():
        yield Step(1, 2, "half")
        yield "item"
        return "result"

    seen = []

    def note(value):
        seen.append((value, threading.current_thread() is threading.main_thread()))

    panel.run(work, on_done=note, on_item=note)
    wait(panel)
    assert seen == [("item", True), ("result", True)]


def test_cancel_closes_the_job(panel, wait, qtbot):
    closed = []

    def work():
        try:
            for k in range(10_000):
                threading.Event().wait(0.005)
                yield Step(k, 10_000, f"step {k}")
        finally:
            closed.append(threading.current_thread())

    stopped = []
    panel.run(work, on_done=stopped.append, on_stop=lambda: stopped.append("stopped"))
    qtbot.waitUntil(lambda: panel.bar.value > 2, timeout=40_000)
    panel.cancel.native.click()
    wait(panel)
    qtbot.waitUntil(lambda: bool(closed), timeout=20_000)
    assert stopped == ["stopped"]
    assert not panel.bar.visible


def test_cancel_acts_within_a_step_and_says_so(panel, wait, qtbot):
    def work():
        yield Step(0, 1, "a long step")
        while True:
            threading.Event().wait(0.005)
            look_up()

    panel.run(work, on_done=lambda _: None)
    qtbot.waitUntil(lambda: panel.message.value == "a long step", timeout=20_000)
    panel.cancel.native.click()
    assert panel.message.value == "Stopping ..."
    wait(panel)
    assert panel.message.value == "Stopped."
    assert panel.cancel.tooltip.startswith("Stop now;")


def test_a_second_start_waits_for_nobody(panel, wait):
    go_on = threading.Event()

    def work():
        yield Step(0, 1, "")
        go_on.wait(10)

    started = []
    panel.run(work, on_done=started.append)
    panel.run(lambda: iter(()), on_done=lambda _: started.append("second"))
    go_on.set()
    wait(panel)
    assert started == [None]


def test_between_two_items_the_window_handles_what_has_happened(panel, wait):
    """Layers that are there at once are added one by one."""
    order = []

    def take(item):
        order.append(item)
        QTimer.singleShot(0, lambda: order.append("seen"))

    def work():
        yield from ("first", "second", "third")
        return "done"

    panel.run(work, on_done=order.append, on_item=take)
    wait(panel)
    assert order[:5] == ["first", "seen", "second", "seen", "third"]
    assert "done" in order[5:]


def test_a_job_goes_on_once_the_window_has_taken_what_it_made(panel, wait):
    """With the job beside it, to show a layer takes twice as long."""
    order = []

    def take(item):
        for turn in ("seen", "added", "painted"):
            yield
            order.append((item, turn))

    def work():
        for item in (1, 2):
            yield item
            order.append((item, "on"))

    panel.run(work, on_done=lambda _: None, on_item=take)
    wait(panel)
    assert order == [(item, turn) for item in (1, 2) for turn in ("seen", "added", "painted", "on")]


def test_a_job_begins_once_napari_lists_it(panel, wait, monkeypatch):
    """That too takes twice as long with the job beside it."""
    listed, listing = [], jobs._Activity
    monkeypatch.setattr(jobs, "_Activity", lambda *how: (time.sleep(0.3), listing(*how))[1])

    def work():
        listed.append(panel._activity)
        yield Step(0, 1, "")

    panel.run(work, on_done=lambda _: None)
    wait(panel)
    assert listed[0] is not None


def test_deleting_the_widget_at_once_begins_nothing(panel, qtbot):
    begun = []
    panel.run(lambda: begun.append(True) or iter(()), on_done=begun.append)
    panel.native.deleteLater()
    qtbot.waitUntil(lambda: not panel.running, timeout=20_000)
    qtbot.wait(100)
    assert begun == []
    assert gc.get_freeze_count() == 0


def test_deleting_the_widget_stops_the_job(panel, qtbot):
    closed = []

    def work():
        try:
            for k in range(20_000):
                threading.Event().wait(0.005)
                yield Step(k, 20_000, "")
        finally:
            closed.append(True)

    panel.run(work, on_done=closed.append)
    qtbot.wait(50)
    panel.native.deleteLater()
    qtbot.waitUntil(lambda: closed == [True], timeout=20_000)


def test_napari_lists_how_far_it_is_and_can_cancel_it(panel, wait, qtbot):
    def work():
        for k in range(10_000):
            threading.Event().wait(0.005)
            yield Step(k, 10_000, f"step {k}")

    panel.run(work, on_done=lambda _: None)
    qtbot.waitUntil(lambda: panel._activity is not None and panel._activity.n > 3, timeout=40_000)
    assert panel._activity.total == 10_000
    panel._activity.cancel()  # what the button in napari's list does
    wait(panel)
    assert panel.message.value == "Stopped."


def test_steps_that_nobody_could_see_are_not_shown(panel, wait):
    shown, items = [], []

    def work():
        for k in range(3000):
            yield Step(k, 3000, str(k))
            if k % 1000 == 0:
                yield k

    panel.message.changed.connect(shown.append)
    panel.run(work, on_done=lambda _: None, on_item=items.append)
    wait(panel)
    assert len(shown) < 300
    assert items == [0, 1000, 2000]  # what is no step is never left out


def test_the_last_step_before_a_long_one_is_shown(panel, wait, qtbot):
    go_on = threading.Event()

    def work():
        yield Step(0, 2, "short")
        yield Step(1, 2, "long")
        go_on.wait(30)

    panel.run(work, on_done=lambda _: panel.say("done"))
    qtbot.waitUntil(lambda: panel.message.value == "long", timeout=10_000)
    go_on.set()
    wait(panel)
    assert panel.message.value == "done"


def test_what_there_was_before_a_job_is_not_looked_at_by_the_garbage_collector(panel, wait):
    def work():
        yield gc.get_freeze_count()

    before, during = gc.get_freeze_count(), []
    panel.run(work, on_done=lambda _: None, on_item=during.append)
    wait(panel)
    assert during[0] > before + 10_000
    assert gc.get_freeze_count() == 0


def test_threads_take_turns_more_often_until_the_last_job_is_over(panel, wait):
    before, during = sys.getswitchinterval(), []
    go_on, other = threading.Event(), JobPanel("Go", "Start", "Going as well")

    def work():
        yield sys.getswitchinterval()
        assert go_on.wait(60)

    for one in (panel, other):
        one.run(work, on_done=lambda _: None, on_item=during.append)
    go_on.set()
    wait(panel)
    wait(other)
    assert max(during) < before
    assert sys.getswitchinterval() == pytest.approx(before)


class Ring:
    """Garbage that only the collector finds; tells in which thread it did."""

    def __init__(self, found):
        self.itself, self.found = self, found

    def __del__(self):
        self.found.append(threading.current_thread())


def test_garbage_is_collected_during_a_job_and_in_the_main_thread_only(panel, wait):
    found = []

    def work():
        while len(found) < 50:
            for _ in range(100):
                Ring(found)
            yield Step(0, 0, "")
            look_up()

    assert gc.isenabled()
    panel.run(work, on_done=lambda _: None)
    wait(panel)
    assert set(found) == {threading.main_thread()}
    assert gc.isenabled()


def test_a_collector_that_somebody_switched_off_stays_off(panel, wait):
    gc.disable()
    try:
        panel.run(
            lambda: (item for item in ["item"]), on_done=lambda _: None, on_item=lambda _: None
        )
        wait(panel)
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.skipif(
    sys.platform != "linux" or bool(os.environ.get("LD_LIBRARY_PATH")),
    reason="looks into /proc; and whoever names folders of libraries is left alone",
)
def test_the_library_of_torch_is_loaded_before_torch():
    code = """
        import sys
        from pathlib import Path
        from napari_medrefine.widgets._torch_library import load_library

        load_library()
        assert "torch" not in sys.modules
        assert "libtorch_cpu" in Path("/proc/self/maps").read_text()
        import torch
        assert float(torch.ones(3).sum()) == 3
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_to_show_that_a_job_runs_no_library_is_loaded_while_torchs_is():
    code = """
        from importlib.resources import files
        from pathlib import Path
        from qtpy.QtGui import QMovie
        from qtpy.QtWidgets import QApplication
        from napari_medrefine.widgets._jobs import JobPanel

        def libraries():
            lines = Path("/proc/self/maps").read_text().splitlines()
            return {line.split()[-1] for line in lines if ".so" in line}

        application = QApplication([])
        panel = JobPanel("Go", "Go", "job")
        before = libraries()
        movie = QMovie(str(files("napari.resources") / "loading.gif"))
        movie.start()
        assert movie.isValid()
        assert libraries() == before, libraries() - before
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
