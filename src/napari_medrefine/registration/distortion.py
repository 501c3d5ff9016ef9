"""Lens distortion: one radial term for each photo, fitted only where the photos bear it.

A similarity between two photos through real lenses leaves residues of a few tenths of a pixel that
grow towards the corners. Both lenses are fitted together with the similarity (six numbers), which
is all there is to know of two radially distorted photos of one plane; a free affine or polynomial
would have more numbers and fit them worse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medrefine.registration.lens import Lens
from napari_medrefine.registration.placement import Distortion, inverse, transform
from napari_medrefine.registration.pyramid import (
    Floats,
    Level,
    Matrix,
    Patch,
    between,
    reduction,
)
from napari_medrefine.registration.refine import correlation, part_around
from napari_medrefine.registration.verdict import Blocks

STEPS = 8
ENOUGH = 30_000  # points looked at
SETTLED = 2e-5  # correlation that a step must gain to be followed by another
USUAL = 0.005  # strength that a microscope's lens may well have: the width of the prior
LARGEST = 0.03  # strength beyond which the fit has gone astray
CORRELATED = 12.0  # pixels that share one piece of information
UNLIKE = 0.03  # share of the variance that interpolation explains away, whatever the lenses
CLEARLY = 16.0  # log-likelihood ratio (times two) that two more numbers must earn


@dataclass(frozen=True, eq=False)
class Bent:
    """A placement through two lenses, and the correlation it reaches."""

    distortion: Distortion
    score: float


def fit_distortion(
    level: Level,
    field: Floats,
    factor: int,
    matrix: Matrix,
    shapes: tuple[tuple[int, int], tuple[int, int]],
    blocks: Blocks,
) -> Bent | None:
    """Return the lenses that the photos show, or None where a similarity does as well.

    Parameters
    ----------
    level : Level
        The overview at full resolution.
    field : ndarray
        Features of the field reduced by `factor`.
    matrix : ndarray
        3x3, field pixels to overview pixels, right to about a pixel.
    shapes : tuple
        Shape of the field and of the overview, in their own pixels.
    blocks : Blocks
        Of the field; those that do not agree (dirt) are left out.
    """
    points = _points(field, factor, blocks)
    start_matrix = between(matrix, level.factor, factor)
    seen = _Seen(part_around(level, field.shape, start_matrix), level.factor)
    model = Distortion(matrix, Lens(shapes[0], 0.0), Lens(shapes[1], 0.0))
    pieces = min(len(points.at), field.size * blocks.agree.mean() / CORRELATED)
    start, inside, there = _look(seen, points, model)
    best = Bent(model, start)
    for _ in range(STEPS):
        model = _better(seen, points, model, inside, there)
        if max(abs(model.field.strength), abs(model.overview.strength)) > LARGEST:
            return None
        score, inside, there = _look(seen, points, model)
        gained = score - best.score
        if gained > 0:
            best = Bent(model, score)
        # The first step goes most of the way: where that earns little, the rest will not either.
        if gained < SETTLED or _earned(start, best.score, pieces) < CLEARLY / 4:
            break
    return best if _earned(start, best.score, pieces) > CLEARLY else None


def _earned(before: float, after: float, pieces: float) -> float:
    """Return twice the log-likelihood ratio of two correlations."""
    return float(pieces * np.log((1 - before**2 + UNLIKE) / (1 - after**2 + UNLIKE)))


def closest_affine(distortion: Distortion, shape: tuple[int, int]) -> Matrix:
    """Return the 3x3 affine that comes closest to `distortion` over a field of `shape`."""
    rows, cols = (np.linspace(0, n - 1, 17) for n in shape)
    points = np.stack(np.meshgrid(rows, cols, indexing="ij"), -1).reshape(-1, 2)
    ones = np.ones((len(points), 1))
    found = np.linalg.lstsq(np.hstack([points, ones]), distortion.to_overview(points))[0]
    matrix = np.eye(3)
    matrix[:2] = found.T
    return matrix


@dataclass(frozen=True, eq=False)
class _Points:
    """Points of the field, ``(N, 2)`` in its own pixels, and its features there."""

    at: npt.NDArray[np.float64]
    value: Floats


def _points(field: Floats, factor: int, blocks: Blocks) -> _Points:
    """Return an even sample of the points, on agreeing blocks, of a field reduced by `factor`."""
    step = max(1, int(np.ceil(np.sqrt(field.size / ENOUGH))))
    rows, cols = np.mgrid[0 : field.shape[0] : step, 0 : field.shape[1] : step]
    small = np.stack([rows.ravel(), cols.ravel()], 1).astype(np.float64)
    kept = blocks.agree_at(small.T, field.shape)
    at = transform(inverse(reduction(factor)), small[kept])
    return _Points(at, field[::step, ::step].ravel()[kept])


class _Seen:
    """The part of the overview that the field covers, at points given in overview pixels."""

    def __init__(self, part: Patch, factor: int) -> None:
        self._part, self._down = part, reduction(factor)
        slopes: list[Floats] = list(np.gradient(part.image))
        self._slopes = [slope / np.float32(factor) for slope in slopes]

    def inside(self, there: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Return which points lie on the part."""
        at = self._at(there)
        return np.asarray(((at >= 0) & (at <= np.array(self._part.image.shape) - 1)).all(axis=1))

    def value(self, there: npt.NDArray[np.float64]) -> Floats:
        """Return the features at points."""
        return self._sample(self._part.image, there)

    def slopes(self, there: npt.NDArray[np.float64]) -> list[Floats]:
        """Return how they change, by row and by column."""
        return [self._sample(slope, there) for slope in self._slopes]

    def _at(self, there: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return transform(self._down, there) - self._part.first

    def _sample(self, image: Floats, there: npt.NDArray[np.float64]) -> Floats:
        at = self._at(there).T
        return np.asarray(ndimage.map_coordinates(image, at, order=1), np.float32)


def _look(
    seen: _Seen, points: _Points, model: Distortion
) -> tuple[float, npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return the correlation under `model`, which points are on the overview, and where all lie."""
    there = model.to_overview(points.at)
    inside = seen.inside(there)
    score = correlation(points.value[inside], seen.value(there[inside]))
    return score, inside, there


def _better(
    seen: _Seen,
    points: _Points,
    model: Distortion,
    inside: npt.NDArray[np.bool_],
    there: npt.NDArray[np.float64],
) -> Distortion:
    """Return `model` after one Gauss-Newton step."""
    at, there, value = points.at[inside], there[inside], points.value[inside]
    middle = transform(model.core, model.field.center[None])[0]
    r, c = (transform(model.core, model.field.straighten(at)) - middle).T
    from_field = at - model.field.center
    from_field *= (np.hypot(*from_field.T) / model.field.radius)[:, None] ** 2
    by_field = -from_field @ model.core[:2, :2].T
    by_overview = there - model.overview.center
    by_overview *= (np.hypot(*by_overview.T) / model.overview.radius)[:, None] ** 2
    d_row, d_col = seen.slopes(there)
    ways = [by_field, by_overview]
    jacobian = np.stack(
        [d_row, d_col, d_row * r + d_col * c, d_row * c - d_col * r]
        + [d_row * way[:, 0] + d_col * way[:, 1] for way in ways],
        1,
    )
    x = _solve(jacobian, value, seen.value(there), model)
    linear = np.array([[1 + x[2], x[3]], [-x[3], 1 + x[2]]])
    step = np.eye(3)
    step[:2, :2] = linear
    step[:2, 2] = middle - linear @ middle + x[:2]
    return Distortion(
        step @ model.core,
        replace(model.field, strength=model.field.strength + float(x[4])),
        replace(model.overview, strength=model.overview.strength + float(x[5])),
    )


def _solve(
    jacobian: npt.NDArray[np.float64], value: Floats, seen: Floats, model: Distortion
) -> npt.NDArray[np.float64]:
    """Return the step that brings `seen` to `value`, robust, strengths held near usual ones."""
    jacobian = jacobian - jacobian.mean(0)
    a, b = value - value.mean(), seen - seen.mean()
    error = a * (float(np.std(b)) / max(float(np.std(a)), 1e-9)) - b
    spread = float(np.median(np.abs(error))) + 1e-9
    weighted = jacobian / (1 + (error / (2 * spread)) ** 2)[:, None]
    normal = weighted.T @ jacobian
    right = weighted.T @ error
    hold = np.zeros(6)
    hold[4:] = CORRELATED * (1.5 * spread / USUAL) ** 2
    strengths = np.array([0, 0, 0, 0, model.field.strength, model.overview.strength])
    normal += np.diag(hold + 1e-9 * np.diag(normal) + 1e-12)
    return np.asarray(np.linalg.solve(normal, right - hold * strengths))
