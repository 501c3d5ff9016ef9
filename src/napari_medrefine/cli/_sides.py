"""What a photo's file says of one side of a placement."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import sha256_of
from napari_medrefine.photos import read_header, read_photo
from napari_medrefine.registration import Placement
from napari_medrefine.registration.exchange import Side


def add_sides(parser: argparse.ArgumentParser) -> None:
    """Add ``--overview`` and ``--field``."""
    parser.add_argument("--overview", type=Path, help="the overview's file, for its pixel size")
    parser.add_argument("--field", type=Path, help="the field's file, for its pixel size")


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


def check_made_for(where: Path, place: Placement, *, field: Side, overview: Side) -> None:
    """Refuse a photo that is another than `place`, read from `where`, was made for.

    Two slides' photos often have the same names. What is not known on either side is not compared.

    Raises
    ------
    MedRefineError
        If its pixels or its size are others.
    """
    pairs = (
        (field, place.field_sha256, place.field_shape),
        (overview, place.overview_sha256, place.overview_shape),
    )
    for side, sha256, shape in pairs:
        other = bool(sha256 and side.sha256 and sha256 != side.sha256)
        if other or (side.shape is not None and tuple(side.shape) != tuple(shape)):
            raise MedRefineError(
                f"{where} was made for another photo than the {side.name} that is here now; name "
                "the right photo, or register this one."
            )
