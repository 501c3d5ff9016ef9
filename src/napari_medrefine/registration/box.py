"""A box of photos of several slides: which are the overviews, and where the others lie on them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np

from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step, finish, in_part
from napari_medrefine.registration.atlas import Entry, FieldPhoto, atlas_steps
from napari_medrefine.registration.atlas_elsewhere import atlas_elsewhere_steps
from napari_medrefine.registration.elsewhere import Overviews
from napari_medrefine.registration.overview import Overview
from napari_medrefine.registration.roles import (
    BoxPhoto,
    find_overviews_steps,
    look_again_steps,
    of_lowest_objective,
    without_pretenders,
)
from napari_medrefine.registration.window import Angle

FOUND, PREPARED = 0.4, 0.1  # shares of the job: to find the overviews, and to prepare them
AGAIN = 0.1  # share of looking again for what only seemed an overview

__all__ = ["Arrangement", "BoxPhoto", "arrange", "arrange_steps"]


@dataclass(frozen=True, eq=False)
class Arrangement:
    """What a box of photos turned out to be.

    Attributes
    ----------
    overviews : tuple of int
        Numbers of the photos that are overviews.
    entries : dict of int to Entry
        Number of every other photo to where it lies; `Entry.overview` and `Entry.guess` are numbers
        of photos.
    """

    overviews: tuple[int, ...]
    entries: dict[int, Entry]


def arrange(
    photos: Sequence[BoxPhoto], overviews: Iterable[int] | None = None, *, angle: Angle = None
) -> Arrangement:
    """Find out which photos are overviews, and where all others lie on them.

    Parameters
    ----------
    photos : sequence of BoxPhoto
        Of one slide or several, in any order.
    overviews : iterable of int, optional
        Numbers of the photos that are overviews, where that is known.
    angle : (float, float), optional
        See `napari_medrefine.register`.

    Raises
    ------
    MedRefineError
        If all photos have the same objective, or no photo can be an overview.
    """
    return finish(arrange_steps(photos, overviews, angle=angle))


def arrange_steps(
    photos: Sequence[BoxPhoto],
    overviews: Iterable[int] | None = None,
    *,
    angle: Angle = None,
    executor: Executor | None = None,
) -> Generator[Step, None, Arrangement]:
    """Do what `arrange` does, as a job that reports its progress and can be stopped.

    With an `executor` (``client.get_executor()`` of a Dask cluster), photos are looked for in its
    processes; their images must be picklable functions then.
    """
    prepared: dict[int, Overview] = {}
    begin = 0.0
    if overviews is not None:
        roots = sorted(set(overviews))
    elif (known := of_lowest_objective(photos)) is not None:
        roots = known
    else:
        prepared = yield from in_part(find_overviews_steps(photos, angle), 0, FOUND)
        roots, begin = sorted(prepared), FOUND
    preparing = _prepare_steps(photos, roots, prepared)
    problems = yield from in_part(preparing, begin, begin + PREPARED)
    roots = sorted(prepared)
    if not roots:
        raise MedRefineError("None of the photos can be an overview.")
    others = [n for n in range(len(photos)) if n not in prepared and n not in problems]
    fields = [_field(photos[n], [photos[root] for root in roots]) for n in others]
    if executor is None:
        looking = atlas_steps([prepared[root] for root in roots], fields, angle=angle)
    else:
        on = Overviews(tuple(photos[root].read for root in roots))
        looking = atlas_elsewhere_steps(on, fields, executor, angle=angle)
    seeming = overviews is None and not all(photos[root].objective for root in roots)
    end = 1 - AGAIN if seeming else 1
    found = yield from in_part(looking, begin + PREPARED, end)
    entries = {n: _numbered(entry, roots) for n, entry in zip(others, found, strict=True)}
    if seeming:
        roots, entries = without_pretenders(prepared, entries)
        kept = {root: prepared[root] for root in roots}
        entries |= yield from in_part(look_again_steps(photos, kept, entries, angle), end, 1)
    return Arrangement(tuple(roots), problems | entries)


def _prepare_steps(
    photos: Sequence[BoxPhoto], roots: Sequence[int], prepared: dict[int, Overview]
) -> Generator[Step, None, dict[int, Entry]]:
    """Add the overviews that are missing to `prepared`; return those that cannot be read."""
    problems = {}
    for done, number in enumerate(roots):
        yield Step(done, len(roots), "preparing the overviews")
        try:
            prepared[number] = prepared.get(number) or Overview(photos[number].read())
        except MedRefineError as error:
            problems[number] = Entry(None, None, str(error))
    return problems


def _numbered(entry: Entry, overviews: Sequence[int]) -> Entry:
    """Return an entry whose overviews are numbers of photos."""
    overview, guess = (
        None if number is None else overviews[number] for number in (entry.overview, entry.guess)
    )
    return replace(entry, overview=overview, guess=guess)


def _field(photo: BoxPhoto, overviews: Sequence[BoxPhoto]) -> FieldPhoto:
    """Return a photo as a field, with its ratio to the overviews if they all agree on it."""
    by_size = {o.pixel_um / photo.pixel_um for o in overviews if o.pixel_um and photo.pixel_um}
    by_power = {photo.objective / o.objective for o in overviews if o.objective and photo.objective}
    # Equal pixel sizes are what a camera writes that knows no objective.
    for ratios, known in (
        (by_size - {1.0}, [o.pixel_um for o in overviews]),
        (by_power, [o.objective for o in overviews]),
    ):
        if ratios and all(known) and max(ratios) < 1.02 * min(ratios):
            ratio = float(np.median(list(ratios)))
            return FieldPhoto(photo.image, ratio, photo.objective or ratio)
    return FieldPhoto(photo.image)
