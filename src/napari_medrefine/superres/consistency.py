"""Making a magnified image give its input back when it is reduced, where the input was made so.

A generator's output is ``U x + r``: interpolation plus residual. `Reduction.consistent` finds the
``v`` near ``x`` for which ``A (U v + r) = x``, so that ``U v + r`` keeps the generator's detail and
contradicts nothing that the camera collected. This is what iterative back-projection (Irani & Peleg
1991) converges to, but ``A U`` and ``A r`` have the size of the small image, and so have all steps
(Chebyshev iteration, e.g. Saad 2003, 12.3.2).

Only where ``A`` is how the input really came about does this help: on a photo through an objective
with its blur and noise it costs 2 dB. `detect_reduction` tells from the generator's own output, and
also how much of ``r`` the input bears out: of an image that is soft in itself, less than 1.

Images are ``(N, 3, H, W)``; residuals are sub-pixels as `Generator.residual` gives them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as nnf

from napari_medrefine._resample import area_taps, cubic_taps
from napari_medrefine.progress import look_up
from napari_medrefine.superres.generator import (
    BAND,
    CUBIC_REACH,
    bands,
    interpolated_sub_pixels,
)
from napari_medrefine.superres.reduction_spectrum import log_odds

Kind = Literal["area", "bicubic"]
KINDS: tuple[Kind, ...] = ("area", "bicubic")
ROUNDS = 5
# How much of its residual an input bears out, at the least, that was reduced cleanly: of crisp H&E
# slides it is 0.8 to 1.0, of slides blurred beforehand by 1.2 pixels 0.6 to 0.75, by 1.8 pixels
# 0.25 to 0.4, and of other photographs as soft as those; of images with an objective's blur and
# noise 0.17 to 0.24. What the reduced output then still differs from the input, as a share of the
# input's fine detail, is 0.03 to 0.13 of the former; JPEG leaves 0.13 to 0.25.
_LEAST_SHARE, _UNEXPLAINED = 0.25, 0.15
_WHOLE = 0.85  # a share from here on is as good as all: shares of crisp tissue scatter above it
# Averaging, unless antialiased bicubic is nearer by so much; of a reduction at x4 and above the two
# differ enough.
UNUSUAL: dict[Kind, float] = {"area": 1.0, "bicubic": 1.15}
_TOLD = 4
# From these on, the generator's output alone is right of crisp training fields as often as ever.
_SURE_SHARE, _SURE_RATIO = 0.95, 0.3
_NOTHING = 1e-9
# What is cut off where the result would be lighter than white or darker than black has to come from
# the pixels beside it.
_CLIPPED_ROUNDS, _PULL = 2, 1.5
# Wider, in pixels, than what blur is felt over; when sharpening, blur of several pixels.
_WIDE = 2.5, 8.0


@dataclass(frozen=True, slots=True)
class Reduction:
    """A clean digital reduction to one `scale`-th of the size.

    Attributes
    ----------
    kind : {"area", "bicubic"}
        Averaging over ``scale x scale`` pixels, or antialiased bicubic interpolation.
    scale : int
        Large pixels per small one.
    share : float
        How much of a residual the input bears out, 0 to 1; the rest is not to be added.
    """

    kind: Kind
    scale: int
    share: float = 1.0

    @property
    def reach(self) -> int:
        """How far, in small pixels, a value reaches in `consistent`."""
        taps = _taps(self.kind, self.scale)
        down, around = len(taps.line) // 2, taps.around.shape[-1] // 2
        return down + ROUNDS * around + _CLIPPED_ROUNDS * (down + CUBIC_REACH)

    def contradiction(self, image: Tensor, residual: Tensor) -> Tensor:
        """Return what `image` has more than its interpolation plus `residual`, reduced, has.

        Parameters
        ----------
        image : Tensor
            ``(N, 3, H, W)``, float32.
        residual : Tensor
            ``(N, scale * scale * 3, H, W)``.
        """
        return self.lacking(image) - self.reduced(residual.float())

    def lacking(self, image: Tensor) -> Tensor:
        """Return what `image` has more than its interpolation, reduced, has."""
        return image - filtered(image, _taps(self.kind, self.scale).around.to(image))

    def reduced(self, cells: Tensor) -> Tensor:
        """Return sub-pixels ``(N, scale * scale * 3, H, W)`` reduced to ``(N, 3, H, W)``."""
        line = _taps(self.kind, self.scale).line
        reach = len(line) // 2
        cells, height = _padded_rows(cells, reach), cells.shape[-2]
        result = cells.new_empty(cells.shape[0], 3, height, cells.shape[-1])
        for top in bands(height):
            look_up()
            band = cells[..., top : top + BAND + 2 * reach, :]
            result[..., top : top + BAND, :] = _across(_downwards(band, line), line)
        return result

    def bearing_out(self, image: Tensor, residual: Tensor) -> Reduction:
        """Return this with the share of another `residual`; as for `contradiction`."""
        share, _ = borne_out(self.lacking(image), self.reduced(residual.float()))
        return replace(self, share=share)

    def consistent(self, image: Tensor, residual: Tensor, limits: tuple[float, float]) -> Tensor:
        """Return ``v`` so that `interpolate(v)` plus `residual`, clipped, reduces to `image`.

        Parameters
        ----------
        image, residual
            As for `contradiction`.
        limits : (float, float)
            The least and the largest value that can be shown.
        """
        taps = _taps(self.kind, self.scale)
        missing = self.contradiction(image, residual)
        found = image + solved(missing, taps.around.to(missing), taps.least)
        for _ in range(_CLIPPED_ROUNDS):
            found = found + _PULL * (image - self._shown(found, residual, limits))
        return found

    def _shown(self, image: Tensor, residual: Tensor, limits: tuple[float, float]) -> Tensor:
        """Return `interpolate(image)` plus `residual`, clipped and reduced.

        Band by band, so that it never leaves the processor's cache.
        """
        line = _taps(self.kind, self.scale).line
        reach, height = len(line) // 2, image.shape[-2]
        image, residual = _padded_rows(image, reach + CUBIC_REACH), _padded_rows(residual, reach)
        result = torch.empty_like(image[..., :height, :])
        for top in bands(height):
            look_up()
            part = image[..., top : top + BAND + 2 * (reach + CUBIC_REACH), :]
            shown = interpolated_sub_pixels(part, self.scale)[..., CUBIC_REACH:-CUBIC_REACH, :]
            shown = shown.add_(residual[..., top : top + BAND + 2 * reach, :]).clamp_(*limits)
            result[..., top : top + BAND, :] = _across(_downwards(shown, line), line)
        return result


def solved(wanted: Tensor, around: Tensor, least: float, rounds: int = ROUNDS) -> Tensor:
    """Return the image that, filtered with the taps `around`, is `wanted`.

    Parameters
    ----------
    wanted : Tensor
        ``(N, 3, H, W)``.
    around : Tensor
        An odd number of taps, of rows and columns; at no wavelength do both together let through
        more than 1 or less than `least`.
    least : float
        Above 0.
    rounds : int
        Each takes off two thirds or more of what is missing.
    """
    middle, half = (1 + least) / 2, (1 - least) / 2
    found, missing = wanted, wanted - filtered(wanted, around)  # right already where it is flat
    ratio, step = half / middle, missing / middle
    for _ in range(rounds - 1):
        found = found + step
        missing = missing - filtered(step, around)
        following = 1 / (2 * middle / half - ratio)
        step = following * ratio * step + (2 * following / half) * missing
        ratio = following
    return found + step


def drift(residual: Tensor, scale: int) -> Tensor:
    """Return what `residual` is over more than a few pixels, sub-pixel by sub-pixel.

    No objective and no camera changes the colour of a large area, and sharpening must not, either:
    taken back, flat grey stays grey, and the mean colour stays what it is. Nor does detail repeat
    with the pixels of the input: taken back, no grid is left that a network draws everywhere.
    Whatever blurred the image, this holds, other than consistency.

    Parameters
    ----------
    residual : Tensor
        ``(N, scale * scale * 3, H, W)``.
    scale : int
        Large pixels per small one.
    """
    return filtered(residual, _gaussian(_WIDE[scale == 1], drift_reach(scale)).to(residual))


def drift_reach(scale: int) -> int:
    """Return how far, in pixels of the input, a value reaches in `drift`."""
    return round(3 * _WIDE[scale == 1])


def detect_reduction(
    image: Tensor, residual: Tensor, scale: int, levels: npt.NDArray[np.float64] | None = None
) -> Reduction | None:
    """Return the clean reduction that `image` has come from, or None if it does not look like one.

    A generator that has learned from reductions and from optics of several kinds undoes the one it
    sees: its output, reduced in that way, is close to the input; none at all of a blurred image
    comes as close. Which of two reductions that come close it is, the spectrum tells, too.

    Parameters
    ----------
    image : Tensor
        ``(1, 3, H, W)``, a piece of the input with detail in it.
    residual : Tensor
        ``(1, scale * scale * 3, H, W)``, what the generator adds to its interpolation.
    scale : int
        2 or more.
    levels : ndarray, optional
        `spectrum_levels` of a larger piece.
    """
    rests = {}
    found = {}
    for kind in KINDS:
        way = Reduction(kind, scale)
        share, rests[kind] = borne_out(way.lacking(image), way.reduced(residual.float()))
        if share >= _LEAST_SHARE / _WHOLE and explained(rests[kind], image):
            found[kind] = replace(way, share=share)
    if len(found) < len(KINDS):
        return next(iter(found.values()), None)
    ratio = math.log(max(rests["area"], _NOTHING) / max(rests["bicubic"], _NOTHING))
    least = min(way.share for way in found.values())
    return found["bicubic" if is_bicubic(scale, least, ratio, levels) else "area"]


def is_bicubic(
    scale: int, share: float, ratio: float, levels: npt.NDArray[np.float64] | None
) -> bool:
    """Return which of two reductions that both come close it was: not averaging, but bicubic.

    Parameters
    ----------
    scale : int
        2 or more.
    share : float
        The smaller of the two that `borne_out` tells.
    ratio : float
        Log ratio of what remains then: averaging's to bicubic's.
    levels : ndarray or None
        `spectrum_levels` of the image; None where it is too small for that.
    """
    if is_sure(share, ratio):
        return ratio > 0
    odds = log_odds(scale, ratio, levels)
    if odds is None:
        return ratio > (0 if scale >= _TOLD else math.log(UNUSUAL["bicubic"]))
    return odds > 0


def is_sure(share: float, ratio: float) -> bool:
    """Return whether the generator's output alone, as `is_bicubic` has it, is enough."""
    return share >= _SURE_SHARE and abs(ratio) > _SURE_RATIO


