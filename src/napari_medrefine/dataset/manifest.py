"""The manifest of a tiled dataset: which tile comes from where, and how it was made."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from napari_medrefine._records import read_record, write_record
from napari_medrefine.dataset.layer_state import LayerState
from napari_medrefine.dataset.recipe import Positive, Recipe, Split
from napari_medrefine.dataset.split import SplitBy, refuse_leak

MANIFEST = "medrefine-dataset.json"
FORMAT: Final = "medrefine-dataset"
VERSION: Final = 1


def _inside(text: str) -> str:
    """Return `text` if it is a relative path (with slashes) that stays inside its folder."""
    path = PurePosixPath(text)
    parts = text.split("/")
    strange = any(part in ("", ".", "..") or part.strip() != part for part in parts)
    control = any(unicodedata.category(letter) == "Cc" for letter in text)
    if path.is_absolute() or strange or control or "\\" in text or ":" in text:
        raise ValueError("a tile must lie inside the dataset's folder")
    return text


TilePath = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_inside)]
Text = Annotated[str, Field(min_length=1, max_length=1024)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Shape = tuple[Positive, Positive]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PhotoEntry(_Model):
    """A photo that was cut into tiles.

    Attributes
    ----------
    name : str
        Unique in the dataset; the file's name without suffix, unless two would have the same.
    source : str
        Its path inside the folder of photos; of a saved layer, what it is said to come from.
    sha256 : str
        Of the file; of a saved layer, of its pixels.
    slide : str
        The slide it shows.
    split : {"train", "validation", "test"}
        Where all its tiles go.
    objective, pixel_um : float or None
        Magnification, and the side of a *tile* pixel on the slide in micrometres.
    original_shape, crop_origin, crop_shape, shape : (int, int)
        Rows and columns: of the photo; of the first pixel that was cut; of what was cut, in photo
        pixels; and of the mosaic of tiles. Of a saved layer all its pixels are there: the tiles
        reach beyond `shape` at the right and at the bottom.
    contrast, sharpness, clipped : float
        What was measured of it, see `napari_medrefine.dataset.clean.Quality`.
    fingerprint : str
        Grey picture of 16 x 16, hexadecimal; copies are suspected by it.
    layer : LayerState or None
        If the photo is a saved napari layer, what it was like.
    """

    name: Text
    source: Text
    sha256: Sha256
    slide: Text
    split: Split
    objective: Annotated[float, Field(gt=0)] | None
    pixel_um: Annotated[float, Field(gt=0)] | None
    original_shape: Shape
    crop_origin: tuple[Count, Count]
    crop_shape: Shape
    shape: Shape
    contrast: float
    sharpness: float
    clipped: float
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{512}$")]
    layer: LayerState | None = None


class TileEntry(_Model):
    """A tile: its file inside the dataset, and where it lies in its photo's mosaic.

    `row` and `col` count tiles; `y` and `x` are the mosaic pixel of the tile's first pixel.
    """

    file: TilePath
    photo: Text
    row: Count
    col: Count
    y: Count
    x: Count
    split: Split
    sha256: Sha256


class LeftOut(_Model):
    """A photo that was left out, and why; `copy_of` is the source of the photo it is a copy of."""

    source: Text
    sha256: Sha256 | None
    reason: str
    copy_of: Text | None = None


class Manifest(_Model):
    """A whole dataset, as written to ``medrefine-dataset.json``."""

    format: Literal["medrefine-dataset"] = FORMAT
    version: Literal[1] = VERSION
    software: Text
    recipe: Recipe
    split_by: SplitBy
    photos: tuple[PhotoEntry, ...]
    left_out: tuple[LeftOut, ...]
    tiles: tuple[TileEntry, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _unique("photo", (photo.name.casefold() for photo in self.photos))
        _unique("tile", (tile.file.casefold() for tile in self.tiles))
        _unique("position", ((tile.photo, tile.row, tile.col) for tile in self.tiles))
        photos = {photo.name: photo for photo in self.photos}
        for tile in self.tiles:
            _check_tile(tile, photos.get(tile.photo), self.recipe.tile)
        refuse_leak([(p.name, p.slide, p.split) for p in self.photos], self.split_by)
        return self

    def tiles_of(self, photo: str) -> list[TileEntry]:
        """Return the tiles of the photo named `photo`."""
        return [tile for tile in self.tiles if tile.photo == photo]


def _check_tile(tile: TileEntry, photo: PhotoEntry | None, side: int) -> None:
    if photo is None:
        raise ValueError(f"tile {tile.file} is of an unknown photo, {tile.photo}")
    if (tile.y, tile.x) != (tile.row * side, tile.col * side):
        raise ValueError(f"tile {tile.file} does not lie where its row and column say")
    reach = 1 if photo.layer else side  # a saved layer's tiles may stick out of it
    if tile.y + reach > photo.shape[0] or tile.x + reach > photo.shape[1]:
        raise ValueError(f"tile {tile.file} lies outside its photo")
    if tile.split != photo.split:
        raise ValueError(
            f"tile {tile.file} is in {tile.split}, the rest of its photo in {photo.split}; a "
            "network would be tested on what it was trained on"
        )


def _unique(what: str, keys: Iterable[object]) -> None:
    key, times = next(iter(Counter(keys).most_common(1)), (None, 0))
    if times > 1:
        raise ValueError(f"the {what} {key} is there {times} times")


def load_manifest(path: str | Path) -> Manifest:
    """Read and check the manifest at `path`, its file or the dataset's folder.

    Raises
    ------
    MedRefineError
        If it is missing, damaged, of a newer version, or names tiles outside its folder.
    """
    return read_record(manifest_path(path), Manifest, "the manifest of a tiled dataset")


def save_manifest(path: Path, manifest: Manifest) -> None:
    """Write `manifest` to a file or into a folder, whole or not at all.

    The same manifest gives the same bytes.
    """
    data = manifest.model_dump(mode="json")
    for photo in data["photos"]:
        _without_none(photo, "layer")
        _without_none(photo.get("layer", {}).get("attributes", {}))
    write_record(manifest_path(path), data)


def _without_none(entries: dict[str, Any], *keys: str) -> None:
    """Take away what is None of `keys`, or of all."""
    for key in keys or tuple(entries):
        if entries.get(key, 0) is None:
            del entries[key]


def manifest_path(path: str | Path) -> Path:
    """Return the manifest's file for itself or the dataset's folder."""
    path = Path(path)
    return path / MANIFEST if path.is_dir() else path
