"""How far a placement may be off: the standard error of the position.

The covariance of the fit takes every pixel for a piece of information of its own. Features are
band-passed, so a piece of information is some `CORRELATED` pixels wide, and what interpolation and
two lenses leave does not shrink with more pixels. Both numbers are calibrated on `photos44` and the
hard set made from it (`benchmarks/registration.py` prints how often the truth lies within two
standard errors).
"""

from __future__ import annotations

import numpy as np

from napari_medrefine.registration.refine import Fit
from napari_medrefine.registration.window import scale_of

CORRELATED = 6.0  # pixels, along a side, that share one piece of information
SYSTEMATIC = 0.025  # overview pixels that more information does not take away


def standard_error(fit: Fit, shape: tuple[int, int]) -> float:
    """Return the standard error of the position, averaged over the field.

    Parameters
    ----------
    fit : Fit
        Between the field and the overview.
    shape : (int, int)
        Height and width of the field, in its own pixels.

    Returns
    -------
    float
        In overview pixels; NaN where nothing was fitted.
    """
    if fit.spread is None:
        return float("nan")
    spread = np.diag(fit.spread)
    square = (shape[0] ** 2 + shape[1] ** 2) / 12 * scale_of(fit.matrix) ** 2
    independent = spread[0] + spread[1] + (spread[2] + spread[3]) * square
    return float(np.sqrt(CORRELATED**2 * independent + SYSTEMATIC**2))
