"""What the writers of large pictures share: their source, the pyramid's levels, halving, replacing.

A level is half as large as the one before, made from it by block means, until it fits in about one
screenful. An odd last row or column is repeated, so no pixel is lost.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from napari_medrefine._atomic import (
    cannot,
    move,
    part_beside,
    remove_dead,
    sync_folder,
    sync_tree,
)
from napari_medrefine._lock import writing
from napari_medrefine._paths import is_folder
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._zarr_folder import check_replaceable

Pixels = npt.NDArray[Any]
PixelSize = float | tuple[float, float] | None  # side, or height and width, in micrometres
T = TypeVar("T", bound=np.generic)
Facts = Mapping[str, Any]
MOST = 2**42  # values of a picture; the largest slides have 2**39, others only say so
TILE = 512  # also the size below which no further level is made


class PixelSource(Protocol):
    """A picture too large to be held, of which any part can be made."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width, and channels if there are several."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8, uint16 or float."""

    def render(self, top: int, left: int, height: int, width: int) -> npt.NDArray[Any]:
        """Return ``(height, width, ...)``, the part that begins at (top, left)."""


def level_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Return heights and widths of a pyramid's levels, the finest first."""
    sizes = [(height, width)]
    while max(sizes[-1]) > TILE:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def tiles_of(size: tuple[int, int], side: int = TILE) -> Iterator[tuple[slice, slice]]:
    """Yield the tiles of a level, row by row; the last of a row or column may be smaller."""
    for top in range(0, size[0], side):
        for left in range(0, size[1], side):
            yield (
                slice(top, min(top + side, size[0])),
                slice(left, min(left + side, size[1])),
            )


def count_tiles(sizes: list[tuple[int, int]]) -> int:
    """Return how many tiles all levels have together."""
    return sum(-(-height // TILE) * -(-width // TILE) for height, width in sizes)


def rendered(source: PixelSource, tile: tuple[slice, slice]) -> Pixels:
    """Return a tile of the finest level."""
    rows, cols = tile
    return source.render(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)


def doubled(tile: tuple[slice, slice], finer: tuple[int, int]) -> tuple[slice, slice]:
    """Return what a tile covers on the next finer level, of size `finer`."""
    rows, cols = (
        slice(2 * part.start, min(2 * part.stop, length))
        for part, length in zip(tile, finer, strict=True)
    )
    return rows, cols


def halved(pixels: npt.NDArray[T]) -> npt.NDArray[T]:
    """Return means of 2 x 2 pixels of ``(h, w, c)``; of integers, halves are rounded to even.

    As `numpy.rint` does. Rounding halves up would brighten every level by another eighth of a grey
    value.
    """
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    wide = {1: np.uint16, 2: np.uint32}.get(pixels.itemsize) if pixels.dtype.kind == "u" else None
    first: npt.NDArray[Any] = pixels if wide is None else pixels.astype(wide)
    columns = first[:, 0::2] + first[:, 1::2]
    four = columns[0::2] + columns[1::2]
    means = four / 4 if wide is None else (four + 1 + (four >> 2 & 1)) >> 2
    return np.asarray(means, pixels.dtype)


def sides_um(pixel_um: PixelSize) -> tuple[float, float] | None:
    """Return height and width of a pixel in micrometres; None where they are not known."""
    if pixel_um is None:
        return None
    high, wide = pixel_um if isinstance(pixel_um, tuple) else (pixel_um, pixel_um)
    return float(high), float(wide)


def check_target(path: Path, source: PixelSource, pixel_um: PixelSize, overwrite: bool) -> None:
    """Raise a `MedRefineError` where nothing could be written to `path`, before work begins."""
    if len(source.shape) not in (2, 3) or min(source.shape) < 1:
        raise MedRefineError(
            f"The picture has shape {source.shape}; it must be (H, W) or (H, W, channels)."
        )
    if math.prod(source.shape) > MOST:
        raise MedRefineError(
            f"Cannot write {path}: the picture would have {math.prod(source.shape):,} values, more "
            f"than the {MOST:,} that can be written; take a part of it, or a smaller scale."
        )
    if not all(np.isfinite(side) and side > 0 for side in sides_um(pixel_um) or ()):
        raise MedRefineError(f"The pixel size is {pixel_um} um; it must be more than 0.")
    if path.exists() and not overwrite:
        raise MedRefineError(f"{path} exists already; choose another name, or move it away first.")
    check_replaceable(path)
    if not path.parent.is_dir():
        raise MedRefineError(f"The folder {path.parent} does not exist.")


@contextmanager
def replacing_folder(path: Path, part: Path | None = None) -> Iterator[Path]:
    """Make a folder that takes the place of `path` once the block has ended well.

    Whatever happens before, `path` stays as it was.

    Parameters
    ----------
    path : Path
        What to replace.
    part : Path, optional
        Where to make it: kept if the block ends badly, so that it can be gone on with. Default: a
        folder beside `path`, gone afterwards. No two processes may write in the same.

    Raises
    ------
    MedRefineError
        If it cannot be written, `path` is a folder that is no Zarr, or another process is writing
        in `part`.
    """
    with nullcontext() if part is None else writing(path):
        yield from _replacing(path, part)


def _replacing(path: Path, part: Path | None) -> Iterator[Path]:
    for there in (path, _moved(path)):
        check_replaceable(there)
    kept = part is not None
    part = part or part_beside(path)
    try:
        remove_dead(path.parent)
        part.mkdir(exist_ok=kept)
        yield part
        sync_tree(part)  # all of it, before what it replaces is gone
        _swap(part, path)
    except OSError as error:
        if kept and isinstance(error, FileNotFoundError) and is_folder(path.parent):
            raise gone(part) from error
        raise MedRefineError(cannot("write", path, error)) from error
    except MedRefineError as error:
        if kept:
            raise
        raise MedRefineError(str(error).replace(str(part), str(path))) from error
    finally:
        if not kept:
            shutil.rmtree(part, ignore_errors=True)


def gone(part: Path) -> MedRefineError:
    """Return the error that something was taken away of what is being written in `part`."""
    return MedRefineError(
        f"Cannot write {part}: parts of it are gone; bring the folder back (is its drive plugged "
        "in?) and start again."
    )


def _swap(new: Path, path: Path) -> None:
    """Put `new` where `path` is; of an older `path` nothing remains.

    No system replaces a folder in one go. Who is killed between the two steps finds the old one
    beside, ending in ``.replaced``.
    """
    old = _moved(path)
    if path.exists():
        _remove(old)
        move(path, old)
    try:
        move(new, path)
    except OSError:
        if old.exists():
            move(old, path)
        raise
    sync_folder(path.parent)
    _remove(old)


def _moved(path: Path) -> Path:
    """Return where an older `path` is while another takes its place."""
    return path.with_name(f"{path.name}.replaced")


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        # Under its own name nothing is half removed, whenever we are killed; what is left of it
        # then is removed a day later (see `remove_dead`).
        doomed = part_beside(path)
        with suppress(OSError):
            move(path, doomed)
            shutil.rmtree(doomed, ignore_errors=True)
