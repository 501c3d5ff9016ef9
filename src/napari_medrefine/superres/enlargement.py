"""Sharpening what was reduced and enlarged again: the result must give the small image back.

An image that has been interpolated to twice its size, as the study blurs its tiles, has no more
pixels that count than the small one, and these can be found again: ``x = K d`` with a known kernel
``K``. What holds for magnifying ``d`` (see `consistency`) then holds for sharpening ``x``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as nnf

from napari_medrefine._resample import area_taps, cubic_taps
from napari_medrefine.superres.consistency import (
    KINDS,
    ROUNDS,
    UNUSUAL,
    Reduction,
    borne_out,
    explained,
    fine_detail,
    least_gain,
    solved,
    strength,
)
from napari_medrefine.superres.generator import (
    CUBIC_REACH,
    as_sub_pixels,
    interpolate,
    interpolated_sub_pixels,
    sub_pixel_kernels,
)

# Not bilinear: of an image that is soft in itself, softer bicubic interpolation gives what bilinear
# would give of a crisp one. Taken for that, it would be sharpened far beyond what was there; taken
# for the former, a crisp one is sharpened somewhat less than it might.
Kernel = Literal["bicubic", "softer bicubic"]
KERNELS: tuple[Kernel, ...] = ("bicubic", "softer bicubic")
FACTOR = 2
_ROUNDING = 0.5 / 255  # mean difference that rounding to 8 bits, twice, stays below


@dataclass(frozen=True, slots=True)
class Enlargement:
    """An image that was reduced to half its size and enlarged again.

    Attributes
    ----------
    kernel : {"bicubic", "softer bicubic", "bilinear"}
        What it was enlarged with: bicubic with a = -0.75 (OpenCV, PyTorch) or -0.5 (Pillow).
    reduction : Reduction
        What it was reduced with.
    """

    kernel: Kernel
    reduction: Reduction

    @property
    def reach(self) -> int:
        """How far, in pixels, a value reaches in `corrected`."""
        taps = _kernel_taps(self.kernel)
        undoing = ROUNDS * (taps.around.shape[-1] // 2)
        return FACTOR * (undoing + self.reduction.reach + 2 * CUBIC_REACH)

    def bearing_out(self, shades: Tensor, residual: Tensor) -> Enlargement:
        """Return this with the share of another `residual`; as for `detect_enlargement`."""
        small = undone(shades, self.kernel)
        lacking = small - self.reduction.reduced(as_sub_pixels(shades, FACTOR))
        share, _ = borne_out(lacking, self.reduction.reduced(as_sub_pixels(residual, FACTOR)))
        return replace(self, reduction=replace(self.reduction, share=share))

    def corrected(self, shades: Tensor, residual: Tensor, limits: tuple[float, float]) -> Tensor:
        """Return `residual` changed so that `shades` and it together give the small image back.

        Parameters
        ----------
        shades, residual : Tensor
            ``(N, 3, H, W)``, float32, H and W even; the image less 1, and what is added to it.
        limits : (float, float)
            The least and the largest of `shades` that can be shown.
        """
        small = undone(shades, self.kernel)
        residual = residual * self.reduction.share
        rest = as_sub_pixels(shades + residual, FACTOR) - interpolated_sub_pixels(small, FACTOR)
        found = self.reduction.consistent(small, rest, limits)
        return residual + interpolate(found - small, FACTOR)


def detect_enlargement(shades: Tensor, residual: Tensor) -> Enlargement | None:
    """Return how an image was reduced and enlarged, or None if it does not look like it was.

    Parameters
    ----------
    shades, residual : Tensor
        ``(1, 3, H, W)``, float32, H and W even: a piece of the image, less 1, with detail in it,
        that begins at an even row and column; and what a generator adds to it.
    """
    image, added = as_sub_pixels(shades, FACTOR), as_sub_pixels(residual, FACTOR)
    candidates: dict[Enlargement, float] = {}
    for kernel in KERNELS:
        if strength(misfit(shades, kernel)) > _ROUNDING:
            continue
        small = undone(shades, kernel)
        detail = strength(fine_detail(small))
        for kind in KINDS:
            way = Reduction(kind, FACTOR)
            lacking, made_up = small - way.reduced(image), way.reduced(added)
            share, rest = borne_out(lacking, made_up)
            # No least share: that a kernel fits tells enough.
            if explained(rest, small):
                # Where both kernels fit, what is contradicted counts in terms of detail.
                found = Enlargement(kernel, replace(way, share=share))
                candidates[found] = strength(lacking - made_up) / detail * UNUSUAL[kind]
    return min(candidates, key=candidates.__getitem__) if candidates else None


def undone(shades: Tensor, kernel: Kernel) -> Tensor:
    """Return the half-size image whose interpolation, averaged again, is `shades` averaged."""
    taps = _kernel_taps(kernel)
    return solved(nnf.avg_pool2d(shades, FACTOR), taps.around.to(shades), taps.least)


def misfit(shades: Tensor, kernel: Kernel) -> Tensor:
    """Return what no interpolated image explains of `shades`, as sub-pixels."""
    up = _kernel_taps(kernel).up.to(shades)
    padded = nnf.pad(undone(shades, kernel), (up.shape[-1] // 2,) * 4, mode="replicate")
    return as_sub_pixels(shades, FACTOR) - nnf.conv2d(padded, up)


@dataclass(frozen=True, slots=True)
class _KernelTaps:
    """Pixels to sub-pixels; along one axis, enlarging and averaging; the latter's least gain."""

    up: Tensor
    around: Tensor
    least: float


@lru_cache(maxsize=4)
@torch.inference_mode(mode=False)  # kept: training may use them, too
def _kernel_taps(kernel: Kernel) -> _KernelTaps:
    n, middle, reach = 16, 8, 2
    sharpness = -0.75 if kernel == "bicubic" else -0.5
    enlarge = cubic_taps(n, FACTOR * n, sharpness=sharpness).dense()
    window = slice(middle - reach, middle + reach + 1)
    up = sub_pixel_kernels(enlarge[FACTOR * middle : FACTOR * (middle + 1), window])
    row = (area_taps(FACTOR * n, n).dense() @ enlarge)[middle, window]
    return _KernelTaps(up, torch.from_numpy(row).float(), least_gain(row))
