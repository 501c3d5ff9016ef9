"""A photo put together again from its tiles, read only where it is looked at."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from napari_medrefine.dataset.loader import TiledDataset
from napari_medrefine.dataset.manifest import PhotoEntry, TileEntry
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image

if TYPE_CHECKING:
    import dask.array


def mosaic(
    dataset: TiledDataset, photo: PhotoEntry, *, absent: frozenset[str] = frozenset()
) -> dask.array.Array:
    """Return `photo` as a dask array of its tiles, one tile a chunk.

    uint8 ``(H, W, 3)``; of a saved layer, what it was. A tile that is not in the manifest or in
    `absent` (files known to be gone) is black. One that turns out to be gone or damaged when it is
    looked at is black too, with a warning that says so.
    """
    import dask.array as da

    side = dataset.manifest.recipe.tile
    dtype, channels = kind_of(photo)
    tiles = {
        (tile.row, tile.col): tile
        for tile in dataset.manifest.tiles_of(photo.name)
        if tile.file not in absent
    }

    chunks = (*(_parts(length, side) for length in photo.shape), *((n,) for n in channels))
    read = _Tiles(dataset, photo, tiles, np.zeros((side, side, *channels), dtype))
    whole: dask.array.Array = da.map_blocks(
        read,
        chunks=chunks,
        dtype=dtype,
        meta=np.empty((0,) * len(chunks), dtype),
        name=read.name,
    )
    return whole


class _Tiles:
    """Reads a photo's tiles for dask, which is told their name: to find one it would pickle all."""

    def __init__(
        self,
        dataset: TiledDataset,
        photo: PhotoEntry,
        tiles: Mapping[tuple[int, int], TileEntry],
        black: Image,
    ) -> None:
        self._dataset, self._photo, self._tiles, self._black = dataset, photo, tiles, black
        self.name = f"{photo.name}-{uuid4()}"

    def __call__(self, block_id: tuple[int, ...]) -> Image:
        row, col = block_id[:2]
        side = len(self._black)
        tile = _read_or_black(self._dataset, self._tiles.get((row, col)), self._black)
        height, width = self._photo.shape
        return tile[: height - row * side, : width - col * side]

    def __dask_tokenize__(self) -> str:
        return self.name


def kind_of(photo: PhotoEntry) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return the dtype of a photo's pixels, and the shape of one: () or (channels,)."""
    if photo.layer is None:
        return np.dtype(np.uint8), (3,)
    return np.dtype(photo.layer.dtype), (photo.layer.channels,) if photo.layer.channels else ()


def _parts(length: int, side: int) -> tuple[int, ...]:
    rest = length % side
    return (side,) * (length // side) + ((rest,) if rest else ())


def _read_or_black(dataset: TiledDataset, tile: TileEntry | None, black: Image) -> Image:
    if tile is not None:
        try:
            return dataset.read_stored(tile)
        except MedRefineError as error:
            warnings.warn(f"{error} It is shown black.", stacklevel=2)
    return black
