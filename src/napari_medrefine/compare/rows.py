"""What was measured: a row per image and method, and the means of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_medrefine.compare import metrics

_ROUNDING = 1 / 12  # grey levels squared: what rounding to 8 bits leaves
MEASURES = ("mse", "psnr", "ssim", "detail", "colour", "shift", "consistency")


@dataclass(frozen=True, slots=True)
class Row:
    """What one method reached on one image (see `compare.metrics` for the measures).

    `detail` is the high-frequency ratio; `shift` the largest difference of a channel's mean;
    `consistency` the mean absolute difference between the input and the result reduced in the same
    way, before the result is rounded, all in grey levels of 255; `tiles` holds the MSE of each
    128-pixel tile; `pixels` counts what was compared, `fine` is the energy of the sharp image's
    fine detail.
    """

    image: str
    slide: str
    method: str
    mse: float
    psnr: float
    ssim: float
    detail: float
    colour: float
    shift: float
    consistency: float
    seconds: float
    tiles: tuple[float, ...] = field(repr=False)
    pixels: int = 0
    fine: float = float("nan")

    @property
    def blank(self) -> bool:
        """Whether the sharp image has no detail, as empty glass: every method is right there."""
        return self.fine < _ROUNDING


@dataclass(frozen=True, slots=True)
class Summary:
    """The mean over the images of one slide, and the PSNR of its worst 5 % of tiles."""

    slide: str
    method: str
    images: int
    mse: float
    psnr: float
    ssim: float
    detail: float
    colour: float
    shift: float
    consistency: float
    worst_psnr: float
    seconds: float


def counted(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows of images that are not blank, whose PSNR has no bound; all, if all are."""
    return [row for row in rows if not row.blank] or rows


def means_of(rows: Sequence[Row]) -> dict[str, float]:
    """Return the mean of each measure."""
    return {name: float(np.mean([getattr(r, name) for r in rows])) for name in MEASURES}


def pooled(rows: Sequence[Row]) -> dict[str, float]:
    """Return the measures over all pixels of all rows."""
    pixels = np.array([row.pixels for row in rows], float)
    energy = pixels * [row.fine for row in rows]
    weights = dict.fromkeys(MEASURES, pixels) | {"detail": energy}
    found = {name: _average(rows, name, weight) for name, weight in weights.items()}
    return found | {"psnr": metrics.psnr_of(found["mse"])}


def _average(rows: Sequence[Row], name: str, weights: npt.NDArray[np.float64]) -> float:
    """Return the weighted mean of a measure; rows without weight may hold no number."""
    counted = [(getattr(row, name), weight) for row, weight in zip(rows, weights, strict=True)]
    values = [(value, weight) for value, weight in counted if weight > 0]
    if not values:
        return float("nan")
    return float(np.average([v for v, _ in values], weights=[w for _, w in values]))
