"""Radial lens distortion, one term, invertible everywhere.

The division of labour of Brown's model cut to its first term: a point at relative radius ``s``
(1 at the image's corner) moves to ``s * (1 + strength * s**2)``. A cubic with negative strength
turns back on itself far out, and a field's pixel grid is asked about points ten radii away, so
beyond `REACH` the curve goes on as its tangent: one-to-one over the whole plane.

Source: D. C. Brown, "Close-range camera calibration", Photogrammetric Engineering 37 (1971).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

REACH = 1.5
"""Relative radius up to which the cubic holds."""
STRONGEST = 0.1
"""Largest |strength| accepted: the curve is then still strictly rising at `REACH`."""


@dataclass(frozen=True)
class Lens:
    """A radial distortion about the centre of an image of `shape`.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the image, in pixels.
    strength : float
        Displacement at the image's corner, as a share of the corner's radius; within +-0.1.
    """

    shape: tuple[int, int]
    strength: float

    @property
    def center(self) -> Points:
        """Centre of the image, (row, col)."""
        return (np.array(self.shape, np.float64) - 1) / 2

    @property
    def radius(self) -> float:
        """Distance from the centre to the corner, in pixels."""
        return max(float(np.hypot(*self.center)), 1.0)

    def bend(self, points: Points) -> Points:
        """Apply the distortion to ``(N, 2)`` points."""
        offset = (points - self.center) / self.radius
        s = np.hypot(offset[:, 0], offset[:, 1])
        return self.center + offset * (_curve(s, self.strength) / _never_zero(s))[:, None] * (
            self.radius
        )

    def straighten(self, points: Points) -> Points:
        """Undo `bend`, to rounding."""
        offset = (points - self.center) / self.radius
        bent = np.hypot(offset[:, 0], offset[:, 1])
        s = _invert(bent, self.strength)
        return self.center + offset * (s / _never_zero(bent))[:, None] * self.radius


def _never_zero(s: Points) -> Points:
    return np.maximum(s, np.finfo(np.float64).tiny)


def _curve(s: Points, strength: float) -> Points:
    inside = np.minimum(s, REACH)
    slope = 1 + 3 * strength * REACH**2
    return inside * (1 + strength * inside**2) + slope * (s - inside)


def _invert(bent: Points, strength: float) -> Points:
    """Newton's method on the rising curve; quadratic convergence from so mild a start."""
    s = bent.copy()
    for _ in range(30):
        slope = 1 + 3 * strength * np.minimum(s, REACH) ** 2
        step = (_curve(s, strength) - bent) / slope
        s -= step
        np.maximum(s, 0, out=s)
        if not step.size or np.abs(step).max() < 1e-13 * (1 + s.max()):
            break
    return s
