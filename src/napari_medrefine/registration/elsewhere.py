"""Registering in other processes: on the workers of any `concurrent.futures.Executor`.

What travels is how to read the photos, not their pixels; each process prepares the overviews once.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field
from typing import TypeVar

import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step
from napari_medrefine.registration.overview import Method, Overview
from napari_medrefine.registration.placement import Placement
from napari_medrefine.registration.window import Angle, Ratio

T = TypeVar("T")
Read = Callable[[], npt.ArrayLike]
PATIENCE_S = 0.2  # between two looks at what others do
_lock = threading.Lock()
_kept: dict[str, list[Overview]] = {}  # of the job that this process worked for last


@dataclass(frozen=True, eq=False)
class Overviews:
    """Overviews that any process can prepare for itself.

    Attributes
    ----------
    read : tuple of callables
        Each returns an image; they must be picklable, and read the same in every process.
    name : str
        Of the job, unlike that of any other.
    """

    read: tuple[Read, ...]
    name: str = field(default_factory=lambda: secrets.token_hex(16))

    def prepared(self) -> list[Overview]:
        """Return them, prepared when the process first asks.

        Raises
        ------
        MedRefineError
            If one cannot be read here.
        """
        with _lock:
            if self.name not in _kept:
                made = [Overview(read()) for read in self.read]
                _kept.clear()
                _kept[self.name] = made
            return _kept[self.name]


def register_elsewhere_steps(
    overview: Read,
    fields: Sequence[tuple[Read, Ratio]],
    executor: Executor,
    *,
    angle: Angle = None,
    method: Method = "pyramid",
) -> Generator[Step | Placement | MedRefineError, None, None]:
    """Register fields on one overview, each in any process; yield the placements in their order.

    In place of a placement comes the error of a field that cannot be registered: the others go on.

    Parameters
    ----------
    overview, fields
        How to read them, see `Overviews`; with each field its ratio, see `register`.
    executor : concurrent.futures.Executor
        For a Dask cluster ``client.get_executor()``.
    angle, method
        See `register`.
    """
    on = Overviews((overview,))
    running = [executor.submit(_registered, on, *one, angle, method) for one in fields]
    try:
        for number, future in enumerate(running):
            step = Step(number, len(running), "registering")
            try:
                found: Placement | MedRefineError = yield from result_steps(future, step)
            except MedRefineError as error:
                found = error
            yield found
    finally:
        for future in running:
            future.cancel()


def result_steps(future: Future[T], step: Step) -> Generator[Step, None, T]:
    """Return what `future` comes to; yield `step` now and then while waiting.

    Raises
    ------
    MedRefineError
        What the other process raised, or that it is gone.
    """
    yield step
    while not future.done():
        wait([future], PATIENCE_S)
        yield step
    try:
        return future.result()
    except MedRefineError:
        raise
    except Exception as error:  # whatever befalls a cluster
        why = " ".join(str(error).split()) or type(error).__name__
        raise MedRefineError(f"Another process could not look for a photo ({why}).") from error


def _registered(on: Overviews, read: Read, ratio: Ratio, angle: Angle, method: Method) -> Placement:
    (overview,) = on.prepared()
    return overview.register(read(), ratio=ratio, angle=angle, method=method)
