"""Placements: the same search on the same photos again."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np

from napari_medrefine.progress import Step
from napari_medrefine.registration import Overview, Placement
from napari_medrefine.verify.inputs import Folders, find_photo
from napari_medrefine.verify.report import Report

SAME = 0.02  # overview pixels, at the field's corners: what processors may differ
LIKELY = 0.25  # of a search that was not told what it was told then
AROUND = 3.0  # degrees


def verify_placement(
    path: Path, place: Placement, folders: Folders, report: Report
) -> Generator[Step, None, None]:
    """Register the photos of `place` again, and compare where the corners lie."""
    report.check_version(place.version)
    field = find_photo(folders, place.field_name, place.field_sha256 or None, report)
    overview = find_photo(folders, place.overview_name, place.overview_sha256 or None, report)
    if field is None or overview is None:
        return
    if place.method not in ("pyramid", "spiral"):
        report.remarks.append(f"{path.name} was found elsewhere: nothing was searched again.")
        return
    asked = place.asked
    job = Overview(overview).register_steps(
        field,
        ratio=asked.ratio if asked else place.ratio,
        angle=asked.angle if asked else (place.angle - AROUND, place.angle + AROUND),
        method="spiral" if place.method == "spiral" else "pyramid",
    )
    again = yield from job
    apart = float(np.sqrt(((again.corners() - place.corners()) ** 2).sum(axis=1)).max())
    how = "" if asked else " (not told how it was searched for, it was searched for around there)"
    said = f"Searched for again{how}, the corners lie {apart:.4f} overview pixels from there"
    allowed = SAME if asked else LIKELY
    (report.confirmed if apart <= allowed else report.problems).append(f"{said}.")
    if again.accepted != place.accepted:
        now, then = (("accepted" if x.accepted else "refused") for x in (again, place))
        report.problems.append(f"It is {now} now, and was {then}.")
