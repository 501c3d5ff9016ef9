"""Photos of a dataset cut once more, to see whether it says of them what is so."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_medrefine.dataset._cut import describe, read_reduced
from napari_medrefine.dataset._parallel import in_order, threads
from napari_medrefine.dataset.clean import measure
from napari_medrefine.dataset.loader import TiledDataset
from napari_medrefine.dataset.manifest import PhotoEntry, TileEntry
from napari_medrefine.dataset.recipe import Pixels
from napari_medrefine.dataset.sources import name_photos
from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step

MEASURED = frozenset({"contrast", "sharpness", "clipped"})
CLOSE = 1e-3  # what processors may differ in what is measured


@dataclass(frozen=True, slots=True)
class CutAgain:
    """What is found when a photo is cut again.

    Attributes
    ----------
    source : str
        The photo.
    wrong : tuple of str
        Fields of its entry in the manifest that say otherwise.
    tiles : tuple of str
        Files of tiles that do not hold what the photo has there.
    lacking : int
        How many of its tiles the manifest does not name.
    """

    source: str
    wrong: tuple[str, ...]
    tiles: tuple[str, ...]
    lacking: int


def cut_again_steps(
    dataset: TiledDataset, paths: Mapping[str, Path]
) -> Generator[Step, None, list[CutAgain]]:
    """Cut photos of a dataset again, write nothing, and compare; a job, see `progress`.

    Parameters
    ----------
    dataset : TiledDataset
        The dataset.
    paths : mapping of str to Path
        Photos by source, whose files are those that were cut.

    Raises
    ------
    MedRefineError
        If one of them cannot be read.
    """
    manifest = dataset.manifest
    left_out = [one.source for one in manifest.left_out]
    names = name_photos([*(photo.source for photo in manifest.photos), *left_out])
    photos = [photo for photo in manifest.photos if photo.source in paths]
    tiles: dict[str, list[TileEntry]] = {photo.name: [] for photo in manifest.photos}
    for tile in manifest.tiles:
        tiles[tile.photo].append(tile)

    def work(photo: PhotoEntry) -> CutAgain:
        name, path = names[photo.source], paths[photo.source]
        return _cut_again(dataset, photo, name, path, tiles[photo.name])

    def step(finished: int, photo: PhotoEntry) -> Step:
        return Step(finished, len(photos), f"cutting {photo.source} again")

    with threads(None) as pool:
        return (yield from in_order(pool, work, photos, step))


def _cut_again(
    dataset: TiledDataset, photo: PhotoEntry, name: str, path: Path, tiles: list[TileEntry]
) -> CutAgain:
    recipe = dataset.manifest.recipe
    header, cut, picture = read_reduced(path, recipe)
    now = describe(
        header, cut, picture, measure(picture), recipe,
        name=name, source=photo.source, sha256=photo.sha256,
    )  # fmt: skip
    fields = (field for field in PhotoEntry.model_fields if field != "split")  # all photos' matter
    wrong = tuple(field for field in fields if not _same(photo, now, field))
    other = tuple(tile.file for tile in tiles if not _is_from(picture, tile, dataset))
    whole = (picture.shape[0] // recipe.tile) * (picture.shape[1] // recipe.tile)
    return CutAgain(photo.source, wrong, other, max(whole - len(tiles), 0))


def _same(then: PhotoEntry, now: PhotoEntry, field: str) -> bool:
    one, other = getattr(then, field), getattr(now, field)
    if field in MEASURED:
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
    return bool(one == other)


def _is_from(picture: Pixels, tile: TileEntry, dataset: TiledDataset) -> bool:
    side = dataset.manifest.recipe.tile
    try:
        stored = dataset.read_tile(tile)
    except MedRefineError:
        return False
    return np.array_equal(stored, picture[tile.y : tile.y + side, tile.x : tile.x + side])
