"""Sub-pixel refinement: Gauss-Newton on a similarity, with gain, bias and robust weights.

Source: Lucas & Kanade 1981, in the inverse compositional form of Baker & Matthews 2004: the
derivatives are those of the field, whose noise its reduction has averaged out, and are taken once.
The weights are Cauchy's, so that dirt, which is on one of the photos only, pulls little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medrefine.registration.pyramid import Floats, Level, Matrix, Patch

ENOUGH = 110_000  # points looked at; more cost time and gain nothing measurable
STEPS = 12
FIRST_STEPS = 6  # where it is refined further afterwards
CONVERGED = 0.004  # pixels that nothing moves by any more
MARGIN = 8  # pixels around the field that refinement may reach
LEAST_SHARE = 0.2  # of the field's points that must lie on the overview


@dataclass(frozen=True, eq=False)
class Fit:
    """A candidate place: `matrix` takes points of the field to the overview.

    `share` of the field lies on the overview there; the `score` rests on it alone. `final` tells
    whether it was refined down to the finest level. `spread` is the
    covariance of (row, col, log ratio, angle) about the field's middle, in overview pixels and
    radians, as if neighbouring pixels were independent.
    """

    score: float
    matrix: Matrix
    share: float = 1.0
    spread: Matrix | None = None
    final: bool = True


@dataclass(frozen=True, eq=False)
class Template:
    """An even sample of a reduced field: where, what, and how it changes there.

    Attributes
    ----------
    at : ndarray
        ``(2, N)`` rows and columns in the reduced field.
    value : ndarray
        ``(N,)`` features.
    change : ndarray
        ``(4, N)`` derivatives by row, column, log size and angle about `middle`.
    middle : ndarray
        (row, col).
    """

    at: npt.NDArray[np.float64]
    value: Floats
    change: Floats
    middle: npt.NDArray[np.float64]

    def only(self, kept: npt.NDArray[np.bool_]) -> Template:
        """Return the sample without the points that are not `kept`."""
        return Template(self.at[:, kept], self.value[kept], self.change[:, kept], self.middle)

    @classmethod
    def of(cls, field: Floats) -> Template:
        """Sample `field`."""
        step = max(1, int(np.ceil(np.sqrt(field.size / ENOUGH))))
        rows, cols = np.mgrid[0 : field.shape[0] : step, 0 : field.shape[1] : step]
        middle = (np.array(field.shape) - 1) / 2
        slopes: list[Floats] = list(np.gradient(field))
        d_row, d_col = (slope[::step, ::step].ravel() for slope in slopes)
        r, c = (rows - middle[0]).ravel(), (cols - middle[1]).ravel()
        change = np.stack([d_row, d_col, d_row * r + d_col * c, d_row * c - d_col * r])
        at = np.stack([rows.ravel(), cols.ravel()]).astype(np.float64)
        return cls(at, field[::step, ::step].ravel(), change.astype(np.float32), middle)


def part_around(level: Level, field_shape: tuple[int, ...], matrix: Matrix) -> Patch:
    """Return the part of `level` on which a reduced field of this shape may come to lie."""
    height, width = field_shape
    corners = np.array([[0, 0, height, height], [0, width, 0, width]], np.float64)
    there = matrix[:2, :2] @ corners + matrix[:2, 2:]
    low = np.floor(there.min(1)).astype(int) - MARGIN
    high = np.ceil(there.max(1)).astype(int) + MARGIN
    return level.patch(low, high)


def refine(part: Patch, template: Template, start: Matrix, settled: float = CONVERGED) -> Fit:
    """Return the best similarity near `start` and its normalised cross-correlation.

    Parameters
    ----------
    part : Patch
        Features of the overview at about the field's pixel size, around where `start` puts it.
    template : Template
        Of the field.
    start : ndarray
        3x3, points of the reduced field to points of the level; right to about two pixels.
    settled : float
        Pixels; enough when nothing moves by more.

    Returns
    -------
    Fit
        Between the reduced field and the level.
    """
    best, matrix = Fit(-1.0, start), start
    for _ in range(STEPS if settled == CONVERGED else FIRST_STEPS):
        inside, seen = look(part, template.at, matrix)
        share = float(inside.mean())
        if share < LEAST_SHARE:
            break
        whole = share == 1.0
        value = template.value if whole else template.value[inside]
        change = template.change if whole else template.change[:, inside]
        seen = seen if whole else seen[inside]
        score = correlation(value, seen)
        x, spread = _step(change, value, seen)
        if score > best.score:
            best = Fit(score, matrix, share, spread)
        matrix = matrix @ _undo(x, template.middle)
        reach = float(np.hypot(*template.middle))
        if max(np.abs(x[:2]).max(), np.abs(x[2:]).max() * reach) < settled:
            break
    return best


def look(
    part: Patch, at: npt.NDArray[np.float64], matrix: Matrix
) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Return which of the points ``(2, N)`` lie on the part, and what is there."""
    there = matrix[:2, :2] @ at + (matrix[:2, 2] - part.first)[:, None]
    limit = np.array(part.image.shape)[:, None] - 1
    inside = np.asarray(((there >= 0) & (there <= limit)).all(axis=0))
    seen = ndimage.map_coordinates(part.image, there, order=1, mode="nearest")
    return inside, np.asarray(seen, np.float32)


def correlation(a: Floats, b: Floats) -> float:
    """Return the normalised cross-correlation of two lists of values, 0 where one is constant."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 0.0


def _step(
    change: Floats, value: Floats, seen: Floats
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return by how much the field would have to move to look like `seen`, and the covariance."""
    a, b = value - value.mean(), seen - seen.mean()
    error = b * np.float32(np.std(a) / max(float(np.std(b)), 1e-9)) - a
    spread = 2 * float(np.median(np.abs(error[::3]))) + 1e-9
    weight = 1 / (1 + (error / np.float32(spread)) ** 2)
    change = change - change.mean(1, keepdims=True)
    weighted = change * weight
    normal = (weighted @ change.T).astype(np.float64)
    normal += np.diag(1e-6 * np.diag(normal) + 1e-12)
    inverse = np.linalg.inv(normal)
    noise = float((weight * error * error).sum() / weight.sum())
    return inverse @ (weighted @ error), inverse * noise


def _undo(x: npt.NDArray[np.float64], middle: npt.NDArray[np.float64]) -> Matrix:
    """Return the inverse of moving, sizing and turning about `middle` by `x`."""
    linear = np.array([[1 + x[2], x[3]], [-x[3], 1 + x[2]]])
    step = np.eye(3)
    step[:2, :2] = linear
    step[:2, 2] = middle - linear @ middle + x[:2]
    return np.asarray(np.linalg.inv(step))
