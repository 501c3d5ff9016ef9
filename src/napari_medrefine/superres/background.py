"""A training in a process of its own, which a window can look after without ever waiting for it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import spawn
from pathlib import Path
from typing import IO, Generic, TypeVar, cast

from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step
from napari_medrefine.superres.events import TrainingConfig, TrainingEvent, TrainingResult
from napari_medrefine.superres.learning_events import LearningConfig, LearningResult
from napari_medrefine.superres.worker import Failed, Message, Order, Ready, Stopped, from_line

__all__ = ["BackgroundLearning", "BackgroundTraining", "Failed", "Outcome", "Ready", "Stopped"]

Outcome = TrainingResult | Stopped | Failed
Report = TypeVar("Report", bound=Step)  # what is told on the way
Result = TypeVar("Result", TrainingResult, LearningResult)
_READ = 2**16  # bytes at a time
_ENDING = 10.0  # seconds that a process may take to end after its last word
_TAIL = 4000  # bytes of its complaints that are looked at


class _Background(Generic[Report, Result]):
    """A job that runs in a process of its own, started at once."""

    def __init__(self, order: Order) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is let go
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._last: Result | Stopped | Failed | None = None  # its last word
        self._outcome: Result | Stopped | Failed | None = None
        self._asked = False
        self._process = _start(self._complaints)
        threading.Thread(target=_listen, args=(self._process, self._messages), daemon=True).start()
        self._end: Callable[[], object] = weakref.finalize(self, _end, self._process)
        weakref.finalize(self, self._complaints.close)
        _tell(self._process, order.model_dump_json())

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether `poll` may still report something."""
        return self._outcome is None

    @property
    def outcome(self) -> Result | Stopped | Failed | None:
        """How it ended: its result, `Stopped`, or `Failed`; None while it runs, as `poll` knows."""
        return self._outcome

    def poll(self) -> list[Ready | Report]:
        """Return what was reported since the last call; never waits."""
        reports: list[Ready | Report] = []
        with suppress(queue.Empty):
            while self.running:
                message = self._messages.get_nowait()
                if message is None:
                    self._outcome = self._last or self._died()
                elif isinstance(message, Ready | Step):
                    reports.append(cast("Ready | Report", message))
                else:
                    self._last = cast("Result | Stopped | Failed", message)
        return reports

    def stop(self) -> None:
        """Ask it to write a checkpoint at its next step and to end; does not wait for that."""
        self._asked = True
        self._end()

    def kill(self) -> None:
        """End it at once; what came after the last checkpoint is lost."""
        self._process.kill()

    def _died(self) -> Stopped | Failed:
        """Return what became of a process that ended without a last word."""
        code = self._process.returncode
        if self._asked and code == 0:
            return Stopped()  # before it had begun
        self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, self._complaints.tell() - _TAIL))
        return Failed(_why(code, self._complaints.read().decode(errors="replace")))


class BackgroundTraining(_Background[TrainingEvent, TrainingResult]):
    """A training that runs in a process of its own, started at once.

    The process has a low priority and leaves a core to this one. It stops by itself, with a
    checkpoint, when this object or this process is gone.

    Parameters
    ----------
    dataset : Path
        A prepared dataset, or a folder with one sub-folder of photos per slide.
    folder : Path
        Of the run: new or empty, unless `resume` is true.
    config : TrainingConfig or None
        The settings; None: the default ones. A resumed training keeps its own.
    resume : bool
        Go on with the training in `folder`.

    Raises
    ------
    MedRefineError
        If no process can be started.
    """

    def __init__(
        self,
        dataset: Path,
        folder: Path,
        config: TrainingConfig | None = None,
        *,
        resume: bool = False,
    ) -> None:
        order = Order(
            dataset=dataset.absolute(), folder=folder.absolute(), config=config, resume=resume
        )
        super().__init__(order)


class BackgroundLearning(_Background[Step, LearningResult]):
    """A fine-tuning in a process of its own, as `BackgroundTraining`; or what is left of it.

    Parameters
    ----------
    folder : Path
        Of the run; its pairs are there already, see `fine_tuning.fine_tune_steps`.
    config : LearningConfig

    Raises
    ------
    MedRefineError
        If no process can be started.
    """

    def __init__(self, folder: Path, config: LearningConfig) -> None:
        where = folder.absolute()
        super().__init__(Order(dataset=where, folder=where, learning=config))


def _start(complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    if getattr(sys, "frozen", False):
        raise MedRefineError(
            "This napari is a packed application without a Python of its own; train with "
            "'medrefine train' in a Python environment."
        )
    try:
        return subprocess.Popen(  # noqa: S603 - our own module
            # -P: a file in the current folder must not stand in for a module of the same name.
            [_python(), "-P", "-m", "napari_medrefine.superres.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            bufsize=0,  # a buffer has a lock, which a thread may hold when Python ends
            creationflags=_flags(),
        )
    except OSError as error:
        raise MedRefineError(
            f"Cannot start a process for the training: {error.strerror or error}."
        ) from error


def _python() -> str:
    """Return the interpreter, as multiprocessing knows it: whoever embeds Python tells that."""
    path = Path(os.fsdecode(spawn.get_executable()))
    if path.stem.lower() == "pythonw":  # the flags below hide the other one's window, too
        return str(path.with_name("python" + path.suffix))
    return str(path)


def _flags() -> int:
    if sys.platform == "win32":
        return subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
    return 0  # elsewhere the process lowers its priority itself


def _tell(process: subprocess.Popen[bytes], line: str) -> None:
    with suppress(OSError, ValueError):  # it died at once, and `poll` will say why; or it is closed
        if process.stdin is not None:
            process.stdin.write(line.encode() + b"\n")


def _end(process: subprocess.Popen[bytes]) -> None:
    # In words too: a process forked from this one may hold the pipe open.
    _tell(process, "stop")
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def _listen(process: subprocess.Popen[bytes], messages: queue.SimpleQueue[Message | None]) -> None:
    """Put every message into `messages`, and None when the process has ended."""
    if process.stdout is not None:
        with process.stdout:
            for line in _lines(process.stdout):
                messages.put(from_line(line))
    try:
        process.wait(_ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    messages.put(None)


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while piece := stream.read(_READ):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines  # what is left in the end was cut off


def _why(code: int, complaints: str) -> str:
    """Return one sentence on a process that died with the exit status `code`."""
    if code == -getattr(signal, "SIGKILL", 9):
        return (
            "The training was killed, most likely because memory ran out: close other programs, "
            "then resume it from its last checkpoint."
        )
    if code < 0:
        with suppress(ValueError):
            name = signal.Signals(-code).name
            return f"The training crashed ({name}); resume it from its last checkpoint."
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line] or lines or [f"exit status {code:#x}"]
    said = errors[-1].rstrip(".")[:300]
    return f"The training ended unexpectedly ({said}); resume it from its last checkpoint."
