"""The spiral pyramid: candidates from a coarse level, refined down to the finest.

Several candidates go down, each refined at every level, since the coarse best one is not always the
right one and a 2x2 descent cannot recover from a wrong start.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_medrefine.progress import Step
from napari_medrefine.registration.coarse import (
    LEAST_ON_OVERVIEW,
    NETS,
    Candidate,
    coarse_level,
    coarse_steps,
)
from napari_medrefine.registration.field import Field
from napari_medrefine.registration.pyramid import Level, Matrix, between, reduction
from napari_medrefine.registration.refine import CONVERGED, Fit, part_around, refine
from napari_medrefine.registration.trace import Trace, Visit
from napari_medrefine.registration.verdict import Blocks
from napari_medrefine.registration.window import Window, scale_of

KEPT = (24, 6, 2)  # candidates refined at the first, second and every further level
HOPELESS = (0.55, 0.6, 0.75)  # share of the best one's weight below which they go no further
FINE = 480  # pixels of a level that the field's shorter side need not exceed
AFFORDABLE = 700_000  # pixels of a level on which every ratio may be tried; keypoints do the rest
ROUGHLY = 0.05  # pixels within which a fit must settle that is refined further
ROOM = 0.9  # a little less than what must be: edges are rounded
RIVAL = 0.1  # share of the field's shorter side by which a rival's corners are off


def search_steps(
    levels: tuple[Level, ...],
    field: Field,
    window: Window,
    net: float = NETS[0],
    trace: Trace | None = None,
) -> Generator[Step, None, list[Fit]]:
    """Find where `field` lies; matrices take field pixels to overview pixels, best first.

    See `coarse_steps` for `net`.
    """
    fits: list[Fit] = []
    for part in window.octaves():
        level = levels[coarse_level(levels, field, part)]
        if not window.known and level.shape[0] * level.shape[1] > AFFORDABLE:
            continue
        if not _has_room(level, field, part):
            continue
        found = yield from coarse_steps(levels, field, part, net, trace)
        fits += yield from descend_steps(levels, field, found, trace)
    return rivals(fits, field)


def _has_room(level: Level, field: Field, part: Window) -> bool:
    """Return whether as much of the field may lie on the level as `coarse_steps` asks for.

    On a tiny overview it cannot at most ratios, and its templates would be the largest there.
    """
    footprint = field.shape[0] * field.shape[1] / (part.ratio[1] * level.factor) ** 2
    return level.shape[0] * level.shape[1] >= ROOM * LEAST_ON_OVERVIEW * footprint


def descend_steps(
    levels: tuple[Level, ...],
    field: Field,
    candidates: list[Candidate],
    trace: Trace | None = None,
) -> Generator[Step, None, list[Fit]]:
    """Refine candidates of one level down to the finest; those given up keep their last score."""
    if not candidates:
        return []
    fits = [Fit(c.score, c.matrix, final=False) for c in candidates]
    given_up: list[Fit] = []
    stages = _stages(candidates[0].level, finest_level(levels, field, candidates[0].matrix))
    for stage, index in enumerate(stages):
        turn = min(stage, len(KEPT) - 1)
        if not fits:
            break
        fits, others = _best(fits, field, KEPT[turn], HOPELESS[turn])
        given_up += others
        refined = []
        for number, fit in enumerate(fits):
            yield Step(number, len(fits), f"refining at 1/{levels[index].factor}")
            final = index == stages[-1]
            settled = CONVERGED if final else ROUGHLY
            again = refine_at(levels[index], field, fit.matrix, settled=settled)
            refined.append(replace(again, final=final))
        fits = distinct(refined, field, 2 * levels[index].factor)
        if trace is not None:
            factor = levels[index].factor
            trace.visits.extend(Visit(factor, fit.score, fit.matrix) for fit in refined)
    return fits + given_up


def finest_level(levels: tuple[Level, ...], field: Field, matrix: Matrix) -> int:
    """Return the level at which the field shows all that a placement can be told by."""
    side = min(field.shape) * scale_of(matrix)
    fitting = [i for i, level in enumerate(levels) if side / level.factor >= FINE]
    return fitting[-1] if fitting else 0


def _stages(coarse: int, finest: int) -> list[int]:
    """Return the levels to refine at: two neighbours, then every second."""
    stages = [coarse]
    while stages[-1] > finest:
        stages.append(max(finest, stages[-1] - (1 if len(stages) == 1 else 2)))
    return stages


def _best(fits: list[Fit], field: Field, most: int, least: float) -> tuple[list[Fit], list[Fit]]:
    """Return the fits to go on with, and the others."""
    fits = sorted(fits, key=lambda fit: -weight(fit, field))
    limit = least * weight(fits[0], field)
    going = [fit for fit in fits[:most] if weight(fit, field) >= limit]
    return going, fits[len(going) :]


def refine_at(
    level: Level,
    field: Field,
    matrix: Matrix,
    blocks: Blocks | None = None,
    settled: float = CONVERGED,
) -> Fit:
    """Refine a field-to-overview `matrix` at one level; of `blocks`, by those that agree only."""
    factor = field.factor(level.factor, matrix)
    up, small = np.linalg.inv(reduction(level.factor)), reduction(factor)
    values = field.features(factor)
    start = between(matrix, level.factor, factor)
    template = field.template(factor)
    if blocks is not None:
        template = template.only(blocks.agree_at(template.at, values.shape))
    fit = refine(part_around(level, values.shape, start), template, start, settled)
    spread = None
    if fit.spread is not None:
        unit = np.array([level.factor, level.factor, 1, 1])
        spread = fit.spread * np.outer(unit, unit)
    return Fit(fit.score, up @ fit.matrix @ small, fit.share, spread)


def weight(fit: Fit, field: Field) -> float:
    """Return how much a score says: Fisher's z over the pixels of the overview it rests on.

    A field thought small enough, or mostly off the overview, fits somewhere by chance, so scores
    of different sizes are not to be compared as they are.
    """
    return float(np.arctanh(np.clip(fit.score, -0.999, 0.999)) * _side(fit, field))


def _side(fit: Fit, field: Field) -> float:
    """Return the side of a square as large as the part of the overview that the field covers."""
    return float(np.sqrt(field.shape[0] * field.shape[1] * fit.share) * scale_of(fit.matrix))


def rivals(fits: Iterable[Fit], field: Field) -> list[Fit]:
    """Return the best of `fits` and its rivals, their scores as they would be at its size."""
    fits = list(fits)
    if not fits:
        return []
    best = max(fits, key=lambda fit: (fit.final, weight(fit, field)))
    apart = RIVAL * min(field.shape) * scale_of(best.matrix)
    others = distinct(fits, field, apart)
    away = _far(_corners([best], field)[0], _corners(others, field)) > apart
    others = [fit for fit, is_away in zip(others, away, strict=True) if is_away]
    side = _side(best, field)
    return [
        best,
        *(replace(fit, score=float(np.tanh(weight(fit, field) / side))) for fit in others),
    ]


def distinct(fits: list[Fit], field: Field, apart: float) -> list[Fit]:
    """Return `fits` from the best on, without those that all but coincide with a better one."""
    fits = sorted(fits, key=lambda fit: -weight(fit, field))
    corners = _corners(fits, field)
    kept: list[int] = []
    for number, own in enumerate(corners):
        if not kept or _far(own, corners[kept]).min() > apart:
            kept.append(number)
    return [fits[number] for number in kept]


def _corners(fits: list[Fit], field: Field) -> npt.NDArray[np.float64]:
    """Return where each placement puts the field's corners, ``(N, 4, 2)``."""
    height, width = field.shape
    corners = np.array([[0, 0], [0, width], [height, 0], [height, width]], np.float64)
    matrices = np.array([fit.matrix for fit in fits]).reshape(-1, 3, 3)
    return np.asarray(corners @ matrices[:, :2, :2].transpose(0, 2, 1) + matrices[:, None, :2, 2])


def _far(own: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how far corners are from others ``(N, 4, 2)``, on average."""
    return np.asarray(np.sqrt(((others - own) ** 2).sum(-1)).mean(-1))
