"""What an atlas has to export: every field that was placed, with its photos' files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from napari_medrefine.atlas import Atlas, PhotoRecord
from napari_medrefine.atlas.layers import photos_folder
from napari_medrefine.atlas.record import load_placement
from napari_medrefine.io.scene import ScenePhoto
from napari_medrefine.registration.exchange import Side
from napari_medrefine.registration.exchange.sides import Sides
from napari_medrefine.widgets._exporting import Item


def items_of(folder: Path, atlas: Atlas) -> list[Item]:
    """Return the fields of the atlas in `folder`, slide by slide."""
    return [
        _item(folder, atlas, slide, photo)
        for slide in atlas.overviews
        for photo in atlas.fields_of(slide.source)
    ]


def _item(folder: Path, atlas: Atlas, slide: PhotoRecord, photo: PhotoRecord) -> Item:
    place = load_placement(folder, photo)
    assert place is not None  # noqa: S101 - the record was checked: fields have one
    sides = Sides(_side(photo), _side(slide))
    return Item(
        photo.name,
        place,
        sides if sides.measured else sides.in_pixels(),
        partial(_photos, folder, atlas, slide, photo),
    )


def _side(photo: PhotoRecord) -> Side:
    um = photo.pixel_um
    return Side(photo.source, None if um is None else (um, um), photo.shape)


def _photos(
    folder: Path, atlas: Atlas, slide: PhotoRecord, photo: PhotoRecord
) -> tuple[ScenePhoto, ScenePhoto]:
    photos = photos_folder(folder, atlas)
    return _read(photos, slide), _read(photos, photo)


def _read(photos: Path, photo: PhotoRecord) -> ScenePhoto:
    found = ScenePhoto.read(photos / photo.source)
    return ScenePhoto(photo.source, found.image, photo.pixel_um)
