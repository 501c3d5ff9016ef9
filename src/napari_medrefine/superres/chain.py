"""What is done to a piece of an image: a pass of a generator, then interpolation."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor

from napari_medrefine.superres.consistency import Reduction, drift, drift_reach
from napari_medrefine.superres.enlargement import Enlargement
from napari_medrefine.superres.generator import CUBIC_REACH, Generator, compose, interpolate


@dataclass(frozen=True, slots=True)
class Chain:
    """A pass of a generator, then interpolation of what it gave.

    Attributes
    ----------
    generator : Generator or None
        None for plain reduction. It runs where and in the dtype its weights are.
    heads : tuple of int
        The enlargement of each pass; only the first is the generator's.
    strength : float
        How much of the residual is added.
    reduction : Reduction or None
        What takes the result of the first pass back to the input, exactly. Its scale is that of the
        pass.
    enlargement : Enlargement or None
        What an image that is sharpened at its size was made by, from one of half its size; the
        result then gives that one back.
    limits : (float, float)
        Black and white, to which the result will be clipped.
    """

    generator: Generator | None
    heads: tuple[int, ...]
    strength: float = 1.0
    reduction: Reduction | None = None
    enlargement: Enlargement | None = None
    limits: tuple[float, float] = (0.0, 1.0)

    @property
    def factor(self) -> int:
        """How many times larger the last pass leaves the image."""
        return int(np.prod(self.heads, dtype=int))

    @property
    def device(self) -> torch.device:
        """Where the generator's weights are."""
        return torch.device("cpu") if self.generator is None else self.generator.device

    def on(self, device: torch.device) -> Chain:
        """Return this chain on another device; its generator is copied, being others' too."""
        generator = copy.deepcopy(self.generator)
        return replace(self, generator=None if generator is None else generator.to(device))

    @property
    def largest(self) -> int | None:
        """The most pixels of the result a side that are to be made at once; None: any number."""
        return None if self.generator is None else self.generator.largest

    @property
    def multiple(self) -> int:
        """Tiles begin at multiples of this many input pixels."""
        return 1 if self.generator is None else self.generator.multiple

    @property
    def margin(self) -> int:
        """How far around the image its mirror image is read, in input pixels."""
        return 0 if self.generator is None else self.generator.halo

    @property
    def halo(self) -> int:
        """How far an input pixel reaches, in input pixels, rounded up to `multiple`."""
        if self.generator is None:
            return 0
        reach, enlarged = 0.0, 1
        for head in self.heads:
            if self.generator.scales == (1,):  # interpolates first
                reach += self.generator.halo / (enlarged * head) + CUBIC_REACH / enlarged * (
                    head > 1
                )
            else:
                reach += max(self.generator.halo, CUBIC_REACH) / enlarged
            enlarged *= head
        if self.enlargement is not None:
            reach += self.enlargement.reach
        elif self.heads and self.generator.settled:
            reach += drift_reach(self.heads[0]) + CUBIC_REACH
        if self.reduction is not None:
            reach += self.reduction.reach
        return int(np.ceil(reach / self.multiple)) * self.multiple

    @property
    def _limits(self) -> tuple[float, float]:
        return self.limits[0] - 1, self.limits[1] - 1

    def __call__(self, image: Tensor) -> Tensor:
        """Return `image` ``(1, 3, H, W)``, float32, white at 1, after all passes: new memory."""
        result = image
        for number, head in enumerate(self.heads):
            if self.generator is not None and number == 0:
                result = self._generated(self.generator, result, head)
            else:
                # On its own output, at pixels far finer than any it was trained on, the network
                # turns the traces of its first pass into a grid: what follows is interpolated.
                result = interpolate(result, head)
        return result

    def _generated(self, generator: Generator, image: Tensor, head: int) -> Tensor:
        shades = image - 1
        if head == 1:
            residual = generator.residual(shades, 1).float()
            if self.enlargement is not None:
                residual = self.enlargement.corrected(shades, residual, self._limits)
            elif generator.settled:
                residual = residual - drift(residual, 1)
            return compose(shades, residual, 1, self.strength)
        residual = generator.sub_pixels(shades, head).float()
        if generator.settled:
            residual.sub_(drift(residual, head))  # in place: it is the largest thing in memory
        corrected = shades
        if self.reduction is not None:
            residual.mul_(self.reduction.share)
            corrected = self.reduction.consistent(shades, residual, self._limits)
        # As the residual, so its correction: nothing of both at strength 0.
        return compose(torch.lerp(shades, corrected, self.strength), residual, head, self.strength)


def choose_heads(scales: tuple[int, ...], ratio: float) -> tuple[int, ...]:
    """Return the passes whose product is the least that is not below `ratio`, largest first.

    Among equal products the one with fewer passes: x4 is one pass, not two of x2.
    """
    if ratio <= 1:
        return ()
    if scales == (1,):
        return (int(np.ceil(ratio)),)
    if len(scales) == 1:
        rest = int(np.ceil(ratio / scales[0] - 1e-9))  # of any size, being interpolation
        return scales if rest <= 1 else (*scales, rest)
    found: list[tuple[int, ...]] = []
    for passes in range(1, 1 + int(np.ceil(np.log(ratio) / np.log(max(scales)) + 1e-9)) + 1):
        found += [
            heads
            for heads in product(sorted(scales, reverse=True), repeat=passes)
            if tuple(sorted(heads, reverse=True)) == heads and np.prod(heads) >= ratio
        ]
    return min(found, key=lambda heads: (np.prod(heads), len(heads)))
