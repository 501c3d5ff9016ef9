"""Deep Zoom: ``NAME.dzi`` beside ``NAME_files/LEVEL/COLUMN_ROW.jpg``.

No well-kept library reads it (openslide and libvips only write it), and it is a dozen lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_medrefine._photos.scale import objective_of
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, colours_of
from napari_medrefine.io.slides._dzi import DeepZoom, read_description
from napari_medrefine.io.slides._level import Level
from napari_medrefine.io.slides._slide import Slide
from napari_medrefine.photos import read_header, read_photo


def open_deep_zoom(path: Path) -> Slide:
    """Open a ``.dzi`` file; its first tile tells dtype and channels.

    Raises
    ------
    MedRefineError
        If it is damaged, or its first tile is missing; a reason or a sentence.
    """
    described = read_description(path)
    folder = path.with_name(f"{path.stem}_files")
    first = read_header(_tile(folder, described, described.finest, 0, 0))
    levels = []
    for number in described.levels():
        shape = (*described.size(number), *first.shape[2:])
        tiles = _Tiles(folder, described, number, shape, first.dtype)
        chunks = tuple(min(described.tile, length) for length in shape)
        levels.append(Level(path, shape, first.dtype, chunks, tiles.pixels))
    return Slide(
        path=path,
        name=path.stem,
        kind="Deep Zoom",
        levels=tuple(levels),
        rgb=len(first.shape) == 3,
        objective=objective_of(path),
    )


@dataclass(frozen=True, slots=True)
class _Tiles:
    """The tiles of a level."""

    folder: Path
    described: DeepZoom
    level: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    def pixels(self, rows: slice, columns: slice) -> Image:
        """Put a part together from the tiles that it touches."""
        side = self.described.tile
        size = rows.stop - rows.start, columns.stop - columns.start
        part: Image = np.empty((*size, *self.shape[2:]), self.dtype)
        for row in range(rows.start // side, (rows.stop - 1) // side + 1):
            for column in range(columns.start // side, (columns.stop - 1) // side + 1):
                down, to_row = _common(rows, row * side, side)
                right, to_column = _common(columns, column * side, side)
                part[to_row, to_column] = self._inner(row, column)[down, right]
        return part

    def _inner(self, row: int, column: int) -> Image:
        """Return a tile without what it repeats of its neighbours."""
        file = _tile(self.folder, self.described, self.level, row, column)
        pixels = _like(read_photo(file).image, self.shape[2:])
        side, overlap = self.described.tile, self.described.overlap
        stored, inner = [], []
        for index, length in zip((row, column), self.shape[:2], strict=True):
            before = overlap if index else 0
            stop = min((index + 1) * side, length)
            stored.append(min(stop + overlap, length) - index * side + before)
            inner.append(slice(before, before + stop - index * side))
        if pixels.shape != (*stored, *self.shape[2:]) or pixels.dtype != self.dtype:
            raise MedRefineError(
                f"Cannot read {file}: the tile has the shape {pixels.shape} and {pixels.dtype} "
                f"pixels instead of {(*stored, *self.shape[2:])} and {self.dtype}."
            )
        return pixels[tuple(inner)]


def _tile(folder: Path, described: DeepZoom, level: int, row: int, column: int) -> Path:
    return folder / str(level) / f"{column}_{row}.{described.format}"


def _like(pixels: Image, channels: tuple[int, ...]) -> Image:
    """Return a grey tile (an encoder may find a blank one to be grey) in the slide's colours."""
    return colours_of(pixels) if pixels.ndim == 2 and channels == (3,) else pixels


def _common(part: slice, start: int, side: int) -> tuple[slice, slice]:
    """Return where a part and a tile overlap: within the tile, and within the part."""
    first, last = max(part.start, start), min(part.stop, start + side)
    return slice(first - start, last - start), slice(first - part.start, last - part.start)
