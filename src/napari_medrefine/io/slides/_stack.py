"""A stack on disk: pictures numbered by time, channel and depth, of which any part is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_medrefine._photos.refusal import one_sentence
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image

Read = Callable[[tuple[slice, ...]], Image]


@dataclass(frozen=True, slots=True, eq=False)
class StackLevel:
    """One level: like an array, enough of one for dask to read its chunks.

    Attributes
    ----------
    path : Path
        The file or folder, for messages.
    shape, chunks : tuple of int
        Of all axes; `chunks` is what is stored, and so decoded, as one.
    dtype : numpy.dtype
        In this machine's byte order.
    read : callable
        Reads a part, given as a slice for each axis.
    """

    path: Path
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[np.generic]
    read: Read = field(repr=False)

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    def __getitem__(self, index: tuple[slice, ...]) -> Image:
        """Read a part.

        Raises
        ------
        MedRefineError
            If the file is damaged there, or gone.
        """
        with one_sentence(self.path):
            return np.asarray(self.read(index)).astype(self.dtype, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """A stack, open for reading.

    Attributes
    ----------
    path : Path
        The file or folder.
    axes : str
        A letter for each axis of its levels: t, c, z, y, x, and s for colours that are no channels.
    levels : tuple of StackLevel
        The finest first.
    """

    path: Path
    axes: str
    levels: tuple[StackLevel, ...]

    def __post_init__(self) -> None:
        """Check that the levels are pictures of the same planes."""
        first = self.levels[0]
        planes = [n for axis, n in zip(self.axes, first.shape, strict=False) if axis not in "yx"]
        for level in self.levels:
            same = len(level.shape) == len(self.axes) and level.dtype == first.dtype
            pairs = zip(self.axes, level.shape, strict=False)
            if not same or [n for axis, n in pairs if axis not in "yx"] != planes:
                raise MedRefineError(
                    f"its levels do not belong together: {first.shape} {first.dtype} and "
                    f"{level.shape} {level.dtype} are of axes '{self.axes}'"
                )


def stack_level(array: Any, chunks: tuple[int, ...], path: Path, read: Read) -> StackLevel:
    """Return a level that tells of `array`, a stored one, and reads with `read`."""
    dtype = np.dtype(array.dtype).newbyteorder("=")
    return StackLevel(path, tuple(array.shape), tuple(chunks), dtype, read)
