"""What is looked at of a picture on disk: the job that writes it reads it again, not the window."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medrefine.io._lazy import lazy
from napari_medrefine.io.slides import Level

MOST = 2**26  # bytes that are remembered: colours and transparency of two large screens

Pixels = npt.NDArray[Any]


class LookedAt:
    """A level of a pyramid that remembers the part of a file that it was asked for last.

    Asked for the same part again, which is what napari does to show what has come, it answers at
    once, as that part was at the last `look_again`.

    Parameters
    ----------
    level : Level or array
        On disk; or in memory, where it may go on changing.
    """

    def __init__(self, level: Level | Pixels) -> None:
        self._level = level
        self.shape, self.dtype = level.shape, level.dtype
        self.ndim, self.size = level.ndim, level.size
        self._asked: Any = None
        self._last: tuple[Any, Pixels] | None = None

    def __getitem__(self, part: Any) -> Pixels:
        """Return a part: at once if it was the last one, else read."""
        last, self._asked = self._last, part
        if last is not None and _same(last[0], part):
            return last[1]
        pixels = self._read(part)
        self._last = self._to_remember(part, pixels)
        return pixels

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Pixels:
        """Return the whole level."""
        return np.array(self._read(...), dtype, copy=copy)

    def look_again(self) -> None:
        """Read the last part again; for the thread of the job."""
        last = self._last
        if last is not None:
            now = last[0], self._read(last[0])
            if self._last is last:  # nobody has looked at something else meanwhile
                self._last = now

    def become(self, level: Level) -> None:
        """Be another picture of the same shape from now on; for the thread of the job.

        The part that was asked for last is read here, so that the window need not.
        """
        self._level, self._last = level, None
        part = self._asked
        if part is not None:
            self._last = self._to_remember(part, self._read(part))

    def forget(self) -> None:
        """Have the next look read the disk."""
        self._last = None

    def _to_remember(self, part: Any, pixels: Pixels) -> tuple[Any, Pixels] | None:
        on_disk = isinstance(self._level, Level)
        return (part, pixels) if on_disk and pixels.nbytes <= MOST else None

    def _read(self, part: Any) -> Pixels:
        try:
            return self._level[part]
        except IndexError:
            if not isinstance(self._level, Level):
                raise
            # It has neither steps nor lists; dask knows them all.
            return np.asarray(lazy(self._level)[part].compute(scheduler="synchronous"))


def _same(one: Any, other: Any) -> bool:
    """Whether two parts are the same, and given by slices alone."""
    return (
        isinstance(one, tuple)
        and isinstance(other, tuple)
        and all(isinstance(each, slice) for each in (*one, *other))
        and one == other
    )
