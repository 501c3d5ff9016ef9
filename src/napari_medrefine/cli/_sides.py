"""What a photo's file says of one side of a placement."""

from __future__ import annotations

from pathlib import Path

from napari_medrefine.images import sha256_of
from napari_medrefine.photos import read_header, read_photo
from napari_medrefine.registration.exchange import Side


def side_of(photo: Path | None, *, hashed: bool = False) -> Side:
    """Return name, shape and pixel size of a photo, and its hash if asked: that reads it."""
    if photo is None:
        return Side()
    header = read_header(photo)
    return Side(
        name=photo.name,
        pixel_um=None if header.pixel_um is None else (header.pixel_um, header.pixel_um),
        shape=(header.shape[0], header.shape[1]),
        sha256=sha256_of(read_photo(photo).image) if hashed else "",
    )
