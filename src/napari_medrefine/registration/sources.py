"""Where an overview's pixels come from: a photo in memory, or a whole slide read part by part.

A whole slide may be one lazy array (dask, zarr) or several, each a reduction of the one before, as
OME-Zarr and napari have them. Only what a search asks for is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image, sha256_of, white_level
from napari_medrefine.registration.pyramid import (
    Corner,
    Floats,
    Level,
    block_mean,
    brightness,
    reduced_brightness,
)

LEAST = 16  # pixels that the coarsest level keeps, along its shorter side
KEPT = 40_000_000  # pixels of a level that are kept in memory once they have been read
SAMPLE = 256  # side of the samples that stand for a level too large to be read
AT_ONCE = 2048  # pixels of a whole slide's level read at a time, along a side


class Source(Protocol):
    """An overview at any reduction."""

    shape: tuple[int, int]
    full: Any  # the array at full resolution

    def levels(self) -> tuple[Level, ...]:
        """Return the pyramid: factors 1, 2, 4, ..."""

    @property
    def sha256(self) -> str:
        """Hash of the pixels."""


def source_of(overview: object) -> Source:
    """Return what reads `overview`, an array-like, a lazy array or a sequence of lazy levels.

    Raises
    ------
    MedRefineError
        If it is no image, or is constant.
    """
    if isinstance(overview, Sequence) and overview and all(map(_array_like, overview)):
        return Slide(tuple(overview))
    if _array_like(overview) and not isinstance(overview, np.ndarray):
        return Slide((overview,))
    return Photo(check_textured(overview, "overview"))


def check_textured(image: object, what: str) -> Image:
    """Return `image` as an array, or say in one sentence what is wrong with it."""
    array = check_image(image, what)
    if array.min() == array.max():
        raise MedRefineError(f"The {what} is constant (all pixels are {array.flat[0]}).")
    return array


def _array_like(value: object) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype") and len(value.shape) > 1


class Photo:
    """An overview in memory."""

    def __init__(self, image: Image) -> None:
        self.full = image
        self.shape = (int(image.shape[0]), int(image.shape[1]))

    @cached_property
    def sha256(self) -> str:
        """Hash of the pixels."""
        return sha256_of(self.full)

    def levels(self) -> tuple[Level, ...]:
        """Return the pyramid."""
        white = white_level(self.full)
        levels = [Level(1, self.shape, _PhotoPart(self.full, white))]
        light = reduced_brightness(self.full, 2, white)
        for factor in _factors(self.shape)[1:]:
            levels.append(Level(factor, (light.shape[0], light.shape[1]), _Kept(light)))
            light = block_mean(light, 2)
        return tuple(levels)


@dataclass(frozen=True, eq=False)
class _PhotoPart:
    image: Image
    white: float

    def __call__(self, low: Corner, high: Corner) -> Floats:
        return brightness(self.image[low[0] : high[0], low[1] : high[1]], self.white)


@dataclass(frozen=True, eq=False)
class _Kept:
    light: Floats

    def __call__(self, low: Corner, high: Corner) -> Floats:
        return self.light[low[0] : high[0], low[1] : high[1]]


class Slide:
    """A whole slide: lazy arrays, the first at full resolution, each further one a reduction."""

    def __init__(self, arrays: tuple[Any, ...]) -> None:
        for array in arrays:
            if 0 in array.shape:
                raise MedRefineError(f"The overview is empty (shape {tuple(array.shape)}).")
            check_image(np.zeros((1, 1, *array.shape[2:]), array.dtype), "overview")
        self.arrays, self.full = arrays, arrays[0]
        self.shape = (int(arrays[0].shape[0]), int(arrays[0].shape[1]))
        self.factors = [max(1, round(self.shape[1] / array.shape[1])) for array in arrays]
        coarse = self._coarsest
        if coarse.min() == coarse.max():
            raise MedRefineError(f"The overview is constant (all pixels are {coarse.flat[0]}).")
        self.white = white_level(coarse)

    @cached_property
    def _coarsest(self) -> Image:
        """The coarsest level, or, of one too large to be read whole, samples all over it."""
        array = self.arrays[-1]
        if max(array.shape[:2]) <= 2 * AT_ONCE:
            return check_image(np.asarray(array[:]), "overview")
        rows, cols = (np.linspace(0, n - SAMPLE, 8).astype(int) for n in array.shape[:2])
        samples = [np.asarray(array[r : r + SAMPLE, c : c + SAMPLE]) for r in rows for c in cols]
        return check_image(np.concatenate(samples), "overview")

    @cached_property
    def sha256(self) -> str:
        """Hash of the coarsest level and of the shape; the whole is too much to read."""
        known = f"{self.arrays[0].shape}{sha256_of(self._coarsest)}"
        return hashlib.sha256(known.encode()).hexdigest()

    def levels(self) -> tuple[Level, ...]:
        """Return the pyramid."""
        return tuple(self._level(factor) for factor in _factors(self.shape))

    def _level(self, factor: int) -> Level:
        index = max(i for i, stored in enumerate(self.factors) if factor % stored == 0)
        array, rest = self.arrays[index], factor // self.factors[index]
        shape = (-(-int(array.shape[0]) // rest), -(-int(array.shape[1]) // rest))
        return Level(factor, shape, _SlidePart(array, rest, self.white, shape))


class _SlidePart:
    """A part of a level, made from the stored array that is next finer; small levels are kept."""

    def __init__(self, array: Any, rest: int, white: float, shape: tuple[int, int]) -> None:
        self._array, self._rest, self._white, self._shape = array, rest, white, shape

    def __call__(self, low: Corner, high: Corner) -> Floats:
        if self._rest > 1 and self._shape[0] * self._shape[1] <= KEPT:
            return self._kept[low[0] : high[0], low[1] : high[1]]
        return self._read(low, high)

    @cached_property
    def _kept(self) -> Floats:
        whole = np.empty(self._shape, np.float32)
        step = max(1, AT_ONCE // self._rest)
        for row in range(0, self._shape[0], step):
            for col in range(0, self._shape[1], step):
                high = (min(row + step, self._shape[0]), min(col + step, self._shape[1]))
                whole[row : high[0], col : high[1]] = self._read((row, col), high)
        return whole

    def _read(self, low: Corner, high: Corner) -> Floats:
        rows, cols = (slice(a * self._rest, b * self._rest) for a, b in zip(low, high, strict=True))
        part: npt.NDArray[Any] = np.asarray(self._array[rows, cols])
        return reduced_brightness(part, self._rest, self._white)


def _factors(shape: tuple[int, int]) -> list[int]:
    """Return 1, 2, 4, ... as far as `LEAST` pixels are left."""
    factors = [1]
    while min(shape) / factors[-1] >= 2 * LEAST:
        factors.append(2 * factors[-1])
    return factors
