"""One layer into tiles on disk, read block by block."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_medrefine._atomic import cannot, write_bytes
from napari_medrefine._hashing import digest
from napari_medrefine._photos.encode import write_png, write_tiff
from napari_medrefine.dataset._cut import encode_tile
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, Tally
from napari_medrefine.io._photo_layers import PhotoLayer, blocks
from napari_medrefine.progress import Step

MEASURED = 2048  # side of the part in the middle that contrast and sharpness are measured on
Old = Mapping[tuple[str, int, int], list[str]]  # tiles there, by SHA-256, row and column


@dataclass(frozen=True, slots=True)
class WrittenTile:
    """A tile on disk; `file` is one that was there before, or None: it is in the new folder."""

    row: int
    col: int
    sha256: str
    pixels: str
    file: str | None


@dataclass(slots=True)
class Tiled:
    """A layer's tiles, and what was seen of it on the way.

    Attributes
    ----------
    tiles : list of WrittenTile
        Row by row.
    white : float
        What stands for full white.
    middle : ndarray
        The part that is measured, as it was.
    """

    tiles: list[WrittenTile] = field(default_factory=list)
    white: float = 1.0
    middle: Any = None

    @property
    def pixels(self) -> str:
        """SHA-256 of the pixels, from those of the tiles."""
        return hashlib.sha256("".join(tile.pixels for tile in self.tiles).encode()).hexdigest()


def tile_name(row: int, col: int, dtype: np.dtype[Any]) -> str:
    """Return a tile's file name: PNG holds whole numbers, TIFF the rest."""
    return f"r{row:02d}c{col:02d}.{'tif' if dtype.kind == 'f' else 'png'}"


def tile_layer(
    layer: PhotoLayer,
    side: int,
    folder: Path,
    old: Old,
    dataset: Path,
    pool: ThreadPoolExecutor,
    step: Callable[[str], Step],
) -> Generator[Step, None, Tiled]:
    """Write the tiles of `layer` into `folder`, but for those that are there; a job.

    Edge tiles are filled up with the picture mirrored. `old` tiles lie in the folder `dataset`.
    """

    def write(y: int, x: int, part: Image) -> WrittenTile:
        row, col = y // side, x // side
        encoded = encode(_padded(part, side))
        digest = hashlib.sha256(encoded).hexdigest()
        files = old.get((digest, row, col))
        there = files.pop(0) if files else None  # each file belongs to one tile
        if there is not None and not is_whole(dataset / there, digest):
            there = None
        if there is None:
            write_bytes(folder / tile_name(row, col, part.dtype), encoded, sync=False)
        return WrittenTile(row, col, digest, _digest(part), there)

    result = Tiled(middle=_empty_middle(layer))
    brightness = None
    for y, x, block in blocks(layer, side):
        futures = [
            pool.submit(write, y + dy, x + dx, block[dy : dy + side, dx : dx + side])
            for dy in range(0, block.shape[0], side)
            for dx in range(0, block.shape[1], side)
        ]
        _copy_middle(result.middle, layer.shape, y, x, block)
        if block.dtype != np.uint8:
            seen = Tally.of(block)
            brightness = brightness + seen if brightness else seen
        result.tiles += yield from _collect(futures, step)
    result.tiles.sort(key=lambda tile: (tile.row, tile.col))
    result.white = brightness.white if brightness else 255.0
    return result


def encode(tile: Image) -> bytes:
    """Return a tile as PNG or TIFF, without loss."""
    if tile.dtype == np.uint8:
        return encode_tile(np.asarray(tile, np.uint8))
    buffer = io.BytesIO()
    (write_tiff if tile.dtype.kind == "f" else write_png)(buffer, tile, None)
    return buffer.getvalue()


def is_whole(path: Path, sha256: str) -> bool:
    """Say whether the file at `path` has this SHA-256."""
    try:
        return digest(path) == sha256
    except OSError:
        return False


def make_folder(path: Path, *, new: bool) -> None:
    """Make a folder; with `new` it must not have been there.

    Raises
    ------
    MedRefineError
        If that is impossible.
    """
    try:
        path.mkdir(exist_ok=not new)
    except OSError as error:
        raise MedRefineError(cannot("make the folder", path, error)) from error


def _collect(
    futures: list[Future[WrittenTile]], step: Callable[[str], Step]
) -> Generator[Step, None, list[WrittenTile]]:
    tiles = []
    try:
        for future in futures:
            tiles.append(future.result())
            yield step(f"tile {len(tiles)} of {len(futures)}")
    finally:
        for future in futures:
            future.cancel()
    return tiles


def _padded(part: Image, side: int) -> Image:
    missing = [(0, side - n) for n in part.shape[:2]] + [(0, 0)] * (part.ndim - 2)
    return np.pad(part, missing, mode="symmetric") if any(n for _, n in missing) else part


def _digest(part: Image) -> str:
    head = f"{part.shape}{part.dtype.str}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(part).tobytes()).hexdigest()


def _empty_middle(layer: PhotoLayer) -> Image:
    shape = [min(n, MEASURED) for n in layer.shape]
    return np.zeros((*shape, layer.channels) if layer.channels else tuple(shape), layer.dtype)


def _copy_middle(middle: Image, shape: tuple[int, int], y: int, x: int, block: Image) -> None:
    """Copy what `block`, whose first pixel is (y, x), has of the middle of the layer."""
    here, there = [], []
    for start, length, n, part in zip((y, x), block.shape, shape, middle.shape, strict=False):
        first = (n - part) // 2
        low, high = max(start, first), min(start + length, first + part)
        if low >= high:
            return
        there.append(slice(low - first, high - first))
        here.append(slice(low - start, high - start))
    middle[tuple(there)] = block[tuple(here)]
