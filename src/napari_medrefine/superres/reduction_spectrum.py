"""Which of two clean reductions an image's power spectrum tells of: averaging, or bicubic.

Averaging lets coarse detail through a little less than antialiased bicubic interpolation does, and
the finest more; and it is nearly the same in all directions, whereas bicubic takes more from fine
detail along rows and columns than along diagonals. Neither depends on what the image shows: a slide
that was soft before it was reduced, or of another stain, has less fine detail in all directions
alike. The generator's own output (see `consistency.detect_reduction`) tells better of crisp slides
that are like those it learned from, and nothing of soft ones; a logistic regression on both tells
of either. `benchmarks/tell_reductions.py` fits it.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from napari_medrefine._records import read_record

TOLD_FILE = Path(__file__).parent / "weights" / "reductions.json"
LEAST = 256  # pixels a side; of smaller images too much depends on what lies in them
_SIDE = 128  # of a window
_FINEST = 0.5  # cycles per pixel, along rows and columns
_RINGS = np.append(np.linspace(0.05, _FINEST, 13), (0.57, 0.64, 0.71))
# Degrees from the nearest diagonal: rows and columns, between, diagonals; what is finer than along
# rows and columns lies along diagonals only.
_SECTORS, _CORNERS = ((30, 46), (15, 30), (0, 15)), ((0, 46),)
_NOTHING = 1e-6

Floats = npt.NDArray[np.float64]
_Weights = Annotated[tuple[float, ...], Field(min_length=1)]


class ReductionOdds(BaseModel):
    """A logistic regression that tells bicubic reduction from averaging, for one scale.

    Attributes
    ----------
    scale : int
        Large pixels per small one.
    constant : float
        The log odds where all else is 0.
    output : float
        What they grow by with the log ratio of what the generator's output leaves unexplained:
        averaging's to bicubic's.
    levels : tuple of float
        What they grow by with each of `spectrum_levels`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    scale: int
    constant: float
    output: float
    levels: _Weights

    def of(self, ratio: float, levels: Floats) -> float:
        """Return the log odds of bicubic."""
        return self.constant + self.output * ratio + float(np.dot(self.levels, levels))


class ReductionTelling(BaseModel):
    """What ships: one regression for each scale, and the slides that they were fitted on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["medrefine-reductions"] = "medrefine-reductions"
    version: Literal[1] = 1
    slides: tuple[str, ...]
    odds: tuple[ReductionOdds, ...]


def spectrum_levels(shades: npt.NDArray[np.floating]) -> Floats | None:
    """Return the log power of an image by wavelength and direction.

    Parameters
    ----------
    shades : ndarray
        ``(3, H, W)`` or ``(1, H, W)``; white lies 1 above black.

    Returns
    -------
    ndarray or None
        Float64, relative to that of the longest wavelengths; the mean over windows of 128 x 128
        pixels. None where the image has fewer than 256 x 256.
    """
    height, width = shades.shape[-2:]
    if min(height, width) < LEAST:
        return None
    windows = [
        _power(shades[:, top : top + _SIDE, left : left + _SIDE])
        for top in _starts(height)
        for left in _starts(width)
    ]
    power = np.mean(windows, axis=0)
    levels = np.array([np.log(power[part].mean() + _NOTHING) for part in _parts()])
    return np.asarray(levels - levels[: len(_SECTORS)].mean(), np.float64)


def log_odds(scale: int, ratio: float, levels: Floats | None) -> float | None:
    """Return the log odds that an image was reduced bicubically, and not by averaging.

    None where it has no levels, or none were learned for `scale`.

    Parameters
    ----------
    scale : int
        Large pixels per small one.
    ratio : float
        As for `ReductionOdds.of`.
    levels : ndarray or None
        From `spectrum_levels`.
    """
    odds = _odds().get(scale)
    return None if odds is None or levels is None else odds.of(ratio, levels)


def tells(scale: int) -> bool:
    """Return whether `log_odds` knows what levels mean at `scale`."""
    return scale in _odds()


@lru_cache(maxsize=1)
def _odds() -> dict[int, ReductionOdds]:
    told = read_record(TOLD_FILE, ReductionTelling, "what tells reductions apart")
    return {one.scale: one for one in told.odds}


def _power(window: npt.NDArray[np.floating]) -> Floats:
    light = window - window.mean((1, 2), keepdims=True)
    ramp = np.hanning(_SIDE)
    return np.asarray((np.abs(np.fft.fft2(light * np.outer(ramp, ramp))) ** 2).mean(0), np.float64)


@lru_cache(maxsize=1)
def _parts() -> tuple[npt.NDArray[np.bool_], ...]:
    down, across = np.fft.fftfreq(_SIDE)[:, None], np.fft.fftfreq(_SIDE)[None]
    length = np.hypot(down, across)
    off = np.abs(np.degrees(np.arctan2(np.abs(down), np.abs(across))) - 45)
    return tuple(
        (length >= inner) & (length < outer) & (off >= least) & (off < most)
        for inner, outer in pairwise(_RINGS)
        for least, most in (_SECTORS if outer <= _FINEST else _CORNERS)
    )


def _starts(length: int) -> list[int]:
    """Return where windows begin, half overlapping."""
    return list(range(0, length - _SIDE + 1, _SIDE // 2))
