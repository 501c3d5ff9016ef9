"""How far two images of one place still lie apart: measured, not promised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from skimage.registration import phase_cross_correlation

from napari_medrefine.compare.filters import Floats
from napari_medrefine.compare.metrics import Mask

_FINE, _COARSE = 1.0, 6.0  # sigmas in pixels of the band that is compared
_EDGE = 3.0  # sigma of the mask's soft edge
_LARGEST = 8.0  # pixels beyond which the two are not registered at all
_ROUNDS = 4


@dataclass(frozen=True)
class Shift:
    """What is left between the reference and the input, in input pixels.

    Attributes
    ----------
    rows, cols : float
        How far the reference's content lies from the input's; 0 where no shift made them agree
        better.
    before, after : float
        Correlation of the two as they are, and with the shift taken back.
    """

    rows: float
    cols: float
    before: float
    after: float

    @property
    def length(self) -> float:
        """Its length in input pixels."""
        return float(np.hypot(self.rows, self.cols))


def measured_shift(reference: Floats, given: Floats, mask: Mask) -> Shift:
    """Measure by how much `reference` is displaced against `given`, both on the input's pixels.

    Cross-correlation of the band-passed greys (scikit-image's ``phase_cross_correlation`` without
    normalisation, to 1/100 pixel; its error estimate is not used), repeated on what is left until
    it moves no more. A shift is believed only if the correlation with it taken back is better.
    """
    soft = ndi.gaussian_filter(ndi.binary_erosion(mask, iterations=6).astype(np.float32), _EDGE)
    fixed, moving = _band(given, mask), _band(reference, mask)
    before = _correlation(moving, fixed, soft)
    best, total = before, np.zeros(2)
    for _ in range(_ROUNDS):
        moved = ndi.shift(moving, total, order=3, mode="nearest") if total.any() else moving
        step, _, _ = phase_cross_correlation(
            fixed * soft, moved * soft, upsample_factor=100, normalization=None
        )
        if not np.any(step):
            break
        trial = total + step
        if np.hypot(*trial) > _LARGEST:
            break
        after = _correlation(ndi.shift(moving, trial, order=3, mode="nearest"), fixed, soft)
        if after <= best:
            break
        best, total = after, trial
    # `total` brings the reference back, so the reference lies the other way.
    return Shift(float(-total[0]) + 0.0, float(-total[1]) + 0.0, before, best)


def _band(image: Floats, mask: Mask) -> npt.NDArray[np.float64]:
    grey = image.mean(-1, dtype=np.float64) if image.ndim == 3 else image.astype(np.float64)
    level = float(grey[mask].mean()) if mask.any() else 0.0
    filled = np.where(mask, grey, level)
    return np.asarray(ndi.gaussian_filter(filled, _FINE) - ndi.gaussian_filter(filled, _COARSE))


def _correlation(
    first: npt.NDArray[np.float64], second: npt.NDArray[np.float64], weight: Floats
) -> float:
    total = max(float(weight.sum()), 1e-12)
    a, b = (image - float((image * weight).sum()) / total for image in (first, second))
    power = float((a * a * weight).sum() * (b * b * weight).sum())
    return float((a * b * weight).sum() / np.sqrt(power)) if power > 0 else 0.0
