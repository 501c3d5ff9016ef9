"""An atlas whose looks are spread over other processes, to the same result."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from napari_medrefine.progress import Step, finish
from napari_medrefine.registration.atlas import (
    CLOSER_LOOK,
    FIRST_LOOK,
    Entry,
    FieldPhoto,
    Sibling,
    closer_look,
    first_look,
    not_found,
    siblings_of,
)
from napari_medrefine.registration.elsewhere import Overviews, result_steps
from napari_medrefine.registration.window import Angle

AHEAD = 32  # looks that are under way before their turn


def atlas_elsewhere_steps(
    overviews: Overviews,
    fields: Sequence[FieldPhoto],
    executor: Executor,
    *,
    angle: Angle = None,
) -> Generator[Step, None, list[Entry]]:
    """Do what `atlas_steps` does, to the same result, in other processes.

    Looks are begun ahead of their turn, with what is known by then of what the others agree on; and
    anew should that have changed.

    Parameters
    ----------
    overviews : Overviews
        What the fields are looked for on.
    fields : sequence of FieldPhoto
        Whose images are picklable functions.
    executor : concurrent.futures.Executor
        For a Dask cluster ``client.get_executor()``.
    angle : (float, float), optional
        See `napari_medrefine.register`.

    Raises
    ------
    MedRefineError
        If a process cannot read an overview.
    """
    total = 2 * len(fields)
    entries: list[Entry] = []

    def siblings(number: int) -> list[Sibling]:
        return siblings_of(entries, fields[: len(entries)], fields[number], angle)

    def first_siblings(number: int) -> list[Sibling]:
        known = fields[number].ratio is not None
        return [] if known else siblings(number)  # as `first_look` asks for them

    def begin(number: int, known: list[Sibling], look: Callable[..., Any]) -> Future[Entry]:
        return executor.submit(_looked, look, overviews, fields[number], known, angle)

    first = _Ahead(first_siblings, partial(begin, look=first_look), list(range(len(fields))))
    for number in range(len(fields)):
        step = Step(number, total, FIRST_LOOK)
        entries.append((yield from first.taken_steps(number, step)))
    left = not_found(entries)
    closer = _Ahead(siblings, partial(begin, look=closer_look), left)
    for number in left:
        step = Step(len(fields) + number, total, CLOSER_LOOK)
        entries[number] = yield from closer.taken_steps(number, step)
    return entries


@dataclass
class _Ahead:
    """Looks that are under way, a number of them ahead of the one whose turn it is."""

    siblings: Callable[[int], list[Sibling]]
    begin: Callable[[int, list[Sibling]], Future[Entry]]
    numbers: list[int]
    running: dict[int, tuple[list[Sibling], Future[Entry]]] = field(default_factory=dict)

    def taken_steps(self, number: int, step: Step) -> Generator[Step, None, Entry]:
        """Return what the look for field `number` has come to, all those before it being taken."""
        place, taken = self.numbers.index(number), False
        try:
            for each in self.numbers[place : place + AHEAD]:
                known = self.siblings(each)
                if each not in self.running or self.running[each][0] != known:
                    self._drop(each)
                    self.running[each] = known, self.begin(each, known)
            entry = yield from result_steps(self.running[number][1], step)
            del self.running[number]
            taken = True
        finally:
            if not taken:
                for each in list(self.running):
                    self._drop(each)
        return entry

    def _drop(self, number: int) -> None:
        if number in self.running:
            self.running.pop(number)[1].cancel()


def _looked(
    look: Callable[..., Generator[Step, None, Entry]],
    overviews: Overviews,
    photo: FieldPhoto,
    siblings: list[Sibling],
    angle: Angle,
) -> Entry:
    """Look for a field, in whatever process this is."""
    return finish(look(overviews.prepared(), photo, siblings, angle))
