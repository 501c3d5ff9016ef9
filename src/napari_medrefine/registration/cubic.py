"""Cubic interpolation (Keys 1981): magnifying a part of an image, and sampling it along a line map.

Why this one: linear interpolation leaves a lattice of creases when a 4x photo is magnified ten
times and blurs a field that is only turned; B-splines need a filter over the whole image, and then
a tile would depend on what lies around it. Keys' four taps give back every pixel at its own centre,
reproduce slopes exactly, and need two pixels around a tile.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from skimage.transform import warp

FloatArray = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Weights: TypeAlias = sparse.csr_array
HALO = 2  # pixels around a point that its value depends on


def magnify_taps(first: int, count: int, zoom: float, length: int) -> tuple[slice, Weights]:
    """Return what makes pixels `first` to `first + count` of a line magnified `zoom` times.

    Parameters
    ----------
    first, count : int
        Pixels of the magnified line.
    zoom : float
        How many of its pixels make one of the line; dividing keeps the extent, so pixel r lies at
        ``(r + 0.5) / zoom - 0.5``.
    length : int
        Pixels of the line; beyond its ends they are repeated.

    Returns
    -------
    needed : slice
        The pixels of the line that are needed.
    weights : csr_array
        ``(count, needed)`` float32.
    """
    place = (np.arange(first, first + count) + 0.5) / zoom - 0.5
    whole = np.floor(place)
    taps = np.clip(whole[:, None].astype(int) + np.arange(-1, 3), 0, length - 1)
    weights = _keys(place - whole)
    low, high = int(taps.min()), int(taps.max()) + 1
    starts = np.arange(0, 4 * count + 1, 4)
    matrix = sparse.csr_array(
        (weights.astype(np.float32).ravel(), (taps - low).ravel(), starts), (count, high - low)
    )
    return slice(low, high), matrix


def magnified(image: FloatArray, rows: Weights, cols: Weights) -> FloatArray:
    """Return ``(h, w, 3)`` `image` weighted along its rows and its columns (see `magnify_taps`)."""
    height, width, channels = image.shape
    tall = (rows @ image.reshape(height, -1)).reshape(-1, width, channels)
    turned = np.ascontiguousarray(tall.transpose(1, 0, 2)).reshape(width, -1)
    wide: FloatArray = (cols @ turned).reshape(-1, len(tall), channels).transpose(1, 0, 2)
    return np.ascontiguousarray(wide)


def sampled(image: npt.NDArray[np.uint8], affine: Doubles, shape: tuple[int, int]) -> FloatArray:
    """Return ``(*shape, 3)`` float32, `image` at ``affine @ [row, col, 1]`` of every pixel.

    Only the part of `image` that is needed is converted; beyond its borders they are repeated.
    """
    corners = np.array([[r, c, 1] for r in (0, shape[0] - 1) for c in (0, shape[1] - 1)]) @ affine.T
    limit = np.array(image.shape[:2])
    low = np.clip(np.floor(corners.min(0)).astype(int) - HALO, 0, limit - 1)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + HALO + 1, low + 1, limit)
    part = image[low[0] : high[0], low[1] : high[1]].astype(np.float32)
    (a, b, e), (c, d, f) = affine - np.array([[0, 0, low[0]], [0, 0, low[1]]])
    xy = np.array([[d, c, f], [b, a, e], [0, 0, 1]])  # skimage's points are (column, row)
    values: FloatArray = warp(
        part, xy, order=3, mode="edge", clip=False, preserve_range=True, output_shape=shape
    )
    return values


def _keys(way: Doubles) -> Doubles:
    """Return ``(N, 4)`` weights of the pixels before and after, `way` (0 to 1) from the second."""
    t = way[:, None]
    return np.concatenate(
        [
            -t / 2 + t**2 - t**3 / 2,
            1 - 5 / 2 * t**2 + 3 / 2 * t**3,
            t / 2 + 2 * t**2 - 3 / 2 * t**3,
            -(t**2) / 2 + t**3 / 2,
        ],
        axis=1,
    )
