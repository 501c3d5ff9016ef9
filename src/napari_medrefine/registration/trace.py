"""What a search looked at, in the order it did: for seeing how it found a place, or did not."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_medrefine.registration.pyramid import Floats, Matrix
from napari_medrefine.registration.spiral import spiral_order

MOST = 2500  # positions of a level that are kept


@dataclass(frozen=True, slots=True)
class Visit:
    """A place that was refined at a level: `matrix` takes field pixels to overview pixels."""

    factor: int
    score: float
    matrix: Matrix


@dataclass(slots=True)
class Trace:
    """Filled by a search: the walks over the coarse levels, then every place refined."""

    walks: list[Walk] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)

    def walked(self, middle: npt.NDArray[np.float64]) -> list[Walk]:
        """Return all levels as walks, coarse to fine; `middle` is the field's middle."""
        fine = []
        for factor in dict.fromkeys(visit.factor for visit in self.visits):
            own = [visit for visit in self.visits if visit.factor == factor]
            points = np.array([(visit.matrix @ [*middle, 1.0])[:2] for visit in own])
            score = np.array([visit.score for visit in own], np.float32)
            fine.append(Walk(factor, points, score, refined=True))
        return [*self.walks, *fine]


@dataclass(frozen=True, eq=False)
class Walk:
    """Positions of the field's middle, in the order they were looked at, at one level.

    Attributes
    ----------
    factor : int
        The overview was reduced by it.
    points : ndarray
        ``(N, 2)`` (row, col) in overview pixels.
    score : ndarray
        ``(N,)``, -1 to 1, the best over all ratios and angles.
    refined : bool
        Whether these are the places that were refined at the level, rather than all of it.
    """

    factor: int
    points: npt.NDArray[np.float64]
    score: Floats
    refined: bool = False

    @classmethod
    def of_scores(cls, score: Floats, first: npt.ArrayLike, factor: int) -> Walk:
        """Return the spiral over a level's ``(h, w)`` scores, `first` its first (row, col).

        Where the level has more positions than one can look at, every few of them are one, which
        has the best of their scores.
        """
        step = max(1, int(np.ceil(np.sqrt(score.size / MOST))))
        edges = ((0, -score.shape[0] % step), (0, -score.shape[1] % step))
        blocks = np.pad(score, edges, constant_values=-1)
        rows, cols = (n // step for n in blocks.shape)
        best = blocks.reshape(rows, step, cols, step).max(axis=(1, 3))
        order = spiral_order(rows, cols)
        there_score = best[order[:, 0], order[:, 1]]
        order = order[there_score > -1]  # elsewhere too little of the field would be seen
        there = ((order + 0.5) * step - 0.5 + np.asarray(first)).astype(np.float64)
        return cls(factor, there * factor + (factor - 1) / 2, there_score[there_score > -1])
