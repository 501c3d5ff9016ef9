"""Making a magnified image give its input back when it is reduced, where the input was made so.

A generator's output is ``U x + r``: interpolation plus residual. `Reduction.consistent_input` finds
the ``v`` near ``x`` for which ``A (U v + r) = x``, so that ``U v + r`` keeps the generator's detail
and contradicts nothing that the camera collected. This is what iterative back-projection (Irani &
Peleg 1991) converges to, but as ``A U`` maps small images to small images and is close to one, a
few steps on the small image suffice (Chebyshev iteration, e.g. Saad 2003, 12.3.2).

Only where ``A`` is how the input really came about does this help: on a photo through an objective
with its blur and noise it costs 2 dB. `detect_reduction` tells from the generator's own output.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as nnf

from napari_medrefine.superres.generator import interpolate
from napari_medrefine.superres.resample import area_taps, cubic_taps

Kind = Literal["area", "bicubic"]
KINDS: tuple[Kind, ...] = ("area", "bicubic")
_ROUNDS = 5
# What the reduced output may differ from the input, as a share of the input's fine detail. Of
# clean reductions of H&E slides it is 0.03 to 0.12, of photographs of anything else up to 0.22; of
# images with the blur of an objective 0.24 to 0.9.
_EXPLAINED = 0.22


@dataclass(frozen=True, slots=True)
class Reduction:
    """A clean digital reduction to one `scale`-th of the size.

    Attributes
    ----------
    kind : {"area", "bicubic"}
        Averaging over ``scale x scale`` pixels, or antialiased bicubic interpolation.
    scale : int
        Large pixels per small one.
    """

    kind: Kind
    scale: int

    @property
    def reach(self) -> int:
        """How far, in small pixels, a pixel's value reaches in `consistent_input`."""
        return self._margin + _ROUNDS * (_taps(self.kind, self.scale).around.shape[-1] // 2)

    @property
    def _margin(self) -> int:
        return 0 if self.kind == "area" else 2

    def __call__(self, image: Tensor) -> Tensor:
        """Return `image` ``(N, 3, scale * H, scale * W)`` reduced to ``(N, 3, H, W)``."""
        if self.kind == "area":
            return nnf.avg_pool2d(image, self.scale)
        taps = _taps(self.kind, self.scale)
        before, after = taps.padding
        padded = nnf.pad(image, (before, after, before, after), mode="replicate")
        return _separable(padded, taps.down.to(image), stride=self.scale)

    def consistent_input(self, image: Tensor, residual: Tensor) -> Tensor:
        """Return ``v`` so that `interpolate(v)` plus `residual` reduces to `image`.

        Parameters
        ----------
        image : Tensor
            ``(N, 3, H, W)``.
        residual : Tensor
            ``(N, 3, scale * H, scale * W)``.
        """
        taps = _taps(self.kind, self.scale)
        around, reach = taps.around.to(image), taps.around.shape[-1] // 2

        def there_and_back(small: Tensor) -> Tensor:
            padded = nnf.pad(small, (reach,) * 4, mode="replicate")
            return _separable(padded, around, stride=1)

        middle, half = (1 + taps.least) / 2, (1 - taps.least) / 2
        found = image
        missing = image - self(residual) - there_and_back(found)
        ratio = half / middle
        step = missing / middle
        for _ in range(_ROUNDS - 1):
            found = found + step
            missing = missing - there_and_back(step)
            following = 1 / (2 * middle / half - ratio)
            step = following * ratio * step + (2 * following / half) * missing
            ratio = following
        return found + step


def detect_reduction(image: Tensor, residual: Tensor, scale: int) -> Reduction | None:
    """Return the clean reduction that `image` has come from, or None if it does not look like one.

    A generator that has learned from reductions and from optics of several kinds undoes the one it
    sees: its output, reduced in that way, is close to the input. No other reduction, and none at
    all of a blurred or noisy image, comes as close.

    Parameters
    ----------
    image : Tensor
        ``(1, 3, H, W)``, a piece of the input with detail in it.
    residual : Tensor
        ``(1, 3, scale * H, scale * W)``, what the generator adds to its interpolation.
    scale : int
        2 or more.
    """
    if min(image.shape[-2:]) < 8:
        return None
    output = interpolate(image, scale) + residual
    detail = (image - _smooth(image)).abs().mean().item()
    contradictions = {
        reduction: (image - reduction(output)).abs().mean().item()
        for reduction in (Reduction(kind, scale) for kind in KINDS)
    }
    best = min(contradictions, key=contradictions.__getitem__)
    return best if contradictions[best] < _EXPLAINED * detail else None


def _smooth(image: Tensor) -> Tensor:
    reach = torch.arange(-3, 4, dtype=image.dtype, device=image.device)
    taps = torch.exp(-0.5 * reach**2)
    padded = nnf.pad(image, (3, 3, 3, 3), mode="replicate")
    return _separable(padded, taps / taps.sum(), stride=1)


@dataclass(frozen=True, slots=True)
class _Taps:
    """Along one axis: reducing, interpolating and reducing again, and the latter's least gain."""

    down: Tensor
    padding: tuple[int, int]
    around: Tensor
    least: float


@lru_cache(maxsize=16)
def _taps(kind: Kind, scale: int) -> _Taps:
    n, middle = 32, 16
    reduce = (area_taps if kind == "area" else cubic_taps)(n * scale, n).dense()
    line = np.trim_zeros(reduce[middle])
    first = int(np.flatnonzero(reduce[middle])[0])
    before = middle * scale - first
    around = reduce @ cubic_taps(n, n * scale).dense()
    reach = int(np.flatnonzero(np.abs(around[middle]) > 1e-9)[-1]) - middle
    row = around[middle, middle - reach : middle + reach + 1]
    waves = np.cos(np.pi * np.arange(-reach, reach + 1))  # the finest there is
    return _Taps(
        torch.from_numpy(line).float(),
        (before, len(line) - before - scale),
        torch.from_numpy(row).float(),
        float((row * waves).sum()) ** 2,
    )


def _separable(image: Tensor, taps: Tensor, stride: int) -> Tensor:
    columns = taps.expand(image.shape[1], 1, 1, -1)
    rows = taps.reshape(1, 1, -1, 1).expand(image.shape[1], 1, -1, 1)
    across = nnf.conv2d(image, columns, stride=(1, stride), groups=image.shape[1])
    return nnf.conv2d(across, rows, stride=(stride, 1), groups=image.shape[1])
