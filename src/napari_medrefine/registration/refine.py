"""Sub-pixel refinement: Gauss-Newton on a similarity, with gain, bias and robust weights.

Source: Lucas & Kanade 1981 in the form of Baker & Matthews 2004; the weights are Cauchy's, so that
dirt, which is on one of the photos only, pulls little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medrefine.registration.pyramid import Floats, Level, Matrix

ENOUGH = 60_000  # points looked at; more cost time and gain nothing measurable
STEPS = 12
CONVERGED = 0.004  # pixels that nothing moves by any more
MARGIN = 12  # pixels around the field that refinement may reach
LEAST_SHARE = 0.2  # of the field's points that must lie on the overview


@dataclass(frozen=True, eq=False)
class Fit:
    """A candidate place: `matrix` takes points of the reduced field to the level's.

    `share` of the field lies on the overview there; the `score` rests on it alone.
    """

    score: float
    matrix: Matrix
    share: float = 1.0


@dataclass(frozen=True, eq=False)
class FieldPoints:
    """Points of the field, their features, and where their middle is."""

    at: npt.NDArray[np.float64]
    value: Floats
    middle: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Part:
    """The part of a level on which a field may come to lie, and its derivatives."""

    image: Floats
    gradients: list[Floats]
    first: npt.NDArray[np.int_]

    @classmethod
    def around(cls, image: Floats, points: npt.NDArray[np.float64], start: Matrix) -> Part:
        """Cut the part of `image` around where `start` puts `points`."""
        there = points @ start[:2, :2].T + start[:2, 2]
        limit = np.array(image.shape)
        low = np.clip(np.floor(there.min(0)).astype(int) - MARGIN, 0, limit - 2)
        high = np.clip(np.ceil(there.max(0)).astype(int) + MARGIN, low + 2, limit)
        part = image[low[0] : high[0], low[1] : high[1]]
        return cls(part, list(np.gradient(part)), low)

    def sample(self, image: Floats, there: npt.NDArray[np.float64]) -> Floats:
        """Return `image` (the part, or a derivative) at points of the level."""
        return np.asarray(
            ndimage.map_coordinates(image, (there - self.first).T, order=1), np.float32
        )


def refine(level: Level, field: Floats, start: Matrix, steps: int = STEPS) -> Fit:
    """Return the best similarity near `start` and its normalised cross-correlation.

    Parameters
    ----------
    level : Level
        The overview at about the field's pixel size.
    field : ndarray
        ``(h, w)`` features of the field.
    start : ndarray
        3x3, points of `field` to points of `level`; right to about two pixels.
    steps : int
        Gauss-Newton steps at most.
    """
    points = field_points(field)
    part = Part.around(level.features, points.at, start)
    best, matrix = Fit(-1.0, start), start
    for _ in range(steps):
        there = points.at @ matrix[:2, :2].T + matrix[:2, 2]
        inside = inside_of(there - part.first, part.image.shape)
        if inside.mean() < LEAST_SHARE:
            break
        here, there = points.value[inside], there[inside]
        seen = part.sample(part.image, there)
        score = correlation(here, seen)
        if score > best.score:
            best = Fit(score, matrix, float(inside.mean()))
        step, moved = _step(part, here, seen, there, matrix @ [*points.middle, 1.0])
        matrix = step @ matrix
        if moved < CONVERGED:
            break
    return best


def correlation(a: Floats, b: Floats) -> float:
    """Return the normalised cross-correlation of two lists of values, 0 where one is constant."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 0.0


def field_points(field: Floats) -> FieldPoints:
    """Return an even sample of the points of `field`."""
    step = max(1, int(np.ceil(np.sqrt(field.size / ENOUGH))))
    rows, cols = np.mgrid[0 : field.shape[0] : step, 0 : field.shape[1] : step]
    at = np.stack([rows.ravel(), cols.ravel()], 1).astype(np.float64)
    return FieldPoints(at, field[::step, ::step].ravel(), (np.array(field.shape) - 1) / 2)


def inside_of(points: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return which points lie on an image of `shape`."""
    return np.asarray(((points >= 0) & (points <= np.array(shape) - 1)).all(axis=1))


def _step(
    part: Part,
    here: Floats,
    seen: Floats,
    there: npt.NDArray[np.float64],
    middle: npt.NDArray[np.float64],
) -> tuple[Matrix, float]:
    """Return the 3x3 to apply on the overview's side, and how far it moves any point."""
    d_row, d_col = (part.sample(gradient, there) for gradient in part.gradients)
    r, c = (there - middle[:2]).T
    jacobian = np.stack([d_row, d_col, d_row * r + d_col * c, d_row * c - d_col * r], 1)
    jacobian -= jacobian.mean(0)
    a, b = here - here.mean(), seen - seen.mean()
    error = a * (float(np.std(b)) / max(float(np.std(a)), 1e-9)) - b
    spread = 2 * float(np.median(np.abs(error))) + 1e-9
    weighted = jacobian / (1 + (error / spread) ** 2)[:, None]
    normal = weighted.T @ jacobian
    normal += np.diag(1e-6 * np.diag(normal) + 1e-12)
    x = np.linalg.solve(normal, weighted.T @ error)
    linear = np.array([[1 + x[2], x[3]], [-x[3], 1 + x[2]]])
    step = np.eye(3)
    step[:2, :2] = linear
    step[:2, 2] = middle[:2] - linear @ middle[:2] + x[:2]
    moved = max(np.abs(x[:2]).max(), np.abs(x[2:]).max() * np.hypot(r, c).max())
    return step, float(moved)
