"""How sure a difference between two methods is: a paired bootstrap over images and slides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_medrefine.compare.evaluate import Row
from napari_medrefine.errors import MedRefineError

_ROUNDS = 10_000
_EXACT = 100.0  # dB; more than any rounded result has, and less than the infinity of an exact one


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of a difference, and the interval that holds it with 95 % confidence."""

    mean: float
    low: float
    high: float

    @property
    def has_interval(self) -> bool:
        """Whether the interval says something: that of one image has no width."""
        return self.low < self.high


def paired_difference(
    rows: Sequence[Row], method: str, other: str, *, slide: str | None = None, seed: int = 0
) -> Difference:
    """Return by how much PSNR of `method` exceeds that of `other`, image by image, in dB.

    Images are drawn again with replacement within their slide (Efron 1979), so that both methods
    are always compared on the same ones, blank ones left out. Over all slides, the slides are drawn
    too, since they, not their images, are independent; the images of a slide that is drawn twice
    are drawn anew. With one image the interval has no width.

    Parameters
    ----------
    rows : sequence of Row
        Of an `Evaluation`.
    method, other : str
        Names of methods.
    slide : str, optional
        Only this one; default all, each with the same weight.
    seed : int
        Of the draws.

    Raises
    ------
    MedRefineError
        If the two were not measured on one same image.
    """
    by_slide = _differences(rows, method, other, slide)
    if not by_slide:
        raise MedRefineError(f"{method} and {other} were not measured on the same images.")
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(by_slide), size=(_ROUNDS, len(by_slide)))
    means = np.empty(drawn.shape)
    for number, values in enumerate(by_slide):
        here = drawn == number
        means[here] = _resampled(values, int(here.sum()), rng)
    low, high = np.quantile(means.mean(1), (0.025, 0.975))
    return Difference(float(np.mean([v.mean() for v in by_slide])), float(low), float(high))


def _differences(
    rows: Sequence[Row], method: str, other: str, slide: str | None
) -> list[npt.NDArray[np.float64]]:
    found = {
        (r.slide, r.image, r.method): min(r.psnr, _EXACT)
        for r in rows
        if slide in (None, r.slide) and not r.blank
    }
    by_slide: dict[str, list[float]] = {}
    for (where, image, name), psnr in found.items():
        if name == method and (where, image, other) in found:
            by_slide.setdefault(where, []).append(psnr - found[where, image, other])
    return [np.array(values) for values in by_slide.values()]


def _resampled(
    values: npt.NDArray[np.float64], count: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return the means of `count` draws from `values`."""
    means: npt.NDArray[np.float64] = values[
        rng.integers(len(values), size=(count, len(values)))
    ].mean(1)
    return means
