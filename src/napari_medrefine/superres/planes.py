"""Stacks: channels, sections or times, each plane of which is an image by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Self

import numpy as np

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.progress import Step, retold

Where = tuple[int | slice, ...]
Job = Generator[Step, None, Image]


@dataclass(frozen=True, slots=True)
class Stack:
    """Several images of one shape, maybe on disk: one is read at a time.

    Attributes
    ----------
    data : array
        NumPy, dask, Zarr or the like.
    axes : tuple of int
        Those that number the planes, in rising order; the others are an image's.
    """

    data: Any
    axes: tuple[int, ...]

    @classmethod
    def of(cls, data: Any, axes: int | Sequence[int]) -> Self:
        """Return `data` as a stack, its `axes` counted from the front or the back.

        Raises
        ------
        MedRefineError
            If it has no such axes, or nothing in it.
        """
        if not all(hasattr(data, name) for name in ("shape", "dtype", "__getitem__")):
            data = _as_array(data)
        count = len(data.shape)
        given = [axes] if isinstance(axes, int) else list(axes)
        found = sorted({axis % count for axis in given if -count <= axis < count})
        if not found or len(found) < len(given):
            raise MedRefineError(
                f"The image has shape {tuple(data.shape)}, and so no channel_axis {axes}."
            )
        if 0 in data.shape:
            raise MedRefineError(f"The image is empty (shape {tuple(data.shape)}).")
        return cls(data, tuple(found))

    @property
    def counts(self) -> tuple[int, ...]:
        """How many planes there are along each of the axes."""
        return tuple(int(self.data.shape[axis]) for axis in self.axes)

    @property
    def count(self) -> int:
        """How many planes there are."""
        return prod(self.counts)

    def __iter__(self) -> Iterator[Image]:
        for where in self.places():
            yield np.asarray(self.data[where])

    def places(self) -> Iterator[Where]:
        """Yield the index of each plane, in the order of the memory."""
        for index in np.ndindex(self.counts):
            where: list[int | slice] = [slice(None)] * len(self.data.shape)
            for axis, number in zip(self.axes, index, strict=True):
                where[axis] = number
            yield tuple(where)

    def shape_with(self, plane: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of a stack like this one whose planes have the shape `plane`."""
        shape = list(plane)
        for axis, count in zip(self.axes, self.counts, strict=True):  # rising: each finds its place
            shape.insert(axis, count)
        return tuple(shape)


class StackHash:
    """The hash of a stack, made while one plane after the other is read.

    See `napari_medrefine.provenance.Input.planes`.

    Parameters
    ----------
    counts : sequence of int
        How many planes there are along each axis.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        self._counts, self._begun = tuple(counts), False
        self._digest = hashlib.sha256()

    def add(self, plane: Image) -> None:
        """Take in the next plane."""
        if not self._begun:
            self._digest.update(f"{(*self._counts, *plane.shape)}{plane.dtype.str}".encode())
        self._begun = True
        self._digest.update(np.ascontiguousarray(plane).data)

    def value(self) -> str:
        """Return the SHA-256 of what was taken in."""
        return self._digest.hexdigest()


def stack_steps(stack: Stack, run: Callable[[Image], Job]) -> Job:
    """Do `run` to each plane; its steps count as parts of the whole, of which there is one result.

    Memory holds the result and what one plane needs.
    """
    result: Image = np.empty(0)
    for number, (where, plane) in enumerate(zip(stack.places(), stack, strict=True)):

        def tell(step: Step, number: int = number) -> Step:
            total = max(step.total, 1)
            text = f"{step.text}, plane {number + 1} of {stack.count}"
            return Step(number * total + step.done, stack.count * total, text)

        made = yield from retold(run(plane), tell)
        if number == 0:
            result = np.empty(stack.shape_with(made.shape), made.dtype)
        result[where] = made
    return result


def _as_array(data: object) -> Image:
    try:
        return np.asarray(data)
    except ValueError as error:
        raise MedRefineError("The image is no array: its rows differ in length.") from error
