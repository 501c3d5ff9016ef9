"""A picture that is being written, coarsely and in memory: to show it, no file need be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medrefine.images import largest_of
from napari_medrefine.io.pyramid_writer import PixelSource, halved, level_sizes
from napari_medrefine.io.zarr_pyramid import Block, ZarrPyramid

KEPT = 2**24  # bytes: of colours 2048 x 2048 pixels, about what a screen shows of the whole
Pixels = npt.NDArray[Any]


class Filling:
    """Renders what `picture` renders, and keeps it reduced, at one level of its pyramid.

    On disk the coarse levels come last. The job's thread writes here while napari's reads: a block
    may be seen half for a moment.

    Parameters
    ----------
    picture : PixelSource
        ``(H, W)`` or ``(H, W, channels)``.
    colours : bool
        Whether three channels are colours; a fourth then says what is there already.
    """

    def __init__(self, picture: PixelSource, *, colours: bool = True) -> None:
        self._picture = picture
        self.shape, self.dtype = picture.shape, picture.dtype
        self._channels = self.shape[2] if len(self.shape) == 3 else 1
        values = self._channels + int(colours and self._channels == 3)
        sizes = level_sizes(*self.shape[:2])
        each = values * self.dtype.itemsize
        fitting = (n for n, (high, wide) in enumerate(sizes) if high * wide * each <= KEPT)
        self.level = next(fitting, len(sizes) - 1)
        self._coarser = len(sizes) - self.level
        self._kept = np.zeros((*sizes[self.level], values), self.dtype)

    def render(self, top: int, left: int, height: int, width: int) -> Pixels:
        """Return a part of the picture, and keep it."""
        part = self._picture.render(top, left, height, width)
        self._keep(0, top, left, part)
        return part

    def levels(self) -> list[Pixels]:
        """Return what is kept and every coarser level: views ``(h, w, c)`` that go on filling."""
        return [self._kept[:: 2**n, :: 2**n] for n in range(self._coarser)]

    def catch_up(self, pyramid: ZarrPyramid) -> None:
        """Keep what an earlier job has written."""
        for block in self._written(pyramid):
            rows, cols = block.within(pyramid.sizes[block.level], pyramid.side)
            stored = pyramid.levels[block.level][:, rows, cols]
            self._keep(block.level, rows.start, cols.start, np.moveaxis(stored, 0, -1))

    def _written(self, pyramid: ZarrPyramid) -> Iterator[Block]:
        """Yield the blocks that are there, each in place of the finer ones it was made from."""
        found = [block for block in pyramid.blocks() if block.level == self.level]
        while found:
            block = found.pop()
            if pyramid.has(block):
                yield block
            else:
                found += pyramid.finer(block)

    def _keep(self, level: int, top: int, left: int, part: Pixels) -> None:
        part = part.reshape(*part.shape[:2], -1)
        smaller = self.level - level
        for _ in range(smaller):
            part = halved(part)
        row, col = top >> smaller, left >> smaller
        place = self._kept[row : row + part.shape[0], col : col + part.shape[1]]
        place[..., : self._channels] = part
        if place.shape[2] > self._channels:
            place[..., -1] = largest_of(self.dtype)
