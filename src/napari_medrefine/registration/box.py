"""A box of photos of several slides: which are the overviews, and where the others lie on them.

Where the objectives are known, photos of the lowest are the overviews. Where they are not, a photo
is an overview if it lies on none that shows finer structures, that is, a larger part of its slide.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step, finish, retold
from napari_medrefine.registration.atlas import (
    Entry,
    FieldPhoto,
    Picture,
    atlas_steps,
    quick_look,
)
from napari_medrefine.registration.overview import Overview
from napari_medrefine.registration.siblings import APART
from napari_medrefine.registration.sought import Sought
from napari_medrefine.registration.structure import structure_size
from napari_medrefine.registration.window import Angle

FINEST = 4.0  # times the finest structures of the box that those of an overview may be
ALIKE = 1.5  # times that those of an overview on which nothing lies may be


@dataclass(frozen=True, eq=False)
class BoxPhoto:
    """A photo in the box.

    Attributes
    ----------
    image : array-like, or a function that returns one
        See `FieldPhoto`.
    objective : float or None
        Its magnification, if known.
    pixel_um : float or None
        The side of a pixel in micrometres, if known.
    """

    image: Picture
    objective: float | None = None
    pixel_um: float | None = None

    def read(self) -> npt.ArrayLike:
        """Return the image."""
        return self.image() if callable(self.image) else self.image


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
    photos: Sequence[BoxPhoto], overviews: Iterable[int] | None = None, *, angle: Angle = None
) -> Generator[Step, None, Arrangement]:
    """Do what `arrange` does, as a job that reports its progress and can be stopped."""
    prepared: dict[int, Overview] = {}
    if overviews is not None:
        roots = sorted(set(overviews))
    elif (known := _lowest(photos)) is not None:
        roots = known
    else:
        prepared = yield from _find_overviews_steps(photos, angle)
        roots = sorted(prepared)
    problems: dict[int, Entry] = {}
    for done, number in enumerate(roots):
        yield Step(done, len(roots), "preparing the overviews")
        try:
            prepared[number] = prepared.get(number) or Overview(photos[number].read())
        except MedRefineError as error:
            problems[number] = Entry(None, None, str(error))
    roots = sorted(prepared)
    if not roots:
        raise MedRefineError("None of the photos can be an overview.")
    others = [n for n in range(len(photos)) if n not in prepared and n not in problems]
    fields = [_field(photos[n], [photos[root] for root in roots]) for n in others]
    found = yield from atlas_steps([prepared[root] for root in roots], fields, angle=angle)
    entries = {n: _numbered(entry, roots) for n, entry in zip(others, found, strict=True)}
    if overviews is None and not all(photos[root].objective for root in roots):
        roots, entries = _without_pretenders(prepared, entries)
    return Arrangement(tuple(roots), problems | entries)


def _numbered(entry: Entry, overviews: Sequence[int]) -> Entry:
    """Return an entry whose overviews are numbers of photos."""
    overview, guess = (
        None if number is None else overviews[number] for number in (entry.overview, entry.guess)
    )
    return replace(entry, overview=overview, guess=guess)


def _lowest(photos: Sequence[BoxPhoto]) -> list[int] | None:
    """Return the photos of the lowest objective, None where not all objectives are known."""
    objectives = [photo.objective for photo in photos if photo.objective]
    if len(objectives) < len(photos):
        return None
    if len(set(objectives)) == 1:
        raise MedRefineError(
            f"All photos have the same objective, {objectives[0]:g}x; say which are the overviews."
        )
    return [n for n, photo in enumerate(photos) if photo.objective == min(objectives)]


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


def _find_overviews_steps(
    photos: Sequence[BoxPhoto], angle: Angle
) -> Generator[Step, None, dict[int, Overview]]:
    """Find the photos that lie on no other, among those that may be overviews."""
    sizes: dict[int, float] = {}
    for number, photo in enumerate(photos):
        yield Step(number, 2 * len(photos), "measuring structures")
        try:
            sizes[number] = structure_size(Sought(photo.read()).image)
        except MedRefineError:
            continue  # it is told again, with the reason, when it is looked for
    sizes = {number: size for number, size in sizes.items() if size > 0}  # not those of blank ones
    finest = min(sizes.values(), default=0.0)
    known = [photo.objective for photo in photos if photo.objective]
    lowest = min(known) if len(set(known)) > 1 else None
    order = sorted(
        (n for n, size in sizes.items() if size <= FINEST * finest), key=sizes.__getitem__
    )
    roots: dict[int, Overview] = {}
    for done, number in enumerate(order):
        step = Step(len(photos) + done, len(photos) + len(order), "finding the overviews")
        yield step
        objective = photos[number].objective
        if lowest and objective and objective > lowest:
            continue
        image = photos[number].read()
        if not (lowest and objective):
            look = quick_look(list(roots.values()), Sought(image), angle)
            if (yield from retold(look, partial(_instead, step))):
                continue
        own = Overview(image)
        for root in list(roots):
            look = quick_look([own], Sought(photos[root].read()), angle)
            if (yield from retold(look, partial(_instead, step))):
                del roots[root]
        roots[number] = own
    return roots


def _without_pretenders(
    overviews: dict[int, Overview], entries: dict[int, Entry]
) -> tuple[list[int], dict[int, Entry]]:
    """Return overviews and entries without photos that only seem to be overviews.

    Where an overview is missing from the box, a 10x photo has none to lie on and 40x photos lie on
    it. But their ratio is then that of two objectives whose ratios to true overviews are known.
    """
    ratios: dict[int, list[float]] = {root: [] for root in overviews}
    for entry in entries.values():
        if entry.overview is not None and entry.placement is not None:
            ratios[entry.overview].append(entry.placement.ratio)
    best = max(ratios, key=lambda root: len(ratios[root]))
    usual = ratios[best]
    sizes = {root: overviews[root].structure for root in overviews}
    largest = ALIKE * max(sizes[root] for root in overviews if ratios[root]) if usual else np.inf
    kept = [
        root
        for root in overviews
        if (ratios[root] and not _explained(ratios[root], usual))
        or (not ratios[root] and sizes[root] <= largest)
    ]
    entries = {n: _refused_on(entry, kept) for n, entry in entries.items()}
    for root in overviews.keys() - set(kept):
        entries[root] = Entry(None, None, MISSING)
    return sorted(kept), entries


MISSING = "Refused: its overview is not among the photos."


def _explained(ratios: Sequence[float], usual: Sequence[float]) -> bool:
    """Return whether `ratios` are not usual, but would be if multiplied by a usual one."""
    if all(_among(ratio, usual) for ratio in ratios):
        return False
    return any(all(_among(ratio * more, usual) for ratio in ratios) for more in usual)


def _among(ratio: float, ratios: Sequence[float]) -> bool:
    return bool((np.abs(np.log(np.array(ratios) / ratio)) < APART).any())


def _refused_on(entry: Entry, kept: Sequence[int]) -> Entry:
    """Return an entry, refused if what it lies on is no overview."""
    if entry.overview is None or entry.overview in kept or entry.placement is None:
        return entry
    place = replace(entry.placement, accepted=False, reason=MISSING)
    return Entry(None, place, guess=entry.overview)


def _instead(step: Step, _: Step) -> Step:
    """Return `step`, whatever a part of the job reports."""
    return step
