"""Photos in, training tiles out: cleaned, cropped, reduced, tiled, split, and read back."""

from napari_medrefine.dataset.loader import Differences, SharpTile, TiledDataset, open_dataset
from napari_medrefine.dataset.manifest import (
    MANIFEST,
    LeftOut,
    Manifest,
    PhotoEntry,
    TileEntry,
    load_manifest,
    save_manifest,
)
from napari_medrefine.dataset.mosaic import mosaic
from napari_medrefine.dataset.prepare import prepare_steps
from napari_medrefine.dataset.recipe import Cleaning, Recipe

__all__ = [
    "MANIFEST",
    "Cleaning",
    "Differences",
    "LeftOut",
    "Manifest",
    "PhotoEntry",
    "Recipe",
    "SharpTile",
    "TileEntry",
    "TiledDataset",
    "load_manifest",
    "mosaic",
    "open_dataset",
    "prepare_steps",
    "save_manifest",
]
