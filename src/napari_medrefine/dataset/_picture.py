"""A photo's reduced picture, put together again from its tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_medrefine.dataset._cut import CutPhoto
from napari_medrefine.dataset.loader import read_tile
from napari_medrefine.dataset.recipe import Pixels


def picture_from_tiles(cut: CutPhoto, output: Path) -> Pixels:
    """Put the tiles of a photo together, uint8 (H, W, 3): exactly what they were cut from.

    Raises
    ------
    MedRefineError
        If a tile is missing or damaged.
    """
    picture = np.zeros((*cut.photo.shape, 3), np.uint8)
    side = cut.photo.shape[0] // (1 + max(tile.row for tile in cut.tiles))
    for tile in cut.tiles:
        picture[tile.y : tile.y + side, tile.x : tile.x + side] = read_tile(
            output / tile.file, side
        )
    return picture
