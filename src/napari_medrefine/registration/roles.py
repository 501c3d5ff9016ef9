"""Which photos of a box are overviews.

Where the objectives are known, photos of the lowest are. Where they are not, a photo is an overview
if it lies on none that shows finer structures, that is, a larger part of its slide.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step, retold
from napari_medrefine.registration.atlas import Entry, Picture, quick_look, wider_look
from napari_medrefine.registration.overview import Overview
from napari_medrefine.registration.siblings import APART
from napari_medrefine.registration.sought import Sought
from napari_medrefine.registration.structure import structure_size
from napari_medrefine.registration.window import Angle

FINEST = 4.0  # times the finest structures of the box that those of an overview may be
ALIKE = 1.5  # times that those of an overview on which nothing lies may be
MISSING = "Refused: no overview among the photos was found for it."


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


def of_lowest_objective(photos: Sequence[BoxPhoto]) -> list[int] | None:
    """Return the photos of the lowest objective, None where not all objectives are known."""
    objectives = [photo.objective for photo in photos if photo.objective]
    if len(objectives) < len(photos):
        return None
    if len(set(objectives)) == 1:
        raise MedRefineError(
            f"All photos have the same objective, {objectives[0]:g}x; say which are the overviews."
        )
    return [n for n, photo in enumerate(photos) if photo.objective == min(objectives)]


def find_overviews_steps(
    photos: Sequence[BoxPhoto], angle: Angle
) -> Generator[Step, None, dict[int, Overview]]:
    """Find the photos that lie on no other, among those that may be overviews.

    Of those whose objective is known, if there are several, only the lowest may be; and they are,
    unless they lie on a photo that does not say its own.
    """
    sizes = yield from _sizes_steps(photos)
    known = {photo.objective for photo in photos if photo.objective}
    told = {n for n in sizes if len(known) > 1 and photos[n].objective}
    found = {n: Overview(photos[n].read()) for n in told if photos[n].objective == min(known)}
    largest = FINEST * min(sizes.values(), default=0.0)
    order = sorted((n for n in sizes.keys() - told if sizes[n] <= largest), key=sizes.__getitem__)
    for done, number in enumerate(order):
        step = Step(len(photos) + done, len(photos) + len(order), "finding the overviews")
        yield step
        image = photos[number].read()
        if (yield from _lies_on(list(found.values()), image, angle, step)):
            continue
        own = Overview(image)
        for other in list(found):
            if (yield from _lies_on([own], photos[other].read(), angle, step)):
                del found[other]
        found[number] = own
    return found


def _sizes_steps(photos: Sequence[BoxPhoto]) -> Generator[Step, None, dict[int, float]]:
    """Measure the structures of the photos that can be read and are not blank."""
    sizes: dict[int, float] = {}
    for number, photo in enumerate(photos):
        yield Step(number, 2 * len(photos), "measuring structures")
        # What is wrong with a photo is told when it is looked for.
        with suppress(MedRefineError):
            sizes[number] = structure_size(Sought(photo.read()).image)
    return {number: size for number, size in sizes.items() if size > 0}


def _lies_on(
    overviews: list[Overview], image: npt.ArrayLike, angle: Angle, step: Step
) -> Generator[Step, None, bool]:
    """Return whether a photo of unknown objective is found on one of `overviews`."""
    look = quick_look(overviews, Sought(image), angle)
    return (yield from retold(look, partial(_instead, step)))


def without_pretenders(
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


def look_again_steps(
    photos: Sequence[BoxPhoto], kept: dict[int, Overview], entries: dict[int, Entry], angle: Angle
) -> Generator[Step, None, dict[int, Entry]]:
    """Look again on the true overviews for what only seemed to be one, and for what is on it.

    The size of its structures may have misled, or it is turned. Return those that are found.
    """
    found: dict[int, Entry] = {}
    roots = list(kept)
    lacking = [n for n, entry in entries.items() if _lacks_overview(entry)]
    # What lies on a pretender, and so has a placement, comes after it.
    lacking.sort(key=lambda n: entries[n].placement is not None)
    for done, number in enumerate(lacking):
        step = Step(done, len(lacking), "looking again for photos that seemed overviews")
        yield step
        on = entries[number].guess
        if on is not None and on not in found:
            continue
        look = wider_look(list(kept.values()), photos[number].read(), angle)
        entry = yield from retold(look, partial(_instead, step))
        if entry.overview is not None:
            found[number] = replace(entry, overview=roots[entry.overview])
    return found


def _lacks_overview(entry: Entry) -> bool:
    """Return whether a photo was refused only because what it may lie on is no overview."""
    place = entry.placement
    return MISSING in (entry.problem, None if place is None else place.reason)


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
