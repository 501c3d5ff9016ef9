"""Reading a tiled dataset: one tile, a split, or everything. No torch here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_medrefine._paths import is_file, real
from napari_medrefine._photos.encode import flatten
from napari_medrefine.dataset.layer_state import LayerState
from napari_medrefine.dataset.manifest import (
    Manifest,
    PhotoEntry,
    TileEntry,
    load_manifest,
    manifest_path,
)
from napari_medrefine.dataset.recipe import Pixels, Split
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, channel_whites
from napari_medrefine.photos import open_photo, read_photo


@dataclass(frozen=True, slots=True)
class SharpTile:
    """A tile with what training must know of it: uint8 ``(H, W, 3)``, its slide and its split."""

    sharp: Pixels
    slide: str
    split: Split
    entry: TileEntry


@dataclass(frozen=True, slots=True)
class Differences:
    """Tile files that the manifest names and the folder lacks, and the other way round."""

    missing: tuple[str, ...]
    extra: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra)


@dataclass(frozen=True, slots=True)
class TiledDataset:
    """A manifest and the folder it lies in; paths are relative, so the folder may be moved.

    `path` is the manifest's file.
    """

    folder: Path
    manifest: Manifest
    path: Path
    _photos: dict[str, PhotoEntry] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_photos", {photo.name: photo for photo in self.manifest.photos})

    def tiles(self, split: Split | None = None) -> list[TileEntry]:
        """Return the tiles of `split`, or all."""
        return [tile for tile in self.manifest.tiles if split in (None, tile.split)]

    def read_tile(self, tile: TileEntry) -> Pixels:
        """Read one tile, uint8 ``(tile, tile, 3)``; one of a saved layer is converted to that.

        Raises
        ------
        MedRefineError
            If it is missing, damaged, of another size, or outside the folder (a link).
        """
        layer = self.photo(tile).layer
        stored = self.read_stored(tile)
        return np.asarray(stored, np.uint8) if layer is None else as_picture(stored, layer.white)

    def read_stored(self, tile: TileEntry) -> Image:
        """Read one tile as it is on disk: a saved layer's may be grey, deep or transparent.

        Raises
        ------
        MedRefineError
            See `read_tile`.
        """
        path = self.folder / tile.file
        if not real(path).is_relative_to(real(self.folder)):
            raise MedRefineError(f"Cannot read {path}: it is a link to outside the dataset.")
        layer, side = self.photo(tile).layer, self.manifest.recipe.tile
        return read_tile(path, side) if layer is None else _read_layer_tile(path, side, layer)

    def photo(self, tile: TileEntry) -> PhotoEntry:
        """Return the photo that `tile` is of."""
        return self._photos[tile.photo]

    def read(self, split: Split | None = None) -> Iterator[SharpTile]:
        """Read the tiles of `split`, or all, one after the other, in the manifest's order."""
        slide_of = {photo.name: photo.slide for photo in self.manifest.photos}
        for tile in self.tiles(split):
            yield SharpTile(self.read_tile(tile), slide_of[tile.photo], tile.split, tile)

    def differences(self) -> Differences:
        """Compare the manifest with the files that are there (by name; nothing is read).

        Looked into are the folders beside the manifest that its tiles are in: there may be other
        datasets in the same folder.
        """
        named = {tile.file for tile in self.manifest.tiles}
        there = set()
        for top in {file.partition("/")[0] for file in named if "/" in file}:
            for root, folders, files in os.walk(self.folder / top):
                folders[:] = [name for name in folders if not name.startswith(".")]
                inside = Path(root).relative_to(self.folder).as_posix()
                there |= {f"{inside}/{file}" for file in files if not file.startswith(".")}
        missing = sorted(f for f in named - there if not is_file(self.folder / f))
        return Differences(tuple(missing), tuple(sorted(there - named)))


def open_dataset(path: str | Path) -> TiledDataset:
    """Open the dataset whose manifest, or folder, is at `path`.

    Raises
    ------
    MedRefineError
        See `load_manifest`.
    """
    file = manifest_path(path)
    return TiledDataset(file.parent, load_manifest(file), file)


def read_tile(path: Path, side: int) -> Pixels:
    """Read the tile at `path`, uint8 ``(side, side, 3)``.

    Raises
    ------
    MedRefineError
        If it is missing, damaged or of another size.
    """
    image = read_photo(path).image
    if image.shape != (side, side, 3) or image.dtype != np.uint8:
        raise MedRefineError(
            f"Cannot read {path}: it is {image.dtype} {image.shape}, not a tile of {side} x {side}."
        )
    return np.asarray(image, np.uint8)


def as_picture(stored: Image, white: float) -> Pixels:
    """Return pixels of any kind as uint8 ``(H, W, 3)``, `white` at 255, alpha laid on white."""
    if stored.dtype != np.uint8:
        unit = np.nan_to_num(stored.astype(np.float64)) / channel_whites(stored, white)
        stored = np.rint(255 * np.clip(unit, 0, 1)).astype(np.uint8)
    picture = flatten(np.asarray(stored, np.uint8))
    return picture if picture.ndim == 3 else picture[..., None].repeat(3, axis=2)


def _read_layer_tile(path: Path, side: int, layer: LayerState) -> Image:
    with open_photo(path) as (_, file):  # not `read_photo`: a layer may hold NaN
        image = file.pixels()
    shape = (side, side, layer.channels) if layer.channels else (side, side)
    if image.shape != shape or image.dtype != layer.dtype:
        raise MedRefineError(
            f"Cannot read {path}: it is {image.dtype} {image.shape}, not a tile of {layer.dtype} "
            f"{shape}."
        )
    return image
