"""A photo put together again from its tiles, read only where it is looked at."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np

from napari_medrefine.dataset.loader import TiledDataset
from napari_medrefine.dataset.manifest import PhotoEntry, TileEntry
from napari_medrefine.dataset.recipe import Pixels
from napari_medrefine.errors import MedRefineError

if TYPE_CHECKING:
    import dask.array


def mosaic(
    dataset: TiledDataset, photo: PhotoEntry, *, absent: frozenset[str] = frozenset()
) -> dask.array.Array:
    """Return `photo` as a dask array of its tiles, uint8 ``(H, W, 3)``, one tile a chunk.

    A tile that is not in the manifest or in `absent` (files known to be gone) is black. One that
    turns out to be gone or damaged when it is looked at is black too, with a warning that says so.
    """
    import dask.array as da

    side = dataset.manifest.recipe.tile
    tiles = {
        (tile.row, tile.col): tile
        for tile in dataset.manifest.tiles_of(photo.name)
        if tile.file not in absent
    }

    def read(block_id: tuple[int, ...]) -> Pixels:
        return _read_or_black(dataset, tiles.get((block_id[0], block_id[1])), side)

    rows, cols = (n // side for n in photo.shape)
    whole: dask.array.Array = da.map_blocks(
        read,
        chunks=((side,) * rows, (side,) * cols, (3,)),
        dtype=np.uint8,
        meta=np.empty((0, 0, 0), np.uint8),
        name=f"{photo.name}-{uuid4()}",
    )
    return whole


def _read_or_black(dataset: TiledDataset, tile: TileEntry | None, side: int) -> Pixels:
    if tile is not None:
        try:
            return dataset.read_tile(tile)
        except MedRefineError as error:
            warnings.warn(f"{error} It is shown black.", stacklevel=2)
    return np.zeros((side, side, 3), np.uint8)
