"""A field at its place on a level of the overview, both reduced: what its blocks are asked on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_medrefine.registration.placement import Placement, inverse, transform
from napari_medrefine.registration.pyramid import Floats, Level, Matrix, between, reduction
from napari_medrefine.registration.refine import correlation, look, part_around
from napari_medrefine.registration.verdict import Evidence, gather


@dataclass(frozen=True, eq=False)
class Pair:
    """A reduced field and a level of about its pixel size.

    Attributes
    ----------
    level : Level
    field : ndarray
        ``(h, w)`` features of the field, as it was looked at: mirrored, perhaps.
    factor : int
        By which the field was reduced.
    unmirror : ndarray
        3x3, points of the field as given to the field as looked at.
    whole : ndarray
        3x3, points of the field as looked at to the overview, both in full.
    tests : int
        How many distinct placements the search compared.
    """

    level: Level
    field: Floats
    factor: int
    unmirror: Matrix
    whole: Matrix
    tests: int

    @property
    def matrix(self) -> Matrix:
        """3x3, points of the reduced field to the level."""
        return between(self.whole, self.level.factor, self.factor)

    def ask(self, matrix: Matrix) -> Evidence:
        """Ask the blocks of the field with the field at `matrix`, of the reduced to the level."""
        return gather(self.level, self.field, matrix, self.tests)

    def score(self, matrix: Matrix) -> float:
        """Return the normalised cross-correlation with the field at `matrix`."""
        at = np.indices(self.field.shape, np.float64).reshape(2, -1)
        inside, seen = look(part_around(self.level, self.field.shape, matrix), at, matrix)
        return correlation(self.field.ravel()[inside], seen[inside])

    def as_given(self, matrix: Matrix) -> Matrix:
        """Return `matrix`, of the reduced field to the level, for both in full and as given."""
        full = inverse(reduction(self.level.factor)) @ matrix @ reduction(self.factor)
        return np.asarray(full @ self.unmirror)

    def seen_at(self, place: Placement, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return where on the reduced field's own grid a placement puts ``(N, 2)`` points of it."""
        given = inverse(reduction(self.factor) @ self.unmirror)
        there = transform(reduction(self.level.factor), place.to_overview(transform(given, points)))
        return transform(inverse(self.matrix), there)
