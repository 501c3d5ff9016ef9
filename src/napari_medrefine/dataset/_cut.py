"""One photo into its tiles on disk."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from PIL import Image as Pillow
from pydantic import BaseModel, ConfigDict, Field

from napari_medrefine._atomic import cannot, write_bytes
from napari_medrefine._photos.refusal import NO_ROOM
from napari_medrefine.dataset.clean import Quality, fault, fingerprint, measure
from napari_medrefine.dataset.manifest import LeftOut, PhotoEntry, TileEntry
from napari_medrefine.dataset.recipe import Cut, Pixels, Recipe, cut_and_reduce, plan_cut
from napari_medrefine.dataset.split import slide_of
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import check_image
from napari_medrefine.photos import PhotoHeader, as_rgb, open_photo

TILES = "tiles"
PNG_LEVEL = 1  # 4 % larger than level 6 on H&E, in less than half the time


class CutPhoto(BaseModel):
    """A photo whose tiles are written; its split is not decided yet and stands as "train"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    photo: PhotoEntry
    tiles: Annotated[tuple[TileEntry, ...], Field(min_length=1)]

    @property
    def source(self) -> str:
        """The photo's path inside the folder of photos."""
        return self.photo.source

    @property
    def sha256(self) -> str:
        """SHA-256 of the photo's file."""
        return self.photo.sha256


def cut_photo(
    path: Path,
    source: str,
    name: str,
    sha256: str,
    recipe: Recipe,
    output: Path,
    *,
    show: Callable[[Pixels], object] = lambda _: None,
) -> CutPhoto | LeftOut:
    """Read the photo at `path`, measure it, and write its tiles below `output`, not synced yet.

    `show` is called with the reduced picture, whatever becomes of it.

    Raises
    ------
    MedRefineError
        If a tile cannot be written, or the photo has vanished. Anything else that is wrong with the
        photo is a reason to leave it out.
    """
    try:
        header, cut, picture = read_reduced(path, recipe)
    except MedRefineError as error:
        if not path.exists():
            raise
        if str(error).endswith(NO_ROOM):  # perhaps only now: left out, it would stay left out
            raise MedRefineError(
                f"{str(error).rstrip('.')}; close other programs, or take it out of the folder, "
                "and start again."
            ) from error
        why = str(error).removeprefix(f"Cannot read {path}: ").rstrip(".")
        return LeftOut(source=source, sha256=sha256, reason=why)
    show(picture)
    quality = measure(picture)
    if (reason := fault(quality, recipe.cleaning)) is not None:
        return LeftOut(source=source, sha256=sha256, reason=reason)
    entry = describe(header, cut, picture, quality, recipe, name=name, source=source, sha256=sha256)
    return CutPhoto(photo=entry, tiles=_write_tiles(picture, name, recipe.tile, output))


def describe(
    header: PhotoHeader,
    cut: Cut,
    picture: Pixels,
    quality: Quality,
    recipe: Recipe,
    *,
    name: str,
    source: str,
    sha256: str,
) -> PhotoEntry:
    """Return what a manifest says of a photo that `read_reduced` read, before the split."""
    objective = header.objective or recipe.objective
    stored_um = header.pixel_um or (recipe.pixel_um.get(objective) if objective else None)
    return PhotoEntry(
        name=name,
        source=source,
        sha256=sha256,
        slide=slide_of(source),
        split="train",
        objective=objective,
        pixel_um=stored_um * recipe.reduce if stored_um else None,
        original_shape=header.shape[:2],
        crop_origin=(cut.top, cut.left),
        crop_shape=(cut.height, cut.width),
        shape=picture.shape[:2],
        contrast=round(quality.contrast, 4),
        sharpness=round(quality.sharpness, 4),
        clipped=round(quality.clipped, 4),
        fingerprint=fingerprint(picture).hex(),
    )


def read_reduced(path: Path, recipe: Recipe) -> tuple[PhotoHeader, Cut, Pixels]:
    """Return what the photo at `path` says of itself, what is cut from it, and that reduced.

    Raises
    ------
    MedRefineError
        If it cannot be read, or is too small.
    """
    with open_photo(path) as (header, file):
        cut = plan_cut(header.shape[0], header.shape[1], recipe)
        picture = file.reduced(cut, recipe.reduce)
        if picture is None:
            image = check_image(file.pixels(), f"photo {path.name}")
            cut, picture = cut_and_reduce(as_rgb(image), recipe)
        return header, cut, picture


def _write_tiles(picture: Pixels, name: str, side: int, output: Path) -> tuple[TileEntry, ...]:
    folder = output / TILES / name
    try:
        folder.mkdir(exist_ok=True)  # not its parents: who took them away took more
    except OSError as error:
        raise MedRefineError(cannot("make the folder", folder, error)) from error
    rows, cols = (n // side for n in picture.shape[:2])
    entries = []
    for row in range(rows):
        for col in range(cols):
            y, x = row * side, col * side
            png = encode_tile(picture[y : y + side, x : x + side])
            file = f"{TILES}/{name}/r{row:02d}c{col:02d}.png"
            write_bytes(output / file, png, sync=False)
            digest = hashlib.sha256(png).hexdigest()
            entries.append(
                TileEntry(
                    file=file, photo=name, row=row, col=col, y=y, x=x, split="train", sha256=digest
                )
            )
    return tuple(entries)


def encode_tile(tile: Pixels) -> bytes:
    """Return `tile` as PNG."""
    buffer = io.BytesIO()
    Pillow.fromarray(tile.copy()).save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()
