"""Photos in, training tiles out: cleaned, cropped, reduced, tiled, split, and read back."""

from napari_medrefine.dataset._objectives import recipe_of, unknown_objectives_steps
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
from napari_medrefine.dataset.prepare import changed_parts, prepare_steps
from napari_medrefine.dataset.recipe import Cleaning, Recipe
from napari_medrefine.dataset.summary import SUMMARY
from napari_medrefine.dataset.survey import Survey, survey_steps

__all__ = [
    "MANIFEST",
    "SUMMARY",
    "Cleaning",
    "Differences",
    "LeftOut",
    "Manifest",
    "PhotoEntry",
    "Recipe",
    "SharpTile",
    "Survey",
    "TileEntry",
    "TiledDataset",
    "changed_parts",
    "load_manifest",
    "mosaic",
    "open_dataset",
    "prepare_steps",
    "recipe_of",
    "save_manifest",
    "survey_steps",
    "unknown_objectives_steps",
]
