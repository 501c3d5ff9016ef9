"""How far a placement may be off: the standard error of the position."""

from __future__ import annotations

import numpy as np

from napari_medrefine.registration.refine import Fit
from napari_medrefine.registration.window import scale_of


def standard_error(fit: Fit, shape: tuple[int, int]) -> float:
    """Return the standard error of a point of the field, overview pixels; NaN where unknown."""
    if fit.spread is None:
        return float("nan")
    spread = np.diag(fit.spread)
    square = (shape[0] ** 2 + shape[1] ** 2) / 12 * scale_of(fit.matrix) ** 2
    return float(np.sqrt(spread[0] + spread[1] + (spread[2] + spread[3]) * square))
