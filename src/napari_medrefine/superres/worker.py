"""The process in which a training runs for napari: ``python -m napari_medrefine.superres.worker``.

It reads its `Order`, one line of JSON, from its standard input, and writes a `Message` a line to
its standard output. When that input says anything more or is closed, by whoever started it or by
the system since that one is gone, it writes a checkpoint at the next step and ends.

Nothing heavy is imported before the process has lowered its priority and is listening.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import BaseModel, TypeAdapter

from napari_medrefine._atomic import cannot
from napari_medrefine.errors import MedRefineError, is_out_of_memory
from napari_medrefine.progress import Step
from napari_medrefine.superres.events import TrainingConfig, TrainingEvent, TrainingResult
from napari_medrefine.superres.learning_events import LearningConfig, LearningResult

GRACE = 120.0  # seconds that a step, or the judging of an epoch, may take after the end was asked
_NICER = 10


class Order(BaseModel):
    """What to train; when resuming, the settings in the folder count.

    With `learning`, fine-tune on the pairs in the folder instead, or go on with that.
    """

    dataset: Path
    folder: Path
    config: TrainingConfig | None = None
    resume: bool = False
    learning: LearningConfig | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """What was found to train on, in one or two sentences."""

    text: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The training was asked to stop; a checkpoint is there if it had begun."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The training ended by itself; why, in one sentence."""

    sentence: str


Result = TrainingResult | LearningResult
Message = Ready | Step | TrainingEvent | Result | Stopped | Failed
_KINDS: dict[str, type[Message]] = {
    kind.__name__: kind
    for kind in (Ready, Step, TrainingEvent, TrainingResult, LearningResult, Stopped, Failed)
}


class Envelope(BaseModel):
    """A message as a line: its kind, and what it says."""

    kind: Literal[
        "Ready", "Step", "TrainingEvent", "TrainingResult", "LearningResult", "Stopped", "Failed"
    ]
    content: dict[str, object]


def to_line(message: Message) -> bytes:
    """Return `message` as a line of JSON."""
    kind = type(message)
    content = TypeAdapter(kind).dump_python(message, mode="json")
    return Envelope(kind=kind.__name__, content=content).model_dump_json().encode() + b"\n"


def from_line(line: bytes) -> Message:
    """Return the message that `line` holds.

    Raises
    ------
    ValueError
        If it is none.
    """
    envelope = Envelope.model_validate_json(line)
    return TypeAdapter(_KINDS[envelope.kind]).validate_python(envelope.content)


class GoneError(Exception):
    """Nobody listens any more."""


class _Wire:
    """The two pipes to whoever started this process, and the wish to stop.

    Both get descriptors of their own, so that what a library prints cannot come between the
    messages, and no library waits for our input (on Windows, loading one may).
    """

    def __init__(self) -> None:
        self._reading = open(os.dup(0), "rb", buffering=0)  # noqa: PTH123, SIM115
        self._writing = open(os.dup(1), "wb", buffering=0)  # noqa: PTH123, SIM115
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        self._parent = os.getppid()
        self._asked = threading.Event()
        self.training = False

    def order(self) -> Order:
        """Return what to do, and begin to listen for the wish to stop."""
        order = Order.model_validate_json(self._reading.readline())
        threading.Thread(target=self._listen, daemon=True).start()
        return order

    def _listen(self) -> None:
        _wait_for_anything(self._reading)
        self._asked.set()
        if not self.training:
            os._exit(0)  # there is nothing to keep yet
        time.sleep(GRACE)
        os._exit(1)  # the last checkpoint stays

    def ask(self) -> None:
        """Ask this process to stop."""
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Whether to stop: we were told to, or whoever started us is gone."""
        # A process forked from napari may keep our input open when napari is gone.
        return self._asked.is_set() or os.getppid() != self._parent

    def tell(self, message: Message) -> None:
        """Write a message.

        Raises
        ------
        GoneError
            If nobody reads it.
        """
        line = memoryview(to_line(message))
        try:
            while line:
                line = line[self._writing.write(line) :]
        except OSError as error:
            raise GoneError from error


def _wait_for_anything(stream: BinaryIO) -> None:
    try:
        stream.read(1)
    except OSError:
        return  # closed in a rough way


def main() -> int:
    """Train as ordered; return 0 unless something went wrong."""
    _be_modest()
    wire = _Wire()
    order = wire.order()
    _heed_signals(wire)
    try:
        last = _outcome(order, wire)
        wire.tell(last)
    except GoneError:
        return 0
    return 1 if isinstance(last, Failed) else 0


def _be_modest() -> None:
    """Leave one core, and precedence, to the GUI; must come before anything starts threads."""
    if hasattr(os, "nice"):  # on Windows whoever starts us sees to it
        os.nice(_NICER)
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = max(1, (there or 1) - 1)
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal():
        threads = max(1, min(threads, int(wanted)))
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _heed_signals(wire: _Wire) -> None:
    # Ctrl-C in napari's terminal reaches us too, and is meant for napari.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: wire.ask())


def _outcome(order: Order, wire: _Wire) -> Message:
    try:
        return _follow(_learning(order) if order.learning else _training(order, wire), wire)
    except MedRefineError as error:
        return Failed(str(error))
    except GoneError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever happens in here must reach the user
        traceback.print_exc()
        return Failed(_sentence(error))


def _training(order: Order, wire: _Wire) -> Generator[Step, None, Result]:
    from napari_medrefine.superres.training import (
        read_sides,
        stored_config,
        train_steps,
    )

    folder = order.folder
    config = stored_config(folder) if order.resume else order.config or TrainingConfig()
    sides = read_sides(order.dataset, config)
    text = f"{len(sides.training)} tiles to train on, {len(sides.validation)} held out."
    wire.tell(Ready(f"{text} Caution: {sides.caution}." if sides.caution else text))
    return train_steps(
        sides.training,
        sides.validation,
        config,
        folder,
        resume=order.resume,
        source=order.dataset,
    )


def _learning(order: Order) -> Generator[Step, None, Result]:
    from napari_medrefine.superres.fine_tuning import fine_tune_steps

    return fine_tune_steps(order.folder, order.learning or LearningConfig())


def _follow(job: Generator[Step, None, Result], wire: _Wire) -> Message:
    """Run `job` to its end, or until it is to stop."""
    wire.training = True
    try:
        while True:
            wire.tell(next(job))
            if wire.asked:
                return Stopped()
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        job.close()


def _sentence(error: Exception) -> str:
    detail = " ".join(str(error).split()) or "no details"
    if is_out_of_memory(error):
        return (
            "There is not enough memory for this training: choose a smaller batch or crop, or "
            "close other programs."
        )
    if isinstance(error, OSError) and isinstance(error.filename, str):
        return cannot("use", Path(error.filename), error)
    return f"Something went wrong inside MedRefine ({type(error).__name__}: {detail[:300]})."


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # all is written; taking torch apart would keep whoever waits for seconds
