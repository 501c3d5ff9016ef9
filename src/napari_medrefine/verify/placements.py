"""Placements: the same search on the same photos again."""

from __future__ import annotations

import math
import re
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_medrefine.progress import Step
from napari_medrefine.registration import Overview, Placement, placement_file
from napari_medrefine.verify.inputs import Folders, find_photo
from napari_medrefine.verify.report import Report

SAME = 0.02  # overview pixels, at the field's corners: what processors may differ
LIKELY = 0.25  # of a search that was not told what it was told then
AROUND = 3.0  # degrees
FEWEST = 1e-300  # false alarms that a logarithm is taken of


@dataclass(frozen=True)
class Number:
    """A number of a placement, and how far apart it may be on two computers.

    Attributes
    ----------
    name, words : str
        Its attribute, and what people call it.
    most, share : float
        So much, and so much of the larger one; of `powers`, of the powers of ten.
    powers : bool
        Whether these are compared: of numbers that one part of a field more or less multiplies.
    """

    name: str
    words: str
    most: float
    share: float = 0.0
    powers: bool = False

    def same(self, then: float, now: float) -> bool:
        """Return whether two of them may be the same."""
        if math.isnan(then) or math.isnan(now):
            return math.isnan(then) == math.isnan(now)
        if self.powers:
            then, now = (math.log10(max(value, FEWEST)) for value in (then, now))
        return abs(then - now) <= self.most + self.share * max(abs(then), abs(now))


NUMBERS = (
    Number("score", "score", 0.01),
    Number("standard_error", "standard error", 0.005, 0.1),  # overview pixels, as the next
    Number("residual", "residual", 0.1, 0.5),
    Number("false_alarms", "number of false alarms", 3.0, powers=True),
)


def verify_placement(
    path: Path, place: Placement, folders: Folders, report: Report
) -> Generator[Step, None, None]:
    """Register the photos of `place` again, and compare where the corners lie, and how sure."""
    report.check_version(place.version)
    report.problems += [
        f"The {name} that {path.name} tells is not that of its matrix."
        for name in placement_file.misquoted(path)
    ]
    field = find_photo(folders, place.field_name, place.field_sha256 or None, report)
    overview = find_photo(folders, place.overview_name, place.overview_sha256 or None, report)
    if field is None or overview is None:
        return
    if place.method not in ("pyramid", "spiral"):
        report.remarks.append(f"{path.name} was found elsewhere: nothing was searched again.")
        return
    asked = place.asked
    job = Overview(overview.image).register_steps(
        field.image,
        ratio=asked.ratio if asked else place.ratio,
        angle=asked.angle if asked else (place.angle - AROUND, place.angle + AROUND),
        method="spiral" if place.method == "spiral" else "pyramid",
    )
    again = yield from job
    apart = max(
        _apart(again, place),
        _apart(replace(again, distortion=None), replace(place, distortion=None)),  # by the matrix
    )
    how = "" if asked else " (not told how it was searched for, it was searched for around there)"
    said = f"Searched for again{how}, the corners lie {apart:.4f} overview pixels from there"
    allowed = SAME if asked else LIKELY
    (report.confirmed if apart <= allowed else report.problems).append(f"{said}.")
    if again.accepted != place.accepted:
        now, then = (("accepted" if x.accepted else "refused") for x in (again, place))
        report.problems.append(f"It is {now} now, and was {then}.")
    if asked:
        _compare_evidence(place, again, report)
    else:
        report.remarks.append("How sure it is was not compared: another search has other numbers.")


def _apart(one: Placement, other: Placement) -> float:
    """Return how far apart two placements put a corner of the field, in overview pixels."""
    return float(np.sqrt(((one.corners() - other.corners()) ** 2).sum(axis=1)).max())


def _compare_evidence(place: Placement, again: Placement, report: Report) -> None:
    """Report whether the numbers and the words that say how sure a placement is are found again."""
    wrong = []
    for number in NUMBERS:
        then, now = getattr(place, number.name), getattr(again, number.name)
        if not number.same(then, now):
            wrong.append(f"Found again, its {number.words} is {now:.3g}, and not {then:.3g}.")
    if _without_numbers(place.reason) != _without_numbers(again.reason):
        wrong.append(f"Found again, the reason is '{again.reason}', and not '{place.reason}'.")
    elif place.reason != again.reason:
        report.remarks.append(f"The reason reads now: {again.reason}")
    if not wrong:
        words = ", ".join(number.words for number in NUMBERS)
        report.confirmed.append(f"Found again are its {words} and reason, too.")
    report.problems += wrong


def _without_numbers(text: str) -> str:
    return re.sub(r"[0-9]+([.,][0-9]+)?", "#", text)
