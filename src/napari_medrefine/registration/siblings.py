"""What the placements of one session agree on: it has one camera, and one ratio per objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_medrefine.registration.placement import Placement
from napari_medrefine.registration.window import turned_by

SURE = 1e-9  # false alarms below which a placement has a say in what the others should be
ENOUGH = 2  # sure placements that must agree
SAME_RATIO = 0.01  # share by which ratios of one objective differ at most
SAME_ANGLE = 1.0  # degrees by which the camera turns at most between photos
APART = 0.1  # log ratio between two objectives at least


@dataclass(frozen=True, slots=True)
class Agreed:
    """The range of ratios and of angles (degrees) that siblings of sure placements have."""

    ratio: tuple[float, float]
    angle: tuple[float, float]


def is_sure(place: Placement) -> bool:
    """Return whether a placement may say what the others should be."""
    return place.accepted and place.false_alarms < SURE and not place.mirrored


def agreed(places: Sequence[Placement]) -> Agreed | None:
    """Return what the sure ones among placements of one objective agree on, if they do."""
    sure = [place for place in places if is_sure(place)]
    if len(sure) < ENOUGH:
        return None
    ratios = np.log([place.ratio for place in sure])
    angles = np.array([place.angle for place in sure])
    ratio = float(np.median(ratios))
    # The angle of the one that is nearest to all others: a median that minds the circle.
    angle = float(angles[int(np.abs(turned_by(angles[:, None] - angles)).sum(0).argmin())])
    agree = (np.abs(ratios - ratio) < SAME_RATIO) & (np.abs(turned_by(angles - angle)) < SAME_ANGLE)
    if agree.sum() < max(ENOUGH, len(sure) / 2):
        return None
    low, high = np.exp([ratio - 2 * SAME_RATIO, ratio + 2 * SAME_RATIO])
    return Agreed((float(low), float(high)), (angle - 2 * SAME_ANGLE, angle + 2 * SAME_ANGLE))


def objectives(places: Sequence[Placement]) -> list[tuple[float, float]]:
    """Return the ranges of ratios in which the sure ones among placements of any objective lie."""
    ratios = np.sort([place.ratio for place in places if is_sure(place)])
    groups = np.split(ratios, np.flatnonzero(np.diff(np.log(ratios)) > APART) + 1)
    spare = 1 + 2 * SAME_RATIO
    return [(float(g[0] / spare), float(g[-1] * spare)) for g in groups if len(g) >= ENOUGH]
