"""Separable resampling as sparse weights: which samples, with which weights, make each new one.

Everything is centre-aligned: the extent of the image stays, pixel ``i`` of ``n`` new ones covers
``[i, i + 1) / n`` of it, so that nothing shifts. Weights that would fall outside are left out and
the rest renormalised. Summing tap by tap gives each output the same value whatever else is
computed with it: that is what makes tiles join without a seam.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Samples = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Taps:
    """Row ``i`` of the result is ``sum_k weight[i, k] * source[index[i, k]]``."""

    index: Ints
    weight: Floats
    source: int

    def dense(self) -> Floats:
        """Return the ``(n_out, n_in)`` matrix."""
        matrix = np.zeros((len(self.index), self.source))
        np.add.at(matrix, (np.arange(len(self.index))[:, None], self.index), self.weight)
        return matrix

    def applied(self, part: Samples, axis: int, offset: int = 0) -> Samples:
        """Return what `part` becomes along `axis`; it begins at sample `offset` of the source."""
        weight = self.weight.astype(np.float32)
        shape = [1] * part.ndim
        shape[axis] = len(weight)
        total: Samples | None = None
        for k in range(weight.shape[1]):
            term = np.take(part, self.index[:, k] - offset, axis) * weight[:, k].reshape(shape)
            total = term if total is None else total + term
        assert total is not None  # noqa: S101 - there is at least one tap
        return total


def cubic(distance: Floats, sharpness: float) -> Floats:
    """Keys' cubic convolution kernel; `sharpness` is its ``a``, -0.5 or -0.75 as a rule."""
    d, a = np.abs(distance), sharpness
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))


def cubic_taps(
    n_in: int,
    n_out: int,
    start: int = 0,
    stop: int | None = None,
    *,
    sharpness: float | None = None,
) -> Taps:
    """Return bicubic weights, antialiased where the image shrinks, for new samples start..stop.

    Reducing uses ``a = -0.5`` and enlarging ``a = -0.75``, as torch and (for the latter) OpenCV do;
    another `sharpness` is for what others do (Pillow: always -0.5).
    """
    ratio = n_in / n_out
    stretch = max(1.0, ratio)
    if sharpness is None:
        sharpness = -0.5 if ratio > 1 else -0.75
    return _taps(
        n_in, ratio, _span(n_out, start, stop), 2 * stretch, lambda d: cubic(d / stretch, sharpness)
    )


def area_taps(n_in: int, n_out: int) -> Taps:
    """Return the weights of area averaging: the share of each old pixel inside the new one."""
    half = n_in / n_out / 2
    return _taps(
        n_in,
        2 * half,
        _span(n_out, 0, None),
        half + 0.5,
        lambda d: np.clip(np.minimum(d + 0.5, half) - np.maximum(d - 0.5, -half), 0, 1),
    )


def area_mean(image: Samples, shape: tuple[int, ...]) -> Samples:
    """Return the means of ``(H, W)`` or ``(H, W, C)`` over the areas of `shape` rows and columns.

    Pillow's BOX is that only where whole pixels fit into a new one: it never shares one out.
    """
    for axis in (0, 1):
        image = area_taps(image.shape[axis], shape[axis]).applied(image, axis)
    return image


def linear_taps(n_in: int, n_out: int) -> Taps:
    """Return the weights of linear interpolation, for enlarging."""
    return _taps(
        n_in,
        n_in / n_out,
        _span(n_out, 0, None),
        1.0,
        lambda d: np.maximum(0.0, 1.0 - np.abs(d)),
    )


def gaussian_taps(n: int, sigma: float) -> Taps:
    """Return the weights of a Gaussian blur (4 sigma to each side), `sigma` in pixels."""
    return _taps(
        n,
        1.0,
        np.arange(n),
        max(1.0, 4 * sigma),
        lambda d: np.exp(-0.5 * (d / max(sigma, 1e-3)) ** 2),
    )


def _span(n_out: int, start: int, stop: int | None) -> Ints:
    return np.arange(start, n_out if stop is None else stop)


def _taps(
    n_in: int, ratio: float, rows: Ints, support: float, kernel: Callable[[Floats], Floats]
) -> Taps:
    centre = (rows + 0.5) * ratio - 0.5
    first = np.ceil(centre - support).astype(np.int64)
    index = first[:, None] + np.arange(int(np.ceil(2 * support)) + 1)
    weight = kernel(index - centre[:, None])
    weight[(index < 0) | (index >= n_in)] = 0.0
    weight /= weight.sum(axis=1, keepdims=True)
    return Taps(np.clip(index, 0, n_in - 1), weight, n_in)
