"""What a search allows: ratios, angles, and whether the field may be mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration.pyramid import Matrix

Ratio = float | tuple[float, float] | None
Angle = tuple[float, float] | None
Degrees = TypeVar("Degrees", float, npt.NDArray[np.float64])

TOLERANCE = 0.08  # by which a nominal ratio may be off
UNKNOWN = (2.0, 40.0)  # ratios searched where it is unknown
USUAL_ANGLE = (-15.0, 15.0)  # degrees: a camera is mounted nearly straight
ANY_ANGLE = (-180.0, 180.0)
OCTAVE = 1.42  # between the ratios that one template size serves


@dataclass(frozen=True, slots=True)
class Window:
    """Ratios and angles (degrees) to search, each from low to high."""

    ratio: tuple[float, float]
    angle: tuple[float, float]
    mirrored: tuple[bool, ...] = (False,)

    @property
    def nominal(self) -> float:
        """The ratio in the middle, geometrically."""
        return float(np.sqrt(self.ratio[0] * self.ratio[1]))

    @property
    def known(self) -> bool:
        """Whether the ratio is known well enough for one template size."""
        return self.ratio[1] <= OCTAVE * self.ratio[0]

    def allows(self, matrix: Matrix) -> bool:
        """Return whether the ratio and angle of `matrix` are within the window, or nearly."""
        turn = np.degrees(np.arctan2(matrix[0, 1], matrix[0, 0]))
        off = abs(turned_by(turn - sum(self.angle) / 2))
        ratio = 1 / scale_of(matrix)
        return bool(
            self.ratio[0] * 0.97 <= ratio <= self.ratio[1] * 1.03
            and off <= (self.angle[1] - self.angle[0]) / 2 + 3
        )

    def octaves(self) -> list[Window]:
        """Divide a wide range of ratios into parts that one template size serves."""
        return [Window(ratio, self.angle, self.mirrored) for ratio in windows_between(*self.ratio)]


def windows_between(low: float, high: float) -> list[tuple[float, float]]:
    """Divide a range of ratios into the fewest that one template size serves each.

    None where there is no such range.
    """
    if not low <= high:
        return []
    parts = max(1, int(np.ceil(np.log(high / low) / np.log(OCTAVE))))
    edges = np.geomspace(low, high, parts + 1)
    return [(float(first), float(last)) for first, last in pairwise(edges)]


def turned_by(degrees: Degrees) -> Degrees:
    """Return an angle, or several, as -180 to 180."""
    return (degrees + 180) % 360 - 180


def scale_of(matrix: Matrix) -> float:
    """Return how many overview pixels one field pixel is."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))


def window_of(ratio: Ratio, angle: Angle) -> Window:
    """Return what to search, from what the user said.

    Raises
    ------
    MedRefineError
        If the ratio or the angle is impossible.
    """
    if ratio is None:
        low, high = UNKNOWN
    elif isinstance(ratio, tuple | list):
        low, high = _pair(ratio)
    else:
        low, high = _number(ratio) / (1 + TOLERANCE), _number(ratio) * (1 + TOLERANCE)
    if not (np.isfinite([low, high]).all() and 0 < low <= high):
        raise MedRefineError(f"The ratio must be a positive number or range, not {ratio!r}.")
    if angle is None:
        angle = ANY_ANGLE if ratio is None else USUAL_ANGLE
    first, last = _pair(angle)
    if not (np.isfinite([first, last]).all() and first <= last and last - first <= 360):
        raise MedRefineError(f"The angle must be a range in degrees, low to high, not {angle!r}.")
    return Window((low, high), (first, last), (False, True) if ratio is None else (False,))


def _pair(given: object) -> tuple[float, float]:
    """Return a range as two numbers; NaN where it is none."""
    try:
        low, high = (_number(value) for value in given)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return np.nan, np.nan
    return low, high


def _number(given: object) -> float:
    return float(given) if isinstance(given, Real) else np.nan
