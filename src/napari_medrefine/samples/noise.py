"""Random fields without a period: a hashed lattice, so any window is evaluated on its own.

Every lattice node gets its value from a hash of its place and a seed (no table, so nothing ever
repeats). Between the nodes the field is a cubic B-spline (`smooth`, for broad variation and for
directions) or a smoothstep blend (`grain`, faster, for fine texture). Values lie in -0.5..0.5.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

Floats = npt.NDArray[np.float32]
Field = Callable[[Floats, Floats], Floats]  # (y, x) in micrometres -> value


def hashed(seed: int, *keys: npt.NDArray[np.int64]) -> Floats:
    """Return uniform values 0..1 that depend on nothing but `seed` and the integer `keys`."""
    h = np.full(np.broadcast_shapes(*(k.shape for k in keys)), seed * 2654435769 % 2**32, np.uint32)
    for key in keys:
        h = _mixed(h ^ (key.astype(np.uint32) * np.uint32(0x9E3779B1)))
    return (h >> np.uint32(8)).astype(np.float32) / np.float32(2**24)


def _mixed(h: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return the "lowbias32" integer hash of each value (C. Wellons, 2018; public domain)."""
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
    return h ^ (h >> np.uint32(16))


def smooth(y: Floats, x: Floats, wavelength: float, seed: int) -> Floats:
    """Return a B-spline field whose lattice is `wavelength` wide, turned by an angle of its own."""
    turn = 6.283 * float(hashed(seed, np.zeros(1, np.int64))[0])
    cos, sin = np.float32(np.cos(turn) / wavelength), np.float32(np.sin(turn) / wavelength)
    return _interpolate(y * cos + x * sin, x * cos - y * sin, seed, order=3)


def grain(y: Floats, x: Floats, wavelength: tuple[float, float], seed: int) -> Floats:
    """Return fine texture, `wavelength` long in y and in x; its lattice follows the coordinates."""
    coords = [y / np.float32(wavelength[0]), x / np.float32(wavelength[1])]
    floors = [np.floor(c) for c in coords]
    parts = [c - f for c, f in zip(coords, floors, strict=True)]
    eased = [f + p * p * (3 - 2 * p) for f, p in zip(floors, parts, strict=True)]
    return _interpolate(eased[0], eased[1], seed, order=1)


def _interpolate(row: Floats, col: Floats, seed: int, order: int) -> Floats:
    """Interpolate the hashed lattice at `row`, `col` (in lattice units)."""
    low = [int(np.floor(c.min())) - 1 for c in (row, col)]
    high = [int(np.floor(c.max())) + 3 for c in (row, col)]
    nodes = np.ogrid[low[0] : high[0] + 1, low[1] : high[1] + 1]
    lattice = hashed(seed, *nodes) - np.float32(0.5)
    at = np.stack([row - low[0], col - low[1]])
    values: Floats = ndi.map_coordinates(
        lattice, at, np.float32, order, mode="nearest", prefilter=False
    )
    return values


def step(value: Floats, low: float, high: float) -> Floats:
    """Return 0 below `low`, 1 above `high`, and a smooth ramp between."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    ramp: Floats = t * t * (3 - 2 * t)
    return ramp