def borne_out(lacking: Tensor, added: Tensor) -> tuple[float, float]:
    """Return how much of `added` makes up for what is `lacking`, 0 to 1, and what then remains.

    Parameters
    ----------
    lacking, added : Tensor
        ``(1, 3, H, W)``: see `Reduction.lacking`; a residual, reduced.

    Returns
    -------
    share, rest : float
        By least squares; the mean size of the difference that is left.
    """
    lacking, added = _inside(lacking), _inside(added)
    energy = added.square().sum().item()
    share = (lacking * added).sum().item() / energy if energy else 1.0
    rest = (lacking - share * added).abs().mean().item()
    return min(max(share / _WHOLE, 0.0), 1.0), rest


def explained(rest: float, image: Tensor) -> bool:
    """Return whether the `rest` that `borne_out` tells is small beside the detail of `image`."""
    return rest < _UNEXPLAINED * strength(fine_detail(image))


def fine_detail(image: Tensor) -> Tensor:
    """Return what a Gaussian blur of one pixel takes away."""
    return image - filtered(image, _gaussian(1.0, 3).to(image))


def strength(difference: Tensor) -> float:
    """Return the mean size; not of the margins, whose surroundings the network did not see."""
    return _inside(difference).abs().mean().item()


def _inside(image: Tensor) -> Tensor:
    margin = min(16, min(image.shape[-2:]) // 4)
    return image[..., margin : -margin or None, margin : -margin or None]


@dataclass(frozen=True, slots=True)
class _Taps:
    """What makes a pixel of a reduced image, along one axis.

    Attributes
    ----------
    line : (2 * reach + 1, scale) array
        The weights of the sub-pixels of the pixels around.
    around : Tensor
        The weights of the pixels around, interpolated and reduced again.
    least : float
        See `least_gain`.
    """

    line: npt.NDArray[np.float64]
    around: Tensor
    least: float


@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)  # kept: training may use them, too
def _taps(kind: Kind, scale: int) -> _Taps:
    n, middle = 16, 8
    reduce = (area_taps if kind == "area" else cubic_taps)(n * scale, n).dense()
    cells = reduce[middle].reshape(n, scale)
    reach = int(np.abs(np.flatnonzero(np.abs(cells).max(1) > _NOTHING) - middle).max())
    line = cells[middle - reach : middle + reach + 1]
    row = (reduce @ cubic_taps(n, n * scale).dense())[middle]
    width = int(np.abs(np.flatnonzero(np.abs(row) > _NOTHING) - middle).max())
    row = row[middle - width : middle + width + 1]
    return _Taps(line, torch.from_numpy(row).float(), least_gain(row))


