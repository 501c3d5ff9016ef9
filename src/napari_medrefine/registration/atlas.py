"""Many fields onto many overviews, solved together.

A glance at every overview says on which one a field is looked for first. Photos of one session
share a camera: its angle, and one ratio per objective. So each field is first looked for quickly;
what the sure placements agree on narrows the search for the others, which makes a weak one
findable, and chance less likely. Only sure placements have a say in that, and a sure one is never
moved, so a wrong one cannot drag a right one along.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step, finish, retold
from napari_medrefine.registration.locate import Locator
from napari_medrefine.registration.overview import Overview
from napari_medrefine.registration.placement import Asked, Placement
from napari_medrefine.registration.siblings import SURE, agreed, objectives
from napari_medrefine.registration.sought import Sought
from napari_medrefine.registration.structure import likely_ratios
from napari_medrefine.registration.window import ANY_ANGLE, Angle, Ratio, windows_between

LIKE = 0.5  # score above which a sure placement is beyond doubt
MARGIN = 0.05  # score by which the best overview must be ahead of the next
FIRST = 3  # places that a first look refines
CLOSER = 4  # places that a closer look searches in every way; those a glance promises most of
FIRST_LOOK, CLOSER_LOOK = "a first look at every field", "a closer look at the others"
NO_FINER = "Refused: by the size of its structures it is no finer than any overview."
EMPTY = "Refused: nothing on it stands out; it is blank, or out of focus."
LOWEST = 1.5  # ratio of a field to its overview at least

Picture = npt.ArrayLike | Callable[[], npt.ArrayLike]
Where = tuple[int, Ratio, Angle]  # the number of an overview, and what to look for there
Sibling = tuple[tuple[float, float], Angle]  # the ratios and angles of sure ones
Look = tuple[float, int, Asked, Locator]  # what a glance promises, and the search it was


@dataclass(frozen=True, eq=False)
class FieldPhoto:
    """A field to be put in order.

    Attributes
    ----------
    image : array-like, or a function that returns one
        See `napari_medrefine.register`; a function is called whenever the image is needed, so that
        not all have to be in memory at once.
    ratio : float, (float, float) or None
        See `napari_medrefine.register`; where unknown, the size of the structures narrows it.
    objective : hashable
        What photos through one objective have in common; by default the ratio.
    """

    image: Picture
    ratio: Ratio = None
    objective: Hashable = None

    def read(self) -> npt.ArrayLike:
        """Return the image."""
        return self.image() if callable(self.image) else self.image

    @property
    def group(self) -> Hashable:
        """Fields of one group share one ratio."""
        return self.ratio if self.objective is None else self.objective


@dataclass(frozen=True, eq=False)
class Entry:
    """Where one field of an atlas lies.

    Attributes
    ----------
    overview : int or None
        Which of the overviews; None where it was refused on all of them.
    placement : Placement or None
        On that overview, or the best guess of all; None where the field cannot be an image.
    problem : str
        Why there is no placement.
    guess : int or None
        Of a refused one, the overview of the best guess.
    """

    overview: int | None
    placement: Placement | None
    problem: str = ""
    guess: int | None = None


def atlas(
    overviews: Sequence[Overview], fields: Sequence[FieldPhoto], *, angle: Angle = None
) -> list[Entry]:
    """Find for every field which overview it lies on, and where.

    Parameters
    ----------
    overviews : sequence of Overview
        Of one slide or several.
    fields : sequence of FieldPhoto
        In any order.
    angle : (float, float), optional
        See `napari_medrefine.register`.

    Returns
    -------
    list of Entry
        One for each field, in their order.

    Raises
    ------
    MedRefineError
        If there are no overviews.
    """
    return finish(atlas_steps(overviews, fields, angle=angle))


def atlas_steps(
    overviews: Sequence[Overview], fields: Sequence[FieldPhoto], *, angle: Angle = None
) -> Generator[Step, None, list[Entry]]:
    """Do what `atlas` does, as a job that reports its progress and can be stopped."""
    if not overviews:
        raise MedRefineError("An atlas needs at least one overview.")
    total = 2 * len(fields)
    entries: list[Entry] = []
    for number, field in enumerate(fields):
        step = Step(number, total, FIRST_LOOK)
        siblings = siblings_of(entries, fields[:number], field, angle)
        look = first_look(overviews, field, siblings, angle)
        entries.append((yield from retold(look, partial(_instead, step))))
    for number in not_found(entries):
        step = Step(len(fields) + number, total, CLOSER_LOOK)
        siblings = siblings_of(entries, fields, fields[number], angle)
        closer = closer_look(overviews, fields[number], siblings, angle)
        entries[number] = yield from retold(closer, partial(_instead, step))
    return entries


def not_found(entries: Sequence[Entry]) -> list[int]:
    """Return which fields deserve a closer look."""
    return [
        number
        for number, entry in enumerate(entries)
        if entry.overview is None and entry.placement is not None
    ]


def quick_look(
    overviews: Sequence[Overview], sought: Sought, angle: Angle
) -> Generator[Step, None, bool]:
    """Return whether a field of unknown objective is found quickly on one of `overviews`."""
    wheres = _as_structures(overviews, sought, angle)
    if not wheres:
        return False
    entry = yield from _look(overviews, sought, wheres, most=FIRST)
    return entry.overview is not None


def siblings_of(
    entries: Sequence[Entry], fields: Sequence[FieldPhoto], field: FieldPhoto, angle: Angle
) -> list[Sibling]:
    """Return what the placements so far say of a field's ratio and angle.

    One entry, or none, where its objective is known; else one for every objective that was found.
    """
    places = [
        entry.placement
        for entry, other in zip(entries, fields, strict=True)
        if entry.overview is not None
        and entry.placement is not None
        and (field.ratio is None or other.group == field.group)
    ]
    if field.ratio is None:
        return [(ratio, angle) for ratio in objectives(places)]
    found = agreed(places)
    return [] if found is None else [(found.ratio, found.angle)]


def first_look(
    overviews: Sequence[Overview], field: FieldPhoto, siblings: Sequence[Sibling], angle: Angle
) -> Generator[Step, None, Entry]:
    """Look quickly for a field where a glance promises most."""
    try:
        sought = Sought(field.read())
    except MedRefineError as error:
        return Entry(None, None, str(error))
    wheres: list[Where]
    if field.ratio is not None:
        wheres = [(number, field.ratio, angle) for number in range(len(overviews))]
        return (yield from _look(overviews, sought, wheres, most=FIRST))
    if np.isnan(sought.structure):
        return Entry(None, None, EMPTY)
    entry = Entry(None, None, NO_FINER)
    for wheres in (
        _assiblings_of(overviews, sought, siblings),
        _as_structures(overviews, sought, angle),
    ):
        if wheres:
            entry = yield from _look(overviews, sought, wheres, most=FIRST)
        if entry.overview is not None:
            break
    return entry


def wider_look(
    overviews: Sequence[Overview], image: npt.ArrayLike, angle: Angle
) -> Generator[Step, None, Entry]:
    """Look quickly for a field of unknown objective that was not found as its structures say.

    At any angle, and then at any ratio: a thorough search for what is not there takes minutes.
    """
    sought = Sought(image)
    wheres = _as_structures(overviews, sought, angle or ANY_ANGLE)
    entry = Entry(None, None, NO_FINER)
    if wheres:
        entry = yield from _look(overviews, sought, wheres, most=FIRST)
    if entry.overview is None:
        wheres = [(number, None, angle) for number in range(len(overviews))]
        entry = yield from _look(overviews, sought, wheres, most=FIRST)
    return entry


def closer_look(
    overviews: Sequence[Overview], field: FieldPhoto, siblings: Sequence[Sibling], angle: Angle
) -> Generator[Step, None, Entry]:
    """Look again for a field: where the sure ones say, then everywhere."""
    sought, numbers = Sought(field.read()), range(len(overviews))
    entry: Entry | None = None
    if siblings:
        wheres: list[Where] = [(n, *sibling) for sibling in siblings for n in numbers]
        entry = yield from _look(overviews, sought, wheres, most=CLOSER, thorough=True)
        if entry.overview is not None:
            return entry
    wheres = [(number, field.ratio, angle) for number in numbers]
    if field.ratio is None and entry is not None:
        if angle is not None:
            return entry
        # What its siblings are not, one of unknown objective hardly is; but software may turn it.
        wheres = [(n, ratio, ANY_ANGLE) for ratio, _ in siblings for n in numbers]
    return (yield from _look(overviews, sought, wheres, most=CLOSER, thorough=True))


def _assiblings_of(
    overviews: Sequence[Overview], sought: Sought, siblings: Sequence[Sibling]
) -> list[Where]:
    """Return where a field of unknown objective may lie if its siblings' objectives are all."""
    wheres: list[Where] = []
    for number, overview in enumerate(overviews):
        low, high = likely_ratios(overview.structure, sought.structure)
        wheres += [
            (number, ratio, angle) for ratio, angle in siblings if low < np.mean(ratio) < high
        ]
    return wheres


