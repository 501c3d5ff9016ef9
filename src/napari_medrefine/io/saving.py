"""Image layers into a tiled dataset: new tiles first, the manifest next, what is stale last."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from napari_medrefine._atomic import PART, cannot, move, part_beside, sync_folder, sync_tree
from napari_medrefine._records import first_problem
from napari_medrefine.dataset._parallel import threads
from napari_medrefine.dataset.clean import fingerprint, measure
from napari_medrefine.dataset.layer_state import LayerState
from napari_medrefine.dataset.loader import as_picture
from napari_medrefine.dataset.manifest import (
    Manifest,
    PhotoEntry,
    TileEntry,
    load_manifest,
    save_manifest,
)
from napari_medrefine.dataset.recipe import Recipe
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._photo_layers import PhotoLayer
from napari_medrefine.io._splitting import Dealt, decide
from napari_medrefine.io._tiling import Tiled, make_folder, tile_layer, tile_name
from napari_medrefine.progress import Step

TILE = 256
LEAST = 32  # pixels a side that sharpness and contrast are measured on
CutLayer = tuple[PhotoEntry, tuple[TileEntry, ...]]


def save_steps(path: Path, layers: Sequence[PhotoLayer]) -> Generator[Step, None, Manifest]:
    """Save `layers` as the dataset whose manifest is `path`; a job, see `progress`.

    The tiles go into a folder beside it (``liver.medrefine.json``: ``liver.tiles``). A dataset that
    was there is replaced; its tiles that are as they should be stay where they are, so that layers
    read from them go on being read. Stopped or failed, everything is as it was.

    Raises
    ------
    MedRefineError
        If something cannot be written.
    """
    if path.is_dir():
        raise MedRefineError(f"Cannot write {path}: it is a folder.")
    old = _manifest_at(path)
    tiles = path.parent / f"{stem(path)}.tiles"
    was_there = tiles.exists()
    made: list[Path] = []
    try:
        make_folder(tiles, new=False)
        manifest = yield from _save(path, tiles, layers, old, made)
    except BaseException:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)
        if not was_there:
            _remove_if_empty(tiles)
        raise
    _remove_stale(path.parent, old, manifest)
    for part in tiles.glob(f"{PART}*.part"):  # of a save that was killed
        shutil.rmtree(part, ignore_errors=True)
    _remove_if_empty(tiles)
    return manifest


def stem(path: Path) -> str:
    """Return what a manifest is called, without the ending that makes it one."""
    name = re.sub(r"(\.medrefine)?\.json$", "", path.name, flags=re.IGNORECASE)
    return _slug(name)


def _save(
    path: Path,
    tiles: Path,
    layers: Sequence[PhotoLayer],
    old: Manifest | None,
    made: list[Path],
) -> Generator[Step, None, Manifest]:
    known: dict[tuple[str, int, int], list[str]] = defaultdict(list)
    for tile in old.tiles if old else ():
        known[tile.sha256, tile.row, tile.col].append(tile.file)
    sides = {layer.tile for layer in layers if layer.tile}
    side = sides.pop() if len(sides) == 1 else TILE
    part = part_beside(tiles / "any")
    made.append(part)
    make_folder(part, new=True)
    done: list[CutLayer] = []
    with threads(None) as pool:
        for number, layer in enumerate(layers):
            folder = part / _free_name(tiles, f"{number + 1:02d}-{_slug(layer.name)}")
            make_folder(folder, new=True)
            step = partial(_step, number, len(layers), layer.name)
            tiled = yield from tile_layer(layer, side, folder, known, tiles.parent, pool, step)
            done.append(_entries(number, layer, tiled, side, f"{tiles.name}/{folder.name}"))
    manifest = _manifest(layers, done, Recipe(tile=side, reduce=1))
    _take_over(part, tiles, made)
    save_manifest(path, manifest)
    return manifest


def _step(number: int, total: int, name: str, what: str) -> Step:
    return Step(number, total, f"{name}: {what}")


def _free_name(tiles: Path, name: str) -> str:
    """Return `name`, with a number behind it where there is such a folder already."""
    number, free = 2, name
    while (tiles / free).exists():
        free, number = f"{name}-{number}", number + 1
    return free


def _take_over(part: Path, tiles: Path, made: list[Path]) -> None:
    """Move the finished folders of `part` to where they belong."""
    try:
        sync_tree(part)
        for folder in sorted(part.iterdir()):
            if any(folder.iterdir()):
                made.append(tiles / folder.name)
                move(folder, made[-1])
            else:  # all its tiles were there
                folder.rmdir()
        part.rmdir()
        sync_folder(tiles)
    except OSError as error:
        raise MedRefineError(cannot("write", tiles, error)) from error


def _entries(number: int, layer: PhotoLayer, tiled: Tiled, side: int, inside: str) -> CutLayer:
    name = f"{number + 1:02d}-{_slug(layer.name)}"
    entries = tuple(
        TileEntry(
            file=tile.file or f"{inside}/{tile_name(tile.row, tile.col, layer.dtype)}",
            photo=name,
            row=tile.row,
            col=tile.col,
            y=tile.row * side,
            x=tile.col * side,
            split="train",
            sha256=tile.sha256,
        )
        for tile in tiled.tiles
    )
    return _entry(name, layer, tiled), entries


def _entry(name: str, layer: PhotoLayer, tiled: Tiled) -> PhotoEntry:
    picture = as_picture(tiled.middle, tiled.white)
    missing = [(0, max(0, LEAST - length)) for length in picture.shape[:2]]
    picture = np.pad(picture, [*missing, (0, 0)], "edge")
    quality = measure(picture)
    return PhotoEntry(
        name=name,
        source=layer.source,
        sha256=tiled.pixels,
        slide=layer.slide or "unknown",
        split="train",
        objective=layer.objective,
        pixel_um=layer.pixel_um,
        original_shape=layer.shape,
        crop_origin=(0, 0),
        crop_shape=layer.shape,
        shape=layer.shape,
        contrast=round(quality.contrast, 4),
        sharpness=round(quality.sharpness, 4),
        clipped=round(quality.clipped, 4),
        fingerprint=fingerprint(picture).hex(),
        layer=_state(layer, tiled.white),
    )


def _state(layer: PhotoLayer, white: float) -> LayerState:
    """Return what is kept of a layer.

    Raises
    ------
    MedRefineError
        If its attributes are not those of a picture of two axes.
    """
    state = {
        "dtype": layer.dtype.name,
        "channels": layer.channels,
        "white": white,
        "attributes": layer.attributes,
    }
    try:
        return LayerState.model_validate(state)
    except ValidationError as error:
        raise MedRefineError(f"Cannot save '{layer.name}': {first_problem(error)}.") from error


def _manifest(layers: Sequence[PhotoLayer], done: Sequence[CutLayer], recipe: Recipe) -> Manifest:
    dealt = [
        Dealt(photo.name, photo.source, photo.sha256, layer.slide, layer.split, len(tiles))
        for layer, (photo, tiles) in zip(layers, done, strict=True)
    ]
    by, slides, part = decide(dealt, recipe)
    return Manifest(
        software=f"napari-medrefine {version('napari-medrefine')}",
        recipe=recipe,
        split_by=by,
        photos=tuple(
            photo.model_copy(update={"slide": slides[photo.name], "split": part[photo.name]})
            for photo, _ in done
        ),
        left_out=(),
        tiles=tuple(
            tile.model_copy(update={"split": part[tile.photo]})
            for _, tiles in done
            for tile in tiles
        ),
    )


def _manifest_at(path: Path) -> Manifest | None:
    """Return the manifest that is to be replaced; None if there is none that can be read."""
    try:
        return load_manifest(path) if path.exists() else None
    except MedRefineError:
        return None  # the user said that it may be replaced; nothing is known of its tiles


def _remove_stale(folder: Path, old: Manifest | None, new: Manifest) -> None:
    """Remove the tiles that the old manifest names and the new one does not."""
    named = {tile.file for tile in new.tiles}
    stale = [folder / tile.file for tile in old.tiles if tile.file not in named] if old else []
    for file in stale:
        with suppress(OSError):
            file.unlink(missing_ok=True)
    for parent in {file.parent for file in stale} - {folder}:
        _remove_if_empty(parent)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # it holds something: that stays
        folder.rmdir()


def _slug(text: str) -> str:
    """Return `text` as a file name that any system takes."""
    plain = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", text)).strip("._-")
    return plain[:50].rstrip("._-") or "layer"
