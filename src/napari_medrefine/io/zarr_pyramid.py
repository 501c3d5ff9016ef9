"""The levels of an OME-Zarr picture on disk, written block by block: by anyone, in any session.

A block is there once all its chunks are: Zarr writes each under another name and then renames it,
so what a killed process leaves behind is never taken for a chunk. But Zarr makes a folder anew that
somebody took away, and what is missing would be black: so we look whether it is still there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from napari_medrefine._atomic import sync_file
from napari_medrefine.io.pyramid_writer import (
    TILE,
    PixelSource,
    doubled,
    gone,
    halved,
    level_sizes,
)
from napari_medrefine.io.stack_layout import Index, Layout, plane_of, planes_of

Pixels = npt.NDArray[Any]
Size = tuple[int, int]
Part = tuple[slice, slice]
_MARKERS = ("zarr.json", ".zarray", ".zgroup")  # what Zarr 3 and 2 call their metadata


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """A square of a level; smaller at the right and bottom. Of a stack, of one of its pictures."""

    level: int
    row: int
    col: int
    plane: Index = ()

    def within(self, size: Size, side: int) -> tuple[slice, slice]:
        """Return its rows and columns in a level of this size, if blocks have this side."""
        rows, cols = (
            slice(n * side, min((n + 1) * side, length))
            for n, length in zip((self.row, self.col), size, strict=True)
        )
        return rows, cols


class ZarrPyramid:
    """The arrays of a picture's levels, ``(channels, H, W)`` or those of a stack, in a folder.

    Parameters
    ----------
    folder : Path
        The Zarr group.
    shape : tuple of int
        Of the picture: ``(H, W)`` or ``(H, W, channels)``.
    side : int
        Pixels of a block, a multiple of a chunk's: what is made at once.
    layout : Layout, optional
        Of a stack: how its pictures lie in the arrays.
    at_once : int, optional
        How many chunks may be compressed at the same time, each by a thread; default: as many as
        Zarr will.
    """

    def __init__(
        self,
        folder: Path,
        shape: tuple[int, ...],
        side: int = TILE,
        layout: Layout | None = None,
        at_once: int | None = None,
    ) -> None:
        self.folder, self.side, self._at_once = folder, side, at_once
        self.layout = layout or Layout.of(shape)
        self.sizes = level_sizes(*shape[:2])
        self.levels = [_opened(folder / str(level)) for level in range(len(self.sizes))]

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks: each after the finer ones that it is made from."""
        coarsest = len(self.sizes) - 1
        for plane in planes_of(self.layout.stack):
            for row, col in product(*(range(n) for n in self._counts(coarsest))):
                yield from self._with_finer(Block(coarsest, row, col, plane))

    def finer(self, block: Block) -> list[Block]:
        """Return the blocks of the next finer level that `block` is made from."""
        if block.level == 0:
            return []
        rows, cols = self._counts(block.level - 1)
        return [
            Block(block.level - 1, row, col, block.plane)
            for row in range(2 * block.row, min(2 * block.row + 2, rows))
            for col in range(2 * block.col, min(2 * block.col + 2, cols))
        ]

    def _with_finer(self, block: Block) -> Iterator[Block]:
        for finer in self.finer(block):
            yield from self._with_finer(finer)
        yield block

    def _counts(self, level: int) -> Size:
        height, width = self.sizes[level]
        return -(-height // self.side), -(-width // self.side)

    def has(self, block: Block) -> bool:
        """Return whether all chunks of a block are written."""
        # None is empty, but for one that was never synced when the power went.
        return all(_size(chunk) > 0 for chunk in self._chunks(block))

    def _chunks(self, block: Block) -> list[Path]:
        """Return the files of a block's chunks."""
        level = self.levels[block.level]
        spans = (
            range(part.start // TILE, -(-part.stop // TILE))
            for part in block.within(self.sizes[block.level], self.side)
        )
        folder = self.folder / str(block.level)
        chunks = (self.layout.chunk(block.plane, row, col) for row, col in product(*spans))
        return [folder / level.metadata.encode_chunk_key(chunk) for chunk in chunks]

    def write(self, block: Block, source: PixelSource) -> None:
        """Make a block, from `source` or from the next finer level, and write it, synced.

        Raises
        ------
        MedRefineError
            If the picture's folder is gone.
        OSError
            If it cannot be written.
        """
        self._check_there(block.level)
        place = block.within(self.sizes[block.level], self.side)
        made = self._maker(block, place, source)
        for piece in [place] if self._at_once is None else _pieces(place, self._at_once):
            pixels = made(piece)
            planes = pixels.reshape(*pixels.shape[:2], -1)
            self._check_there(block.level)  # making it took a while
            stored = planes[..., 0] if self.layout.numbered else np.moveaxis(planes, -1, 0)
            self.levels[block.level][self.layout.index(block.plane, *piece)] = stored
        for chunk in self._chunks(block):
            sync_file(chunk)

    def _maker(self, block: Block, place: Part, source: PixelSource) -> Callable[[Part], Pixels]:
        """Return what makes pieces of the block at `place`, ``(h, w)`` or ``(h, w, channels)``."""
        if block.level > 0:
            self._check_finer(block)
            return lambda piece: self._reduced(block, piece)
        rows, cols = place
        size = rows.stop - rows.start, cols.stop - cols.start
        pixels = plane_of(source, block.plane).render(rows.start, cols.start, *size)
        return lambda piece: pixels[_moved(piece, -rows.start, -cols.start)]

    def _reduced(self, block: Block, piece: Part) -> Pixels:
        finer = doubled(piece, self.sizes[block.level - 1])
        stored = self.levels[block.level - 1][self.layout.index(block.plane, *finer)]
        return halved(stored[..., None] if self.layout.numbered else np.moveaxis(stored, 0, -1))

    def check_whole(self) -> Generator[None, None, None]:
        """Look whether all is there before the picture passes for complete; yield now and then.

        Raises
        ------
        MedRefineError
            If something was taken away meanwhile.
        """
        for level in range(len(self.sizes)):
            self._check_there(level)
        for block in self.blocks():
            if not self.has(block):
                raise gone(self.folder)
            yield

    def _check_finer(self, block: Block) -> None:
        if not all(self.has(finer) for finer in self.finer(block)):
            raise gone(self.folder)

    def _check_there(self, level: int) -> None:
        folders = (self.folder, self.folder / str(level))
        if not all(any(map(Path.is_file, map(x.joinpath, _MARKERS))) for x in folders):
            raise gone(self.folder)


def _pieces(place: Part, chunks: int) -> Iterator[Part]:
    """Yield pieces of so many chunks side by side that together are `place`."""
    rows, cols = place
    return product(_cut(rows, TILE), _cut(cols, TILE * chunks))


def _cut(span: slice, length: int) -> list[slice]:
    starts = range(span.start, span.stop, length)
    return [slice(start, min(start + length, span.stop)) for start in starts]


def _moved(part: Part, down: int, right: int) -> Part:
    rows, cols = part
    return (
        slice(rows.start + down, rows.stop + down),
        slice(cols.start + right, cols.stop + right),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _opened(folder: Path) -> Any:
    # Chunks of nothing but 0 are written too: what is not there has still to be made. An array that
    # is opened, not created, takes this from Zarr's own settings (3.1 ignores ``config=``).
    with zarr.config.set({"array.write_empty_chunks": True}):
        return zarr.open_array(folder, mode="r+")
