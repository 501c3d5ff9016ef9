"""Small pictures of all photos, each made once where that is possible.

A thumbnail is made of the reduced picture while that is in memory anyway. One that was not made in
this run is made from the photo's tiles, which hold the same picture, or, if it has none, from its
file: whichever way, its pixels are the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from napari_medrefine.dataset._cut import CutPhoto, read_reduced
from napari_medrefine.dataset._journal import Done
from napari_medrefine.dataset._picture import picture_from_tiles
from napari_medrefine.dataset.recipe import Pixels, Recipe
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import as_rgb, read_photo

SIDE = 224  # pixels that a thumbnail fills in one direction
MOST_KEPT = 1000  # 100 MB; beyond that they are made again, sheet by sheet


def thumbnail(picture: Pixels) -> Pixels:
    """Return `picture` (H, W, 3) as large as fits into 224 x 224 pixels."""
    height, width = picture.shape[:2]
    factor = SIDE / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    smooth = Pillow.Resampling.BOX if factor < 1 else Pillow.Resampling.BICUBIC
    return np.asarray(Pillow.fromarray(picture).resize(size, smooth, reducing_gap=2.0))


class Thumbnails:
    """Thumbnails by the SHA-256 of the photo's file (so that copies share theirs)."""

    def __init__(self, recipe: Recipe, sources: dict[str, Path], output: Path) -> None:
        self._recipe, self._sources, self._output = recipe, sources, output
        self._kept: dict[str, Pixels | None] = {}

    def keep(self, sha256: str, picture: Pixels) -> None:
        """Make the thumbnail of a reduced picture now."""
        if len(self._kept) < MOST_KEPT:
            self._kept[sha256] = thumbnail(picture)

    def of(self, done: Done) -> Pixels | None:
        """Return the thumbnail of a photo; None if it cannot be read."""
        if done.sha256 is None:
            return None
        if done.sha256 in self._kept:
            return self._kept[done.sha256]
        made = self._from_tiles(done) if isinstance(done, CutPhoto) else self._from_photo(done)
        if len(self._kept) < MOST_KEPT:
            self._kept[done.sha256] = made
        return made

    def _from_tiles(self, done: CutPhoto) -> Pixels:
        return thumbnail(picture_from_tiles(done, self._output))

    def _from_photo(self, done: Done) -> Pixels | None:
        path = self._sources[done.source]
        try:
            return thumbnail(read_reduced(path, self._recipe)[2])
        except MedRefineError:
            pass
        try:  # a photo that is too small to be cut can still be shown
            return thumbnail(as_rgb(read_photo(path).image))
        except MedRefineError:
            return None
