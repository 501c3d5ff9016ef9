"""Two cameras never give one white, gain and shading: what has to be matched before subtracting.

The match is fitted once, between the input and the reference, on low frequencies, which neither
focus nor a small misregistration changes, and robustly, so that dirt on one photo does not count.
It is applied to the reference, and so is the same for every method: none can gain by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from scipy.optimize import least_squares

from napari_medrefine.compare.filters import Floats
from napari_medrefine.compare.metrics import Mask
from napari_medrefine.errors import MedRefineError

Line = npt.NDArray[np.float64]
Match = Literal["none", "gain", "shading"]
_LOW = 4.0  # sigma in input pixels: what is coarser counts as low frequency
_FEWEST = 30  # pieces of information, of which there is one every `_LOW` pixels
_MOST = 20_000  # of them that are fitted to
_LARGEST = 4.0  # gains beyond 1/4 to 4 are other ranges, not other exposures


@dataclass(frozen=True, eq=False)
class IntensityMatch:
    """How the reference was brought to the input's intensities.

    Attributes
    ----------
    kind : {"none", "gain", "shading"}
        Nothing; a gain and an offset per channel; or a gain that varies over the field as a
        polynomial of degree 2, which takes up vignetting and a tilt of the light, and an offset.
    terms : (channels, 2 or 7) array
        Per channel: the offset (white at 1), the gain in the middle, and of the shading the
        coefficients of r, c, r^2, rc, c^2, where r and c run from -1 to 1 over the part.
    first, part : (float, float)
        The part it was fitted on: the outer edge of its first pixel, and its rows and columns, in
        input pixels.
    before, after : float
        Root mean square difference of the low frequencies, in grey levels of 255.
    """

    kind: Match
    terms: npt.NDArray[np.float64]
    before: float
    after: float
    first: tuple[float, float] = (0.0, 0.0)
    part: tuple[float, float] = (1.0, 1.0)

    def apply(self, reference: Floats, rows: Line, cols: Line) -> Floats:
        """Return `reference`, matched.

        Parameters
        ----------
        reference : ``(H, W)`` or ``(H, W, C)`` float32
        rows, cols : ``(H,)`` and ``(W,)`` arrays
            Where its pixels lie, in input pixels.
        """
        if self.kind == "none":
            return reference
        stack = reference[..., None] if reference.ndim == 2 else reference
        matched = np.empty_like(stack)
        r, c = (
            ((line - first) / part * 2 - 1).astype(np.float32)
            for line, first, part in zip((rows, cols), self.first, self.part, strict=True)
        )
        for k, terms in enumerate(self.terms):
            gain = _gain(terms, r[:, None], c[None, :]).astype(np.float32)
            matched[..., k] = stack[..., k] * gain + np.float32(terms[0])
        return matched[..., 0] if reference.ndim == 2 else matched

    def words(self) -> str:
        """Say what was done, with its parameters."""
        if self.kind == "none":
            return "Intensities as they are: no match."
        names = ("grey",) if len(self.terms) == 1 else ("R", "G", "B")
        each = ", ".join(
            f"{name} x {terms[1]:.3f} {255 * terms[0]:+.1f}"
            for name, terms in zip(names, self.terms, strict=True)
        )
        shading = ""
        if self.kind == "shading":
            span = [np.ptp(_gain(t, *_coordinates((33, 33)))) / t[1] for t in self.terms]
            shading = f", the gain varying by {max(span):.1%} over the part"
        return (
            f"Reference matched to the input's intensities on low frequencies: {each} grey levels"
            f"{shading}; they differ by {self.after:.1f} instead of {self.before:.1f} grey levels "
            "then."
        )


def fit_match(
    reference: Floats,
    given: Floats,
    mask: Mask,
    kind: Match,
    first: tuple[int, int] = (0, 0),
) -> IntensityMatch:
    """Fit how `reference` becomes `given`, both on the input's pixels, white at 1.

    Linear least squares with a soft L1 loss (SciPy's ``least_squares``) on both images smoothed by
    a Gaussian of 4 pixels that does not look across the mask.

    Parameters
    ----------
    reference, given : ``(H, W)`` or ``(H, W, C)`` float32
    mask : ``(H, W)`` bool
        Where both lie.
    kind : {"none", "gain", "shading"}
        See `IntensityMatch`.
    first : (int, int)
        The input's row and column at which both begin.

    Raises
    ------
    MedRefineError
        If the part is too small for it, or the values are not of one range.
    """
    weight = ndi.gaussian_filter(mask.astype(np.float32), _LOW)
    step = max(int(_LOW), round(np.sqrt(mask.sum() / _MOST)))
    inside = (mask & (weight > 0.5))[::step, ::step]
    if inside.sum() < _FEWEST and kind != "none":
        raise MedRefineError(
            "The overlap is too small to match intensities on; choose a larger region or no match."
        )
    rows, cols = (
        np.broadcast_to(line, mask.shape)[::step, ::step][inside]
        for line in _coordinates(mask.shape)
    )
    x, y = (_low(image, mask, weight)[::step, ::step][inside] for image in (reference, given))
    before = _rms(x - y)
    if kind == "none":
        return IntensityMatch(kind, np.zeros((0, 2)), before, before)
    terms = np.stack([_fit(x[:, k], y[:, k], rows, cols, kind) for k in range(x.shape[1])])
    _check_gain(terms[:, 1])
    fitted = np.stack([_gain(t, rows, cols) * x[:, k] + t[0] for k, t in enumerate(terms)], 1)
    edge = (first[0] - 0.5, first[1] - 0.5)
    part = (float(mask.shape[0]), float(mask.shape[1]))
    return IntensityMatch(kind, terms, before, _rms(fitted - y), edge, part)


def _fit(x: Floats, y: Floats, rows: Floats, cols: Floats, kind: Match) -> npt.NDArray[np.float64]:
    one = np.ones_like(x)
    shading = (x * rows, x * cols, x * rows**2, x * rows * cols, x * cols**2)
    design = np.stack([one, x, *(shading if kind == "shading" else ())], 1).astype(np.float64)
    start = np.linalg.lstsq(design, y, rcond=None)[0]
    rest = np.abs(design @ start - y)
    scale = max(1e-4, 1.5 * float(np.median(rest)))
    found = least_squares(
        lambda terms: design @ terms - y,
        start,
        jac=lambda _: design.copy(),  # older versions of SciPy weight it in place
        loss="soft_l1",
        f_scale=scale,
    )
    return np.asarray(found.x, np.float64)


def _gain(terms: npt.NDArray[np.float64], rows: Floats, cols: Floats) -> npt.NDArray[np.float64]:
    gain = np.full(np.broadcast_shapes(rows.shape, cols.shape), terms[1])
    if len(terms) > 2:
        _, _, r, c, rr, rc, cc = terms
        gain = gain + r * rows + c * cols + rr * rows**2 + rc * rows * cols + cc * cols**2
    return gain


def _coordinates(shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return rows (a column) and columns (a row) from -1 to 1 over the pixels' outer edges."""
    rows, cols = ((np.arange(n) + 0.5) / n * 2 - 1 for n in shape[:2])
    return rows[:, None].astype(np.float32), cols[None, :].astype(np.float32)


def _low(image: Floats, mask: Mask, weight: Floats) -> Floats:
    stack = image[..., None] if image.ndim == 2 else image
    smooth = ndi.gaussian_filter(stack * mask[..., None], (_LOW, _LOW, 0))
    return np.asarray(smooth / np.maximum(weight, 1e-3)[..., None], np.float32)


def _rms(difference: Floats) -> float:
    if not difference.size:
        return float("nan")
    return float(255 * np.sqrt(np.mean(np.square(difference, dtype=np.float64))))


def _check_gain(gains: npt.NDArray[np.float64]) -> None:
    worst = float(gains[np.argmax(np.abs(np.log(np.maximum(np.abs(gains), 1e-6))))])
    if not 1 / _LARGEST <= worst <= _LARGEST or gains.min() <= 0:
        raise MedRefineError(
            f"The reference would need a gain of {worst:.2f} to match the input: the two do not "
            "show the same place, or their values are of different ranges. Check the registration, "
            "and convert both to one range."
        )
