"""Which parts of a registered field may be learned from: block by block, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SIDE, _SMALLEST = 24, 12  # overview pixels of a block
_COVERED = 0.6  # share of a block that must lie on the field
FARTHEST = 0.25  # overview pixels that a block may lie off
SHARPER = 1.25  # how many times the overview's fine detail a block in focus has at least
_BLANK = 1.5 / 255  # what varies less is empty glass
_UNLIKE = 6 / 255  # a difference (root mean square) that no noise and no focus makes,
_UNUSUAL = 3.0  # if it is also so many times that of the median block
_DARK = 5 / 255  # a mean difference that the match of the field's shading does not leave
_BLURS = (0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)  # sigmas in overview pixels
_BAND = (1.0, 2.0)  # sigmas of the fine detail, in pixels of the target

BLANK, UNLIKE, APART, SOFT = "blank", "unlike the overview (dirt?)", "misaligned", "out of focus"


@dataclass(frozen=True, eq=False)
class Judged:
    """What may be learned from, and why the rest may not.

    Attributes
    ----------
    mask : ``(h, w)`` bool
        On the overview's pixels.
    left_out : dict
        Reason to share of the blocks that the field covers.
    shift : float
        Distance of the median block, in overview pixels; NaN if none has texture.
    sharpness : float
        Fine detail of the median block against the overview's; NaN likewise.
    """

    mask: Mask
    left_out: dict[str, float]
    shift: float
    sharpness: float

    @property
    def usable(self) -> float:
        """Share of the covered blocks that may be learned from."""
        return max(0.0, 1 - sum(self.left_out.values())) if self.mask.any() else 0.0


def judge(overview: Floats, small: Floats, target: Floats, large: Floats, there: Mask) -> Judged:
    """Judge a field, matched in intensity, against the overview.

    Parameters
    ----------
    overview, small : ``(h, w, 3)`` float32, white at 1
        The overview, and the field on its pixels.
    target, large : ``(zoom * h, zoom * w, 3)`` float32
        The field and the interpolated overview on the target's pixels.
    there : ``(h, w)`` bool
        Where the field lies.
    """
    views = _Views.of(overview, small, target, large, there)
    inner = ndi.binary_erosion(there)
    found = [
        (part, _Block.of(views, part, inner[part]))
        for part in _parts(there.shape)
        if inner[part].mean() >= _COVERED
    ]
    textured = [block for _, block in found if not block.blank]
    if not textured:
        return Judged(np.zeros_like(there), {BLANK: 1.0}, float("nan"), float("nan"))
    usual = float(np.median([block.difference for block in textured]))
    mask, counts = np.zeros_like(there), dict.fromkeys((BLANK, UNLIKE, APART, SOFT), 0)
    for part, block in found:
        reason = block.problem(usual)
        if reason:
            counts[reason] += 1
        else:
            mask[part] = inner[part]
    shift = float(np.median([block.shift for block in textured]))
    sharpness = float(np.median([block.sharpness for block in textured]))
    shares = {reason: count / len(found) for reason, count in counts.items() if count}
    return Judged(mask, shares, shift, sharpness)


@dataclass(frozen=True, eq=False)
class _Views:
    """What blocks are looked at on: all in grey and on the overview's pixels."""

    overview: Floats
    field: Floats  # as soft as the overview
    slopes: tuple[Floats, Floats]
    fine: Floats  # energy of fine detail, of the target
    coarse: Floats  # and of the interpolated overview

    @classmethod
    def of(
        cls, overview: Floats, small: Floats, target: Floats, large: Floats, there: Mask
    ) -> _Views:
        # Beside the field the overview goes on, or its edge would count as detail.
        zoom = target.shape[0] // there.shape[0]
        outside = ~there.repeat(zoom, 0).repeat(zoom, 1)[..., None]
        field = _like(np.where(there[..., None], small, overview), overview, there).mean(-1)
        rows, cols = np.gradient(field)
        fine, coarse = (
            _fine(image, there.shape[0]) for image in (np.where(outside, large, target), large)
        )
        return cls(overview.mean(-1), field, (rows, cols), fine, coarse)


@dataclass(frozen=True)
class _Block:
    blank: bool
    difference: float  # root mean square
    offset: float  # of the means
    shift: float  # pixels
    doubt: float  # its standard error
    sharpness: float

    @classmethod
    def of(cls, views: _Views, part: tuple[slice, slice], inside: Mask) -> _Block:
        overview, field, fine, coarse, *slopes = (
            image[part][inside]
            for image in (views.overview, views.field, views.fine, views.coarse, *views.slopes)
        )
        apart = overview - field
        shift, doubt = _shift(slopes, apart)
        blank = float(overview.std()) < _BLANK and float(field.std()) < _BLANK
        sharpness = float(np.sqrt(fine.mean() / max(float(coarse.mean()), 1e-12)))
        offset = abs(float(apart.mean()))
        return cls(blank, float(np.sqrt((apart**2).mean())), offset, shift, doubt, sharpness)

    def problem(self, usual: float) -> str:
        """Return why it may not be learned from, or nothing."""
        unlike = self.difference > max(_UNLIKE, _UNUSUAL * usual)
        if unlike or self.offset > max(_DARK, usual):
            return UNLIKE
        if self.blank:
            return BLANK
        if self.shift > FARTHEST + 2 * self.doubt:
            return APART
        return SOFT if self.sharpness < SHARPER else ""


def _parts(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Return blocks of about `SIDE` pixels, smaller in a small field, that fill the shape."""
    side = min(SIDE, max(_SMALLEST, min(shape) // 4))
    edges = [np.linspace(0, n, max(1, round(n / side)) + 1).round().astype(int) for n in shape]
    rows, cols = ([slice(a, b) for a, b in pairwise(e)] for e in edges)
    return [(row, col) for row in rows for col in cols]


def _like(small: Floats, overview: Floats, there: Mask) -> Floats:
    """Return the field as soft as the overview: the blur of `_BLURS` that leaves least."""
    inner = ndi.binary_erosion(there, iterations=6)
    inner = inner if inner.any() else there
    blurred = [ndi.gaussian_filter(small, (sigma, sigma, 0)) for sigma in _BLURS]
    left = [float(np.abs(each - overview)[inner].mean()) for each in blurred]
    best: Floats = blurred[int(np.argmin(left))]
    return best


def _fine(image: Floats, rows: int) -> Floats:
    """Return the energy of fine detail, on the overview's pixels."""
    grey = image.mean(-1)
    low, high = (ndi.gaussian_filter(grey, sigma) for sigma in _BAND)
    zoom = image.shape[0] // rows
    energy: Floats = ((low - high) ** 2).reshape(rows, zoom, -1, zoom).mean((1, 3))
    return energy


def _shift(slopes: Sequence[Floats], apart: Floats) -> tuple[float, float]:
    """Return how far a block would rather be, and the standard error of that (Lucas & Kanade)."""
    design = np.stack([*slopes, np.ones_like(apart)], 1).astype(np.float64)
    normal = design.T @ design + 1e-9 * np.eye(3)
    moved = np.linalg.solve(normal, design.T @ apart)
    rest = apart - design @ moved
    errors = np.diag(np.linalg.inv(normal))[:2] * float((rest**2).mean())
    return float(np.hypot(moved[0], moved[1])), float(np.sqrt(errors.sum()))
