"""The ratio of a field to its overview, as what is known of the two photos names it."""

from __future__ import annotations

import math
from typing import Protocol

_EQUAL = 0.01  # share by which pixel sizes differ that are called equal


class Said(Protocol):
    """What a photo says of its magnification; None where it says nothing."""

    @property
    def pixel_um(self) -> float | None:
        """The side of a pixel in micrometres."""

    @property
    def objective(self) -> float | None:
        """The objective's magnification."""


def nominal_ratio(overview: Said, field: Said) -> float | None:
    """Return how many pixels of `field` make one of `overview`, None if that is not known.

    Pixel sizes say it best; but equal ones are what a camera writes that knows no objective, so
    then the objectives have the word.
    """
    if overview.pixel_um and field.pixel_um:
        ratio = overview.pixel_um / field.pixel_um
        if not math.isclose(ratio, 1.0, rel_tol=_EQUAL):
            return ratio
    if overview.objective and field.objective:
        return field.objective / overview.objective
    return None
