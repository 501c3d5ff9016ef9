"""Blocks of 16 x 16 pixels of a generated picture: averages over them, and back to pixels.

Where a side of the picture is no multiple of 16, the last blocks are what is left. The same blocks
are laid over the image that the picture was made from, whose pixels they may cut.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
BLOCK = 16
_STRIP = 64  # blocks
_ROUNDS = 8


def block_edges(length: int, pixels: int | None = None) -> Doubles:
    """Return where the blocks along a side of a picture begin, and where the last one ends.

    Parameters
    ----------
    length : int
        Of the side, in pixels of the picture.
    pixels : int, optional
        How many pixels another image has along the same side, to give the edges in those.
    """
    edges = np.minimum(BLOCK * np.arange(-(-length // BLOCK) + 1), length)
    return np.asarray(edges * ((pixels or length) / length), np.float64)


def block_means(plane: npt.NDArray[np.floating], rows: Doubles, columns: Doubles) -> Doubles:
    """Return the means of `plane` ``(h, w)`` or ``(h, w, C)`` between `rows` and `columns`."""
    return means_between(means_between(plane, rows, 0), columns, 1)


def means_between(plane: npt.NDArray[np.floating], edges: Doubles, axis: int) -> Doubles:
    """Return the means of `plane` between successive `edges` along `axis`, pixels cut exactly."""
    last = plane.shape[axis] - 1
    first = np.minimum(edges.astype(int), last)
    along = [1] * plane.ndim
    along[axis] = -1
    whole = np.cumsum(plane, axis=axis, dtype=np.float64)
    own = np.take(plane, first, axis)
    before = np.take(whole, first, axis) - own + own * (edges - first).reshape(along)
    return np.asarray(np.diff(before, axis=axis) / np.diff(edges).reshape(along))


def spread(blocks: Doubles, shape: tuple[int, int]) -> Floats:
    """Return a picture of `shape` whose mean over each block is that block's value.

    It is interpolated linearly between the blocks' centres, where the values are chosen such that
    the means come out; where neighbours differ many times over only nearly, to stay positive.
    """
    centres = blocks
    for _ in range(_ROUNDS):
        centres = np.maximum(centres + blocks - _after_interpolation(centres), blocks / 3)
    return _interpolated(centres, shape)


def _after_interpolation(blocks: Doubles) -> Doubles:
    """Return the means over the blocks of what interpolating between their centres gives."""
    for axis in (0, 1):
        blocks = ndi.correlate1d(blocks, [1 / 8, 3 / 4, 1 / 8], axis, mode="nearest")
    return blocks


def _interpolated(blocks: Doubles, shape: tuple[int, int]) -> Floats:
    result = np.empty(shape, np.float32)
    across = _weights(shape[1])
    for start in range(0, shape[0], _STRIP * BLOCK):
        rows = slice(start, min(start + _STRIP * BLOCK, shape[0]))
        first, share = (part[rows] for part in _weights(shape[0]))
        low = blocks[first]
        strip = low + share[:, None] * (blocks[np.minimum(first + 1, len(blocks) - 1)] - low)
        left = strip[:, across[0]]
        right = strip[:, np.minimum(across[0] + 1, strip.shape[1] - 1)]
        result[rows] = left + across[1] * (right - left)
    return result


def _weights(length: int) -> tuple[npt.NDArray[np.int64], Doubles]:
    """Return, for each pixel, the block whose centre lies before it and the share of the next."""
    edges = block_edges(length)
    centres = (edges[:-1] + edges[1:] - 1) / 2
    pixels = np.arange(length)
    place = np.interp(pixels, centres, np.arange(len(centres)))
    first = place.astype(np.int64)
    return first, place - first
