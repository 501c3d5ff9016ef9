"""Run a core generator in a worker thread: progress, Cancel, and every error as one sentence."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from magicgui.widgets import PushButton
from napari.qt.threading import GeneratorWorkerSignals, WorkerBase, create_worker
from napari.utils import cancelable_progress
from qtpy.QtCore import QTimer

from napari_medrefine._atomic import cannot
from napari_medrefine.errors import NO_MEMORY, MedRefineError, is_out_of_memory
from napari_medrefine.progress import JobStopped, Step, apart, stoppable
from napari_medrefine.widgets._adding import InTurns, know_units
from napari_medrefine.widgets._progress_panel import ProgressPanel
from napari_medrefine.widgets._still_heap import collect, hold_heap, no_collection, release_heap
from napari_medrefine.widgets._torch_library import load_libraries_of_window, load_library
from napari_medrefine.widgets._turn_taking import as_before, take_turns
from napari_medrefine.widgets._turns import Turns

Work = Generator[object, None, object]
_PATIENCE_S = 0.1
OFTEN_MS = 50  # between two steps that are shown
TIDY_MS = 200  # between two looks for garbage


@dataclass(frozen=True)
class _Finished:
    result: object


@dataclass(frozen=True)
class _Failed:
    sentence: str


def sentence_of(error: Exception) -> str:
    """Return what a user is told of `error`."""
    if isinstance(error, MedRefineError):
        return str(error)
    if is_out_of_memory(error):
        return NO_MEMORY
    if isinstance(error, OSError) and isinstance(error.filename, str):
        return cannot("use", Path(error.filename), error)
    detail = " ".join(str(error).split()) or "no details"
    return f"Something went wrong inside MedRefine ({type(error).__name__}: {detail[:300]})."


def import_apart(module: str) -> None:
    """Import `module` in a thread of its own, from a job, before the job uses it.

    An extension that is built with pybind11 (torch is) remembers the Python state of the thread in
    which the first of its kind was imported. Qt keeps its threads and Python forgets them after
    every job: the second job in such a thread would crash (torch 2.5.0 does).
    """
    apart(lambda: _import(module))


def _import(module: str) -> None:
    if module in sys.modules:
        return
    load_library()
    with no_collection():
        import_module(module)


class _Worker(WorkerBase):
    """Runs a job in a thread, and closes it however it ends.

    napari's own generator worker leaves a stopped generator open, and napari's task list keeps the
    worker, so that neither the job's ``finally`` blocks would run nor its images be freed. It also
    swallows every RuntimeError, torch's most frequent one.
    """

    def __init__(self, start: Callable[[], Work]) -> None:
        super().__init__(SignalsClass=GeneratorWorkerSignals)
        self._start: Callable[[], Work] | None = start
        self._was_taken = threading.Event()

    def work(self) -> _Finished | _Failed | None:
        """Run the job to its end, or until `quit` was called; superqt calls this in the thread."""
        start, self._start = self._start, None
        if start is None:
            return None
        with stoppable(lambda: self.abort_requested):
            know_units()
            job = start()
            try:
                self._go_through(job)
            except StopIteration as stop:
                return _Finished(stop.value)
            except JobStopped:
                self.aborted.emit()
            except Exception as error:  # noqa: BLE001 - whatever happens must reach the user
                return _Failed(sentence_of(error))
            finally:
                job.close()
        return None

    def _go_through(self, job: Work) -> None:
        while not self.abort_requested:
            item = next(job)
            if isinstance(item, Step):
                self.yielded.emit(item)
            else:
                self._hand_over(item)
        self.aborted.emit()

    def _hand_over(self, item: object) -> None:
        """Wait until `item` was taken: with the job beside it the window takes twice as long."""
        self._was_taken.clear()
        self.yielded.emit(item)
        while not (self._was_taken.wait(_PATIENCE_S) or self.abort_requested):
            pass

    def taken(self) -> None:
        """Let the job go on; called in the main thread."""
        self._was_taken.set()


class _Activity(cancelable_progress):
    """A job in napari's list of activities; its Cancel is the panel's."""

    def __init__(self, desc: str, stop: Callable[[], object]) -> None:
        self._stop, self._whole = stop, 0
        super().__init__(desc=desc, total=0)

    def cancel(self) -> None:
        """Stop the job: the button in that list was pressed."""
        super().cancel()
        self._stop()

    def tell(self, step: Step) -> None:
        """Show how far the job is; lets Qt handle what has happened meanwhile."""
        if step.total != self._whole:
            self._whole = self.total = step.total
        self.update(min(step.done, step.total) - self.n)


class JobPanel(ProgressPanel):
    """A button that starts a job in a thread, Cancel and a progress bar.

    Parameters
    ----------
    start_text, start_tooltip : str
        The button that starts the job.
    desc : str
        How napari's activity list names the job.
    """

    def __init__(self, start_text: str, start_tooltip: str, desc: str) -> None:
        self._desc = desc
        self._worker: Any = None
        self._activity: _Activity | None = None
        self._on_done: Callable[[Any], object] | None = None
        self._on_item: Callable[[Any], object] | None = None
        self._on_stop: Callable[[], object] | None = None
        self._on_end: Callable[[], object] | None = None
        self.start = PushButton(text=start_text, tooltip=start_tooltip)
        self.cancel = PushButton(
            text="Cancel",
            tooltip="Stop now; layers and files that are finished stay",
            enabled=False,
        )
        super().__init__((self.start, self.cancel), "How far the running job is")
        load_libraries_of_window()
        self.cancel.changed.connect(self.stop)
        self._latest: Step | None = None  # not shown yet
        self._resting = QTimer(self.native)
        self._resting.setSingleShot(True)
        self._resting.setInterval(OFTEN_MS)
        self._resting.timeout.connect(self._show)
        self._tidying = QTimer(self.native)
        self._tidying.setInterval(TIDY_MS)
        self._tidying.timeout.connect(collect)
        self._turns = Turns(self.native)  # between two items, Qt handles all that has happened

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        return self._worker is not None

    def run(
        self,
        work: Callable[[], Work],
        on_done: Callable[[Any], object],
        on_item: Callable[[Any], object] | None = None,
        on_stop: Callable[[], object] | None = None,
        on_end: Callable[[], object] | None = None,
    ) -> None:
        """Start `work` unless a job is running already.

        Parameters
        ----------
        work : callable
            Called in the worker thread; returns the generator to run.
        on_done : callable
            Gets what the generator returned, in the main thread; not after Cancel or an error.
        on_item : callable, optional
            Gets everything the generator yields that is not a `Step`, in the main thread. It may be
            a generator function: it goes on in the next turn of the event loop wherever it yields,
            and what the job comes to next waits for it.
        on_stop : callable, optional
            Called after Cancel, in place of `on_done`.
        on_end : callable, optional
            Called whenever the job is over, however it ended.
        """
        if self.running:
            return
        self._on_done, self._on_item = on_done, on_item
        self._on_stop, self._on_end = on_stop, on_end
        self._worker = worker = create_worker(work, _worker_class=_Worker)
        worker.yielded.connect(self._yielded)
        worker.returned.connect(self._returned)
        worker.aborted.connect(self._aborted)
        worker.finished.connect(self._ended)
        self.start.enabled, self.cancel.enabled = False, True
        self.bar.min, self.bar.max, self.bar.visible = 0, 0, True
        hold_heap()
        take_turns()
        self._tidying.start()
        self._turns.add(lambda: self._begin(worker))

    def _begin(self, worker: _Worker) -> InTurns:
        """Have napari list the job among its activities: twice as long once the job computes."""
        if self._wanted:
            self._activity = _Activity(self._desc, self.stop)
        yield
        if self.alive:
            worker.start()
        else:
            self._end()

    def stop(self) -> None:
        """Ask the running job to stop: at its next step, or where it looks up within one."""
        if self._worker is not None:
            self.cancel.enabled = False
            self.message.value = "Stopping ..."
            self._worker.quit()

    def _yielded(self, item: object) -> None:
        if not self.alive:
            return
        if not isinstance(item, Step):
            self._turns.add(lambda: self._take(item))
            self._turns.add(self._take_next)
        elif self._wanted:
            self._latest = item
            if not self._resting.isActive():
                self._show()

    @property
    def _wanted(self) -> bool:
        """Whether a job is under way, and was not stopped."""
        return self._worker is not None and self.alive and bool(self.cancel.enabled)

    def _take(self, item: object) -> object:
        return self._guarded(self._on_item, item) if self._wanted else None

    def _take_next(self) -> None:
        if self._worker is not None:
            self._worker.taken()

    def _show(self) -> None:
        """Show the latest step; those that come at once after it wait, and only the last counts."""
        step, self._latest = self._latest, None
        if step is None or not self._wanted:
            return
        self._resting.start()
        self.bar.max, self.bar.value = max(step.total, 1), min(step.done, step.total)
        self.message.value = step.text
        if self._activity is not None:
            self._activity.tell(step)

    def _returned(self, outcome: object) -> None:
        self._latest = None
        self._turns.then(lambda: self._tell(outcome))

    def _tell(self, outcome: object) -> object:
        if not self.alive:
            return None
        if isinstance(outcome, _Finished):
            return self._guarded(self._on_done, outcome.result)
        if isinstance(outcome, _Failed):
            self.say(outcome.sentence, problem=True)
        return None

    def _aborted(self) -> None:
        self._latest = None
        self._turns.then(self._tell_stopped)

    def _tell_stopped(self) -> None:
        if self.alive:
            self.message.value = "Stopped."
            if self._on_stop is not None:
                self._on_stop()

    def _ended(self) -> None:
        self._turns.then(self._end)

    def _end(self) -> None:
        release_heap()
        as_before()
        self._worker = None
        if self._activity is not None:
            self._activity.close()
            self._activity = None
        on_end = self._on_end
        # They may hold layers and pixels; and `on_end` may start the next job.
        self._on_done = self._on_item = self._on_stop = self._on_end = None
        if not self.alive:
            return
        self._tidying.stop()
        self.start.enabled, self.cancel.enabled, self.bar.visible = True, False, False
        if on_end is not None:
            on_end()

    def _guarded(self, callback: Callable[[Any], object] | None, value: object) -> Work:
        """Call back, in turns; what the user's layers make impossible becomes a sentence."""
        try:
            steps = None if callback is None else callback(value)
            if isinstance(steps, Generator):
                yield from steps
        except MedRefineError as error:
            self.say(str(error), problem=True)
        return None

    def _forget(self) -> None:
        super()._forget()
        self._turns.finish()
        if self._worker is not None:
            self._worker.quit()
