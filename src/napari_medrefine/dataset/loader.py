"""Reading a tiled dataset: one tile, a split, or everything. No torch here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_medrefine.dataset._cut import TILES
from napari_medrefine.dataset.manifest import Manifest, TileEntry, load_manifest, manifest_path
from napari_medrefine.dataset.recipe import Pixels, Split
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import read_photo


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
    """A manifest and the folder it lies in; paths are relative, so the folder may be moved."""

    folder: Path
    manifest: Manifest

    def tiles(self, split: Split | None = None) -> list[TileEntry]:
        """Return the tiles of `split`, or all."""
        return [tile for tile in self.manifest.tiles if split in (None, tile.split)]

    def read_tile(self, tile: TileEntry) -> Pixels:
        """Read one tile, uint8 ``(tile, tile, 3)``.

        Raises
        ------
        MedRefineError
            If it is missing, damaged, of another size, or outside the folder (a link).
        """
        path = self.folder / tile.file
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise MedRefineError(f"Cannot read {path}: it is a link to outside the dataset.")
        return read_tile(path, self.manifest.recipe.tile)

    def read(self, split: Split | None = None) -> Iterator[SharpTile]:
        """Read the tiles of `split`, or all, one after the other, in the manifest's order."""
        slide_of = {photo.name: photo.slide for photo in self.manifest.photos}
        for tile in self.tiles(split):
            yield SharpTile(self.read_tile(tile), slide_of[tile.photo], tile.split, tile)

    def differences(self) -> Differences:
        """Compare the manifest with the files that are there (by name; nothing is read)."""
        named = {tile.file for tile in self.manifest.tiles}
        there = set()
        for root, _, files in os.walk(self.folder / TILES):
            inside = Path(root).relative_to(self.folder).as_posix()
            there |= {f"{inside}/{file}" for file in files if not file.startswith(".")}
        missing = sorted(f for f in named - there if not (self.folder / f).is_file())
        return Differences(tuple(missing), tuple(sorted(there - named)))


def open_dataset(path: str | Path) -> TiledDataset:
    """Open the dataset whose manifest, or folder, is at `path`.

    Raises
    ------
    MedRefineError
        See `load_manifest`.
    """
    return TiledDataset(manifest_path(path).parent, load_manifest(path))


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
