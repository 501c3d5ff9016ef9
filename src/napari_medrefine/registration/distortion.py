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

from napari_medrefine.registration.lens import Lens
from napari_medrefine.registration.placement import Distortion, inverse, transform
from napari_medrefine.registration.pyramid import Floats, Level, Matrix, reduction
from napari_medrefine.registration.refine import (
    FieldPoints,
    Part,
    correlation,
    field_points,
    inside_of,
)

STEPS = 8
USUAL = 0.005  # strength that a microscope's lens may well have: the width of the prior
LARGEST = 0.03  # strength beyond which the fit has gone astray
CORRELATED = 12.0  # pixels that share one piece of information
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
    """
    points = field_points(field)
    points = replace(points, at=transform(inverse(reduction(factor)), points.at))
    part = Part.around(level.features, points.at, matrix)
    model = Distortion(matrix, Lens(shapes[0], 0.0), Lens(shapes[1], 0.0))
    start, _, _ = _look(part, points, model)
    best = Bent(model, start)
    for _ in range(STEPS):
        score, inside, there = _look(part, points, model)
        if score > best.score:
            best = Bent(model, score)
        model = _better(part, points, model, inside, there)
        if max(abs(model.field.strength), abs(model.overview.strength)) > LARGEST:
            return None
    pieces = min(points.at.shape[0], field.size / CORRELATED)
    gained = pieces * np.log((1 - start**2) / max(1 - best.score**2, 1e-6))
    return best if gained > CLEARLY else None


def closest_affine(distortion: Distortion, shape: tuple[int, int]) -> Matrix:
    """Return the 3x3 affine that comes closest to `distortion` over a field of `shape`."""
    rows, cols = (np.linspace(0, n - 1, 17) for n in shape)
    points = np.stack(np.meshgrid(rows, cols, indexing="ij"), -1).reshape(-1, 2)
    ones = np.ones((len(points), 1))
    found = np.linalg.lstsq(np.hstack([points, ones]), distortion.to_overview(points))[0]
    matrix = np.eye(3)
    matrix[:2] = found.T
    return matrix


def _look(
    part: Part, points: FieldPoints, model: Distortion
) -> tuple[float, npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return the correlation under `model`, which points are on the overview, and where all lie."""
    there = model.to_overview(points.at)
    inside = inside_of(there - part.first, part.image.shape)
    score = correlation(points.value[inside], part.sample(part.image, there[inside]))
    return score, inside, there


def _better(
    part: Part,
    points: FieldPoints,
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
    d_row, d_col = (part.sample(gradient, there) for gradient in part.gradients)
    ways = [by_field, by_overview]
    jacobian = np.stack(
        [d_row, d_col, d_row * r + d_col * c, d_row * c - d_col * r]
        + [d_row * way[:, 0] + d_col * way[:, 1] for way in ways],
        1,
    )
    x = _solve(jacobian, value, part.sample(part.image, there), model)
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
