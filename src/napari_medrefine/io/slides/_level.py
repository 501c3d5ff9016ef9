"""One level of a slide: looks like an array, and reads from disk only what is asked for."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_medrefine._photos.refusal import one_sentence
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image

Part = slice | int


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """A picture on disk: ``level[rows, columns]`` reads that part of it.

    Rows and columns are slices with step 1, or whole numbers, with NumPy's meaning; a third index
    goes to the channels. Each reading decodes the tiles it touches, and keeps none of them. Threads
    may read at the same time.

    Attributes
    ----------
    path : Path
        The file or folder, for messages.
    shape : tuple of int
        ``(H, W)`` or ``(H, W, C)``.
    dtype : numpy.dtype
        uint8, uint16 or float, in this machine's byte order.
    chunks : tuple of int
        The part that is stored, and so decoded, as one; like `shape`.
    pixels : callable
        ``pixels(rows, columns)`` reads a part that lies within the picture and is not empty.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    chunks: tuple[int, ...]
    pixels: Callable[[slice, slice], Image] = field(repr=False)

    @property
    def ndim(self) -> int:
        """2 for grey, 3 with channels."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __getitem__(self, index: Any) -> Image:
        """Read a part.

        Raises
        ------
        IndexError
            If the index has a step, a list, a mask, or too many entries.
        MedRefineError
            If the file is damaged there, or gone.
        """
        first, second, *rest = self._complete(index)
        rows, row = _within(first, self.shape[0])
        columns, column = _within(second, self.shape[1])
        size = rows.stop - rows.start, columns.stop - columns.start
        if 0 in size:
            part: Image = np.empty((*size, *self.shape[2:]), self.dtype)
        else:
            with one_sentence(self.path):
                part = np.asarray(self.pixels(rows, columns)).astype(self.dtype, copy=False)
                _expect(part.shape, (*size, *self.shape[2:]))
        picked: Image = np.ascontiguousarray(part)[(row, column, *rest)]
        return picked

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Image:
        """Read the whole level."""
        if copy is False:
            raise ValueError(f"The pixels of {self.path} are on disk; they cannot be had uncopied.")
        whole = self[:, :]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def _complete(self, index: Any) -> list[Any]:
        """Return one index for each axis."""
        parts = list(index) if isinstance(index, tuple) else [index]
        missing = self.ndim - sum(part is not Ellipsis for part in parts)
        at = next((i for i, part in enumerate(parts) if part is Ellipsis), len(parts))
        parts[at : at + 1] = [slice(None)] * max(missing, 0)
        if len(parts) != self.ndim or any(part is Ellipsis for part in parts):
            raise IndexError(f"{index!r} is no index into a picture of shape {self.shape}.")
        return parts


def _within(part: Any, length: int) -> tuple[slice, Part]:
    """Return the rows or columns to read, and what to pick of them."""
    if isinstance(part, slice):
        start, stop, step = part.indices(length)
        if step != 1:
            raise IndexError(f"A slide is read with step 1, not {step}.")
        return slice(start, max(start, stop)), slice(None)
    try:
        number = operator.index(part)
    except TypeError as error:
        raise IndexError(f"A slide is read in slices, not by {type(part).__name__}.") from error
    if not -length <= number < length:
        raise IndexError(f"Index {number} is outside of {length} pixels.")
    return slice(number % length, number % length + 1), 0


def _expect(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if shape != expected:
        raise MedRefineError(f"a part of it has the shape {shape} instead of {expected}")
