"""How a long job reports its progress and can be stopped.

A long job is a generator: it yields a `Step` about once a second or oftener and returns its result.
The same generator serves napari (``result = yield from job`` inside a ``thread_worker``, which can
be stopped at every yield), the terminal (`finish` with a printing callback) and the API (`finish`).
Whoever stops a job closes the generator; the job then cleans up in its ``finally`` blocks.
Where a network runs for longer than one likes to wait, it looks itself (`look_up`) whether whoever
runs the job, in the same thread (`stoppable`), wants it to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
Item = TypeVar("Item")
WHOLE = 100  # what the steps of a job of several parts are counted in
_PATIENCE_S = 0.1
_asked: ContextVar[Callable[[], bool] | None] = ContextVar("asked", default=None)


@dataclass(frozen=True, slots=True)
class Step:
    """One report of a running job: `done` of `total` units, and what is being done."""

    done: int
    total: int
    text: str = ""


class JobStopped(BaseException):
    """Whoever runs the job wants it to stop, in the middle of a step: nobody's to catch."""


def say_duration(seconds: float) -> str:
    """Return `seconds` in words that suit their size, such as ``2 h 05 min``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


@contextmanager
def stoppable(asked: Callable[[], bool]) -> Iterator[None]:
    """Run a job within this thread so that `look_up` stops it once `asked` returns true."""
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def look_up() -> None:
    """Look whether the job that runs in this thread is to stop: costs nothing worth mentioning.

    Raises
    ------
    JobStopped
        If so.
    """
    asked = _asked.get()
    if asked is not None and asked():
        raise JobStopped


def apart(work: Callable[[], T]) -> T:
    """Return what `work` returns, done in a thread of its own: to stop, nobody need wait for it.

    It goes on by itself then, to its end: what cannot be stopped in its middle, such as an import.

    Raises
    ------
    JobStopped
        As `look_up`.
    """
    helper = ThreadPoolExecutor(1)
    try:
        done = helper.submit(work)
        while not done.done():
            wait([done], _PATIENCE_S)
            look_up()
        return done.result()
    finally:
        helper.shutdown(wait=False)


def finish(job: Generator[Step, None, T], on_step: Callable[[Step], object] | None = None) -> T:
    """Run `job` to its end and return its result, calling `on_step` with every report.

    An exception raised by `on_step` (KeyboardInterrupt, say) stops the job and comes through.
    """
    try:
        while True:
            step = next(job)
            if on_step is not None:
                on_step(step)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        job.close()


def retold(
    job: Generator[Step | Item, None, T], tell: Callable[[Step], Step]
) -> Generator[Step | Item, None, T]:
    """Run `job` as a part of a larger one: `tell` says what the larger one reports for each step.

    What `job` yields besides steps is handed on. The part can be stopped at each of its own steps,
    and cleans up when the larger one is closed.
    """
    try:
        while True:
            item = next(job)
            yield tell(item) if isinstance(item, Step) else item
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        job.close()


def in_part(
    job: Generator[Step | Item, None, T], begin: float, end: float
) -> Generator[Step | Item, None, T]:
    """Run `job` as the part from `begin` to `end` of a larger one, 0 to 1, which never goes back.

    Otherwise as `retold`.
    """
    furthest = begin

    def told(step: Step) -> Step:
        nonlocal furthest
        share = min(step.done / step.total, 1.0) if step.total > 0 else 0.0
        furthest = max(furthest, begin + (end - begin) * share)
        return Step(round(WHOLE * furthest), WHOLE, step.text)

    return (yield from retold(job, told))