def least_gain(taps: npt.NDArray[np.float64]) -> float:
    """Return how much of the finest pattern is left after filtering rows and columns."""
    return float((taps * np.cos(np.pi * np.arange(len(taps)))).sum()) ** 2


def filtered(image: Tensor, taps: Tensor) -> Tensor:
    """Filter rows and columns with the odd number of `taps`."""
    channels, padded = image.shape[1], _padded(image, taps.shape[-1] // 2)
    across = nnf.conv2d(padded, taps.expand(channels, 1, 1, -1), groups=channels)
    return nnf.conv2d(across, taps[:, None].expand(channels, 1, -1, 1), groups=channels)


@lru_cache(maxsize=4)
@torch.inference_mode(mode=False)  # kept: training may use them, too
def _gaussian(sigma: float, reach: int) -> Tensor:
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    return taps / taps.sum()


def _padded_rows(image: Tensor, margin: int) -> Tensor:
    return nnf.pad(image, (0, 0, margin, margin), mode="replicate") if margin else image


def _downwards(cells: Tensor, line: npt.NDArray[np.float64]) -> Tensor:
    """Return the rows of sub-pixels reduced; of the rows of pixels, the outer ones are used up."""
    return _weighted(cells, line, axis=2)


def _across(cells: Tensor, line: npt.NDArray[np.float64]) -> Tensor:
    """Return the columns of sub-pixels reduced; beyond its sides the image goes on as it ends."""
    reach = len(line) // 2
    padded = nnf.pad(cells, (reach, reach, 0, 0), mode="replicate") if reach else cells
    return _weighted(padded, line, axis=3)


def _weighted(cells: Tensor, line: npt.NDArray[np.float64], axis: int) -> Tensor:
    """Add up sub-pixels, one by one: a convolution's order depends on the size of the image."""
    parts = cells.split(cells.shape[1] // line.shape[1], dim=1)
    length = cells.shape[axis] - len(line) + 1
    total: Tensor | None = None
    for (pixel, part), weight in np.ndenumerate(line):
        if weight:
            term = parts[part].narrow(axis, pixel, length)
            total = term * weight if total is None else total.add_(term, alpha=weight)
    assert total is not None  # noqa: S101 - reducing averages something
    return total


def _padded(image: Tensor, margin: int) -> Tensor:
    return nnf.pad(image, (margin,) * 4, mode="replicate") if margin else image
