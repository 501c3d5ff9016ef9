"""How the field's intensities become the overview's: a gamma, then gain, shading and offset.

Gain, shading and offset are `compare.intensity`'s, so that what is learned is matched as what is
measured; two cameras may have different gammas, too, which no gain takes up over the whole range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from scipy.optimize import minimize_scalar

from napari_medrefine.compare.intensity import IntensityMatch, fit_match
from napari_medrefine.errors import MedRefineError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
_GAMMAS = (0.4, 2.5)
_LOW = 2.0  # overview pixels: what is coarser counts as low frequency
_FAR = 0.7  # of the logarithm of a ratio: as far as a gamma may take it
_WORTH_IT = 0.9  # a gamma must take off a tenth of what the gain alone leaves
_TOLERANCE = 0.005  # of the logarithm of a gamma


@dataclass(frozen=True, eq=False)
class ToneMatch:
    """What brings each channel of a field to the overview's intensities.

    Attributes
    ----------
    gammas : tuple of float
        Per channel: the exponent, before the rest.
    matches : tuple of IntensityMatch
        Per channel: gain, shading and offset.
    """

    gammas: tuple[float, ...]
    matches: tuple[IntensityMatch, ...]

    @property
    def after(self) -> float:
        """What the low frequencies differ by in the end, in grey levels; the worst channel's."""
        return max(match.after for match in self.matches)

    def apply(self, field: Floats, rows: Doubles, cols: Doubles) -> Floats:
        """Return ``(H, W, 3)`` `field`, white at 1, matched and clipped to 0..1.

        Parameters
        ----------
        field : ndarray
        rows, cols : ``(H,)`` and ``(W,)`` arrays
            Where its pixels lie, in overview pixels.
        """
        done = [
            match.apply(np.maximum(field[..., k], 0) ** np.float32(gamma), rows, cols)
            for k, (gamma, match) in enumerate(zip(self.gammas, self.matches, strict=True))
        ]
        return np.clip(np.stack(done, -1), 0, 1)


def fit_tone(field: Floats, overview: Floats, mask: Mask, first: tuple[int, int]) -> ToneMatch:
    """Fit how `field` becomes `overview`, channel by channel, on robust low frequencies.

    Parameters
    ----------
    field, overview : ``(h, w, 3)`` float32, white at 1
        Both on the overview's pixels.
    mask : ``(h, w)`` bool
        Where the field lies.
    first : (int, int)
        The overview's row and column at which both begin.

    Raises
    ------
    MedRefineError
        If too little is there, or no gain between 1/4 and 4 does.
    """
    clean = mask & _alike(field, overview, mask)
    fits = [_fit(field[..., k], overview[..., k], clean, first) for k in range(field.shape[-1])]
    gammas, matches = zip(*fits, strict=True)
    return ToneMatch(gammas, matches)


def _alike(field: Floats, overview: Floats, mask: Mask) -> Mask:
    """Return where the two have about the usual ratio: no light gets through dirt."""
    low = [
        np.maximum(ndi.gaussian_filter(image.mean(-1), _LOW), 1 / 255)
        for image in (np.where(mask[..., None], field, overview), overview)
    ]
    ratio = np.log(low[0] / low[1])
    return np.asarray(np.abs(ratio - np.median(ratio[mask])) < _FAR)


def _fit(
    field: Floats, overview: Floats, mask: Mask, first: tuple[int, int]
) -> tuple[float, IntensityMatch]:
    def matched(gamma: float) -> IntensityMatch:
        powered = np.maximum(field, 0) ** np.float32(gamma)
        return fit_match(powered, overview, mask, "shading", first)

    plain = matched(1.0)

    def left(log: float) -> float:
        try:
            return matched(float(np.exp(log))).after
        except MedRefineError:  # needs too large a gain
            return 255.0

    found = minimize_scalar(
        left,
        bounds=tuple(np.log(_GAMMAS)),
        method="bounded",
        options={"xatol": _TOLERANCE},
    )
    if found.fun > _WORTH_IT * plain.after:
        return 1.0, plain
    gamma = float(np.exp(found.x))
    return gamma, matched(gamma)
