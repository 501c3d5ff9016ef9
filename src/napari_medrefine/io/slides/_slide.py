"""What an open slide is, whatever its format."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.io.slides._level import Level

UNLIKE = 8.0  # times that rows may be reduced more than columns between two levels, or less
_DTYPES = ("uint8", "uint16", "float16", "float32", "float64")


def _is_reduction(finer: tuple[int, ...], coarser: tuple[int, ...]) -> bool:
    """Return whether one level may be another made smaller, in about the same proportions.

    A level that is not would be shown in a wrong place. How a length was rounded is not known.
    """
    if any(after > before for before, after in zip(finer[:2], coarser[:2], strict=True)):
        return False
    least = [before / (after + 1) for before, after in zip(finer[:2], coarser[:2], strict=True)]
    most = [
        before / (after - 1) if after > 1 else math.inf
        for before, after in zip(finer[:2], coarser[:2], strict=True)
    ]
    return least[0] <= UNLIKE * most[1] and least[1] <= UNLIKE * most[0]


def _nothing() -> None:
    """Close a slide that keeps no file open."""


@dataclass(frozen=True, slots=True, eq=False)
class Slide:
    """A picture of any size, open for reading; a context manager, or `close` it.

    Attributes
    ----------
    path : Path
        The file or folder it was opened from.
    name : str
        Its name without suffixes.
    kind : str
        The format, for provenance: ``"OME-Zarr 0.5"``, ``"Aperio SVS"``, ``"Deep Zoom"``, ...
    levels : tuple of Level
        The finest first; all of one dtype, with the same channels.
    rgb : bool
        Whether it is a colour picture, ``(H, W, 3)`` or ``(H, W, 4)`` with alpha.
    channels : tuple of str
        Names of the channels where the file gives them, one for each; empty for colour pictures.
    pixel_um : float or None
        The side of a pixel of the finest level in micrometres; None where it is not known, or
        pixels are not square.
    objective : float or None
        The objective's magnification, e.g. 40.0.
    sides_um : (float, float) or None
        Height and width of such a pixel, known where pixels are not square, too.
    origin_um : (float, float)
        Where the centre of its first pixel lies, (row, column); 0 where the file does not say it.
    """

    path: Path
    name: str
    kind: str
    levels: tuple[Level, ...]
    rgb: bool
    channels: tuple[str, ...] = ()
    pixel_um: float | None = None
    objective: float | None = None
    sides_um: tuple[float, float] | None = None
    origin_um: tuple[float, float] = (0.0, 0.0)
    _close: Callable[[], None] = field(default=_nothing, repr=False)

    def __post_init__(self) -> None:
        if self.sides_um is None and self.pixel_um is not None:
            object.__setattr__(self, "sides_um", (self.pixel_um, self.pixel_um))
        for level in self.levels:
            if level.dtype.name not in _DTYPES:
                raise MedRefineError(
                    f"its pixels are {level.dtype}; uint8, uint16 and float can be read"
                )
        for finer, level in pairwise(self.levels):
            same = (finer.dtype, finer.shape[2:]) == (level.dtype, level.shape[2:])
            if not same or not _is_reduction(finer.shape, level.shape):
                raise MedRefineError(
                    f"its levels do not belong together: {finer.shape} {finer.dtype} is followed "
                    f"by {level.shape} {level.dtype}"
                )

    def read(self, level: int, rows: slice, columns: slice) -> Image:
        """Return a part of a level; the same as ``slide.levels[level][rows, columns]``."""
        return self.levels[level][rows, columns]

    def close(self) -> None:
        """Close the file: parts of a TIFF can then no longer be read. Again does no harm."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
