"""The tiles of a photo as rectangles, coloured by the part that they are in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_medrefine.dataset.colours import COLOUR_NAMES, SPLIT_COLOURS
from napari_medrefine.dataset.loader import TiledDataset
from napari_medrefine.dataset.manifest import PhotoEntry
from napari_medrefine.io._layers import KEY, LayerData

THIN = 1 / 64  # an outline's width, of a tile's side
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels", "visible")


def outline_layer(
    dataset: TiledDataset, photo: PhotoEntry, attributes: Mapping[str, Any]
) -> LayerData:
    """Return a shapes layer with a rectangle round each tile of `photo`.

    Each goes along the edges of its pixels, so from half a pixel before the centre of the first to
    half a pixel behind that of the last. ``features`` has the tile's file, row, column, split and
    SHA-256.

    Parameters
    ----------
    dataset : TiledDataset
        The dataset.
    photo : PhotoEntry
        One of its photos.
    attributes : mapping
        Of the photo's layer; the outlines lie where it lies.
    """
    tiles = dataset.manifest.tiles_of(photo.name)
    side = dataset.manifest.recipe.tile
    place = {key: attributes[key] for key in _PLACE if attributes.get(key) is not None}
    return (
        _rectangles(np.array([(t.y, t.x) for t in tiles], float).reshape(-1, 2), side, photo.shape),
        {
            **place,
            "name": f"{attributes.get('name', photo.name)} tiles",
            "shape_type": "rectangle",
            "edge_color": SPLIT_COLOURS[photo.split],
            "face_color": "transparent",
            "edge_width": side * THIN,
            "opacity": 1.0,
            "features": {
                "tile": [tile.file for tile in tiles],
                "row": [tile.row for tile in tiles],
                "column": [tile.col for tile in tiles],
                "split": [tile.split for tile in tiles],
                "sha256": [tile.sha256 for tile in tiles],
            },
            "metadata": {KEY: {"outlines_of": photo.name, "split": photo.split}},
        },
        "shapes",
    )


def legend() -> str:
    """Return what the colours mean, as half a sentence."""
    parts = [f"{name} is {split}" for split, name in COLOUR_NAMES.items()]
    return ", ".join(parts).replace("is train,", "is training,")


def _rectangles(first: Any, side: int, shape: tuple[int, int]) -> Any:
    """Return the corners, (N, 4, 2), of tiles by their first pixels; cut off at the photo's end."""
    low, high = first - 0.5, np.minimum(first + side, shape) - 0.5
    corners = [low, np.stack([low[:, 0], high[:, 1]], axis=1), high]
    return np.stack([*corners, np.stack([high[:, 0], low[:, 1]], axis=1)], axis=1)