def _as_structures(overviews: Sequence[Overview], sought: Sought, angle: Angle) -> list[Where]:
    """Return where a field of unknown objective may lie by the size of its structures."""
    wheres: list[Where] = []
    for number, overview in enumerate(overviews):
        low, high = likely_ratios(overview.structure, sought.structure)
        wheres += [(number, ratio, angle) for ratio in windows_between(max(low, LOWEST), high)]
    return wheres


def _look(
    overviews: Sequence[Overview],
    sought: Sought,
    wheres: Sequence[Where],
    *,
    most: int,
    thorough: bool = False,
) -> Generator[Step, None, Entry]:
    """Look for a field in the `most` promising places; the best overview has it, if clearly so."""
    looks: list[Look] = []
    problem = ""
    for number, ratio, angle in wheres:
        try:
            locator = overviews[number].locator(sought, ratio=ratio, angle=angle)
        except MedRefineError as error:
            problem = str(error)
            continue
        promise = yield from locator.glance_steps()
        looks.append((promise, number, Asked(ratio, angle), locator))
    if not looks:
        return Entry(None, None, problem)
    looks.sort(key=lambda look: -look[0])
    places: list[tuple[int, Placement]] = []
    for _, number, asked, locator in looks[:most]:
        place = yield from locator.by_pyramid_steps(thorough=thorough)
        place = replace(place, asked=asked)  # that finds an accepted one again, without a glance
        if _beyond_doubt(place):
            return Entry(number, place)
        places.append((number, place))
    return _best(places)


def _best(places: Sequence[tuple[int, Placement]]) -> Entry:
    """Return the best of several places, unless one on another overview is about as good."""
    order = sorted(places, key=lambda place: (place[1].accepted, place[1].score), reverse=True)
    (number, best), *others = order
    if not best.accepted:
        return Entry(None, best, guess=number)
    for other, rival in others:
        if other != number and rival.accepted and best.score - rival.score < MARGIN:
            reason = (
                f"Refused: two overviews fit about as well (numbers {number + 1} and {other + 1}, "
                f"scores {best.score:.2f} and {rival.score:.2f})."
            )
            return Entry(None, replace(best, accepted=False, reason=reason), guess=number)
    return Entry(number, best)


def _beyond_doubt(place: Placement) -> bool:
    """Return whether no other overview need be looked at."""
    return place.accepted and place.false_alarms < SURE**2 and place.score > LIKE


def _instead(step: Step, _: Step) -> Step:
    """Return `step`, whatever a part of the job reports."""
    return step
