"""How a picture lies in a stored array of named axes: channels first, a single z, and the like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.io.slides._level import Level

_STACKS = {"t": "points in time", "z": "planes in depth"}


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Which axes of a stored array are rows, columns and channels.

    Attributes
    ----------
    axes : str
        A letter for each axis, with ``y`` and ``x`` among them. ``c`` are the channels; whatever
        else there is has length 1.
    channels : int
        Length of ``c``; 1 if there is none.
    """

    axes: str
    channels: int

    @property
    def kept(self) -> str:
        """The axes that a picture has, in the order of the stored array."""
        return "".join(a for a in self.axes if a in "yx" or (a == "c" and self.channels > 1))

    def index(self, rows: slice, columns: slice) -> tuple[slice | int, ...]:
        """Return where a part of the picture lies in the stored array."""
        of = {"y": rows, "x": columns, "c": slice(None)}
        return tuple(of[axis] if axis in self.kept else 0 for axis in self.axes)

    def order(self, stored: tuple[int, ...]) -> tuple[int, ...]:
        """Return those of a value for each stored axis that belong to rows, columns, channels."""
        return tuple(stored[self.axes.index(axis)] for axis in "yxc" if axis in self.kept)

    def picture(self, part: Image) -> Image:
        """Return a part as it was stored, indexed by `index`, as ``(h, w)`` or ``(h, w, C)``."""
        return part.transpose([self.kept.index(axis) for axis in "yxc" if axis in self.kept])


def arrange(axes: str, shape: tuple[int, ...]) -> Arrangement:
    """Find the picture in an array.

    Raises
    ------
    MedRefineError
        If it has no rows and columns, or is a stack of pictures; a reason, not a sentence.
    """
    if len(axes) != len(shape) or any(axes.count(axis) != 1 for axis in "yx") or "cc" in axes:
        raise MedRefineError(f"its axes '{axes}' do not describe a picture of shape {shape}")
    if 0 in shape:
        raise MedRefineError(f"it is empty (shape {shape})")
    for axis, length in zip(axes, shape, strict=True):
        if axis not in "yxc" and length != 1:
            raise MedRefineError(
                f"it has {length} {_STACKS.get(axis, 'pictures in one')}; save the one that is "
                "meant by itself"
            )
    return Arrangement(axes, shape[axes.index("c")] if "c" in axes else 1)


def stored_level(array: Any, axes: str, chunks: tuple[int, ...], path: Path) -> Level:
    """Return a level that reads from `array`: zarr's, or one mapped into memory.

    Parameters
    ----------
    array : array-like
        Indexed with a slice or a number for each axis.
    axes : str
        See `Arrangement`.
    chunks : tuple of int
        Of `array`.
    path : Path
        For messages.

    Raises
    ------
    MedRefineError
        As `arrange` does.
    """
    arrangement = arrange(axes, tuple(array.shape))

    def pixels(rows: slice, columns: slice) -> Image:
        return arrangement.picture(np.asarray(array[arrangement.index(rows, columns)]))

    dtype = np.dtype(array.dtype).newbyteorder("=")
    return Level(path, arrangement.order(array.shape), dtype, arrangement.order(chunks), pixels)
