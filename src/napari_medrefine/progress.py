"""How a long job reports its progress and can be stopped.

A long job is a generator: it yields a `Step` about once a second or oftener and returns its result.
The same generator serves napari (``result = yield from job`` inside a ``thread_worker``, which can
be stopped at every yield), the terminal (`finish` with a printing callback) and the API (`finish`).
Whoever stops a job closes the generator; the job then cleans up in its ``finally`` blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """One report of a running job: `done` of `total` units, and what is being done."""

    done: int
    total: int
    text: str = ""


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


def retold(job: Generator[Step, None, T], tell: Callable[[Step], Step]) -> Generator[Step, None, T]:
    """Run `job` as a part of a larger one: `tell` says what the larger one reports for each step.

    The part can be stopped at each of its own steps, and cleans up when the larger one is closed.
    """
    try:
        while True:
            yield tell(next(job))
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        job.close()
