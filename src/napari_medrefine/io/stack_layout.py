"""Stacks on disk: pictures numbered by time, channel and depth, as OME orders them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol, Self, cast

import numpy as np

from napari_medrefine.io.pyramid_writer import TILE, PixelSource

ORDER = "tcz"  # of axes in a file; rows and columns follow
Index = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis that numbers pictures.

    Attributes
    ----------
    letter : {"t", "c", "z"}
        Time, channel, depth.
    count : int
        How many pictures there are along it.
    step, origin : float
        From one to the next, and where the first one is, in `unit`.
    unit : str or None
        ``"micrometer"`` or ``"second"``; None where nothing is known.
    """

    letter: str
    count: int
    step: float = 1.0
    origin: float = 0.0
    unit: str | None = None


class StackSource(PixelSource, Protocol):
    """Pictures of one shape and dtype, which `shape` and `dtype` tell."""

    def plane(self, index: Index) -> PixelSource:
        """Return one of them, by its number along each axis."""


def plane_of(source: PixelSource, index: Index) -> PixelSource:
    """Return a picture of a stack; with no index, the picture that it is."""
    return cast("StackSource", source).plane(index) if index else source


def planes_of(axes: Sequence[Axis]) -> Iterator[Index]:
    """Yield the index of every picture, the last axis fastest; of no axes, the one there is."""
    yield from np.ndindex(tuple(axis.count for axis in axes))


def count_planes(axes: Sequence[Axis]) -> int:
    """Return how many pictures there are."""
    return prod(axis.count for axis in axes)


@dataclass(frozen=True, slots=True)
class Layout:
    """How pictures lie in an array of OME-Zarr.

    Attributes
    ----------
    stack : tuple of Axis
        Those that number them, in the order `ORDER`.
    colours : int
        How many values each pixel has; along the channels' axis, unless that numbers pictures.
    """

    stack: tuple[Axis, ...] = ()
    colours: int = 1

    @classmethod
    def of(cls, shape: Sequence[int], stack: Sequence[Axis] = ()) -> Self:
        """Return the layout for pictures of this shape, ``(H, W)`` or ``(H, W, colours)``."""
        return cls(tuple(stack), shape[2] if len(shape) == 3 else 1)

    @property
    def numbered(self) -> bool:
        """Whether channels are pictures of their own."""
        return any(axis.letter == "c" for axis in self.stack)

    @property
    def letters(self) -> str:
        """The array's axes."""
        there = {"c", *(axis.letter for axis in self.stack)}
        return "".join(letter for letter in ORDER if letter in there) + "yx"

    def shape(self, size: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of the array of a level."""
        return self._each({a.letter: a.count for a in self.stack}, self.colours, size)

    @property
    def chunks(self) -> tuple[int, ...]:
        """A whole chunk even in a smaller level: all levels alike, as readers expect."""
        return self._each({a.letter: 1 for a in self.stack}, self.colours, (TILE, TILE))

    def index(self, plane: Index, rows: slice, cols: slice) -> tuple[Any, ...]:
        """Return where a part of a picture lies."""
        return self._each(self._numbers(plane), slice(None), (rows, cols))

    def chunk(self, plane: Index, row: int, col: int) -> tuple[int, ...]:
        """Return the number of a picture's chunk."""
        return self._each(self._numbers(plane), 0, (row, col))

    def _numbers(self, plane: Index) -> dict[str, int]:
        return {axis.letter: n for axis, n in zip(self.stack, plane, strict=True)}

    def _each(self, numbered: dict[str, Any], colours: Any, size: Sequence[Any]) -> tuple[Any, ...]:
        first = (numbered.get(letter, colours) for letter in self.letters[:-2])
        return (*first, *size)
