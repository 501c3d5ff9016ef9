"""Many fields onto many overviews, solved together.

Photos of one session share a camera: its angle, and one ratio per objective. So each field is first
looked for quickly on every overview; what the sure ones agree on narrows the search for the others,
which makes a weak one findable, and chance less likely. Only sure placements have a say in that,
and a sure one is never moved, so a wrong one cannot drag a right one along.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step, finish, retold
from napari_medrefine.registration.overview import Overview
from napari_medrefine.registration.placement import Placement
from napari_medrefine.registration.window import Angle, Ratio

SURE = 1e-9  # false alarms below which a placement has a say in what the others should be
ENOUGH = 2  # sure placements that must agree
SAME_RATIO = 0.01  # share by which ratios of one objective differ at most
SAME_ANGLE = 1.0  # degrees by which the camera turns at most between photos
LIKE = 0.5  # score above which a sure placement is beyond doubt
MARGIN = 0.05  # score by which the best overview must be ahead of the next

Picture = npt.ArrayLike | Callable[[], npt.ArrayLike]


@dataclass(frozen=True, eq=False)
class FieldPhoto:
    """A field to be put in order.

    Attributes
    ----------
    image : array-like, or a function that returns one
        See `napari_medrefine.register`; a function is called whenever the image is needed, so that
        not all have to be in memory at once.
    ratio : float, (float, float) or None
        See `napari_medrefine.register`.
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
    """

    overview: int | None
    placement: Placement | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Shared:
    """What sure placements of one objective agree on."""

    ratio: tuple[float, float]
    angle: tuple[float, float]


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
        step = Step(number, total, "a first look at every field")
        shared = _shared(entries, fields[:number], field) if field.ratio is None else None
        look = _look(overviews, field, angle, shared, thorough=False)
        entries.append((yield from retold(look, partial(_instead, step))))
    for number, entry in enumerate(entries):
        step = Step(len(fields) + number, total, "a closer look at the others")
        if entry.overview is None and entry.placement is not None:
            closer = _closer(overviews, fields, entries, number, angle)
            entries[number] = yield from retold(closer, partial(_instead, step))
    return entries


def _closer(
    overviews: Sequence[Overview],
    fields: Sequence[FieldPhoto],
    entries: Sequence[Entry],
    number: int,
    angle: Angle,
) -> Generator[Step, None, Entry]:
    """Look again for a field: where the sure ones say, then everywhere."""
    shared = _shared(entries, fields, fields[number])
    if shared is not None:
        entry = yield from _look(overviews, fields[number], angle, shared, thorough=True)
        if entry.overview is not None:
            return entry
    return (yield from _look(overviews, fields[number], angle, None, thorough=True))


def _look(
    overviews: Sequence[Overview],
    field: FieldPhoto,
    angle: Angle,
    shared: _Shared | None,
    *,
    thorough: bool,
) -> Generator[Step, None, Entry]:
    """Look for a field on every overview; the best one has it, if it is clearly the best."""
    ratio: Ratio = field.ratio if shared is None else shared.ratio
    angles = angle if shared is None else shared.angle
    try:
        image = field.read()
        places = []
        for overview in overviews:
            job = overview.register_steps(image, ratio=ratio, angle=angles, thorough=thorough)
            places.append((yield from job))
            if _beyond_doubt(places[-1]):
                return Entry(len(places) - 1, places[-1])
    except MedRefineError as error:
        return Entry(None, None, str(error))
    order = sorted(range(len(places)), key=lambda i: (places[i].accepted, places[i].score))
    best = places[order[-1]]
    if not best.accepted:
        return Entry(None, best)
    rival = places[order[-2]] if len(order) > 1 else None
    if rival is not None and rival.accepted and best.score - rival.score < MARGIN:
        reason = (
            "Refused: two overviews fit about as well "
            f"(numbers {order[-1] + 1} and {order[-2] + 1}, scores {best.score:.2f} and "
            f"{rival.score:.2f})."
        )
        return Entry(None, replace(best, accepted=False, reason=reason))
    return Entry(order[-1], best)


def _beyond_doubt(place: Placement) -> bool:
    """Return whether no other overview need be looked at."""
    return place.accepted and place.false_alarms < SURE**2 and place.score > LIKE


def _shared(
    entries: Sequence[Entry], fields: Sequence[FieldPhoto], field: FieldPhoto
) -> _Shared | None:
    """Return what the sure placements of the field's objective agree on, if they do."""
    sure = [
        entry.placement
        for entry, other in zip(entries, fields, strict=True)
        if entry.placement is not None
        and entry.overview is not None
        and other.group == field.group
        and entry.placement.false_alarms < SURE
        and not entry.placement.mirrored
    ]
    if len(sure) < ENOUGH:
        return None
    ratios = np.log([place.ratio for place in sure])
    angles = np.array([place.angle for place in sure])
    ratio = float(np.median(ratios))
    # The angle of the one that is nearest to all others: a median that minds the circle.
    apart = np.abs((angles[:, None] - angles + 180) % 360 - 180)
    angle = float(angles[int(apart.sum(0).argmin())])
    agree = (np.abs(ratios - ratio) < SAME_RATIO) & (
        np.abs((angles - angle + 180) % 360 - 180) < SAME_ANGLE
    )
    if agree.sum() < max(ENOUGH, len(sure) / 2):
        return None
    ends = np.exp([ratio - 2 * SAME_RATIO, ratio + 2 * SAME_RATIO])
    return _Shared(
        (float(ends[0]), float(ends[1])), (angle - 2 * SAME_ANGLE, angle + 2 * SAME_ANGLE)
    )


def _instead(step: Step, _: Step) -> Step:
    """Return `step`, whatever a part of the job reports."""
    return step
