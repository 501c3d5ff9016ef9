"""Opening a slide, whatever its format: told by its first bytes, or the folder's marker file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_medrefine._paths import ZARR, open_file
from napari_medrefine._photos.refusal import one_sentence
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.slides import _tiff
from napari_medrefine.io.slides._deep_zoom import open_deep_zoom
from napari_medrefine.io.slides._ome_zarr import (
    metadata_in,
    open_ome_zarr,
    open_ome_zarr_stack,
)
from napari_medrefine.io.slides._photo import open_photo_file
from napari_medrefine.io.slides._slide import Slide
from napari_medrefine.io.slides._stack import Stack
from napari_medrefine.io.slides._tiff import open_tiff

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_slide(path: str | Path) -> Slide:
    """Open a picture of any size for reading parts of it.

    Reads OME-Zarr 0.4 and 0.5 (a folder, or its ``zarr.json`` or ``.zattrs``), TIFF (pyramids,
    OME-TIFF, SVS, NDPI, ...), Deep Zoom (``.dzi``) and photos (JPEG, PNG, TIFF). Only metadata are
    read now, and of a photo the pixels.

    Parameters
    ----------
    path : str or Path
        The file or folder.

    Returns
    -------
    Slide
        To be closed, or used in a ``with`` block.

    Raises
    ------
    MedRefineError
        If it is missing, damaged, of no such format, has other pixels than uint8, uint16 or float,
        or is a stack of pictures (several points in time, or planes in depth).
    """
    place = Path(path)
    if place.name in ZARR or not place.name:
        place = place.absolute().parent if place.name else place.absolute()
    with one_sentence(place):
        if place.is_dir():
            return open_ome_zarr(place)
        with open_file(place) as file:
            start = file.read(1024)
        return _open_file(place, start)


def open_pictures(path: str | Path, stacked: Sequence[bool] = ()) -> list[Slide | Stack]:
    """Open every picture of a TIFF; see `open_slide`, which opens the largest.

    Parameters
    ----------
    path : str or Path
        The file.
    stacked : sequence of bool
        Which of them are stacks; those that are not mentioned are none.

    Raises
    ------
    MedRefineError
        If one cannot be read.
    """
    with one_sentence(Path(path)):
        return _tiff.open_pictures(Path(path), stacked)


def open_stack(folder: Path) -> Stack:
    """Open an OME-Zarr folder whose picture has times, channels or depths.

    Raises
    ------
    MedRefineError
        If it is none, or cannot be read.
    """
    with one_sentence(folder):
        return open_ome_zarr_stack(folder)


def levels_are_placed(folder: Path) -> bool:
    """Return whether an OME-Zarr folder puts every level where means of the finest one lie.

    Raises
    ------
    MedRefineError
        If it is none, or cannot be read.
    """
    with one_sentence(folder):
        return metadata_in(folder).is_halved


def _open_file(path: Path, start: bytes) -> Slide:
    if start.startswith(_TIFF):
        return open_tiff(path)
    if start.startswith(b"\xff\xd8\xff"):
        return open_photo_file(path, kind="JPEG")
    if start.startswith(b"\x89PNG"):
        return open_photo_file(path, kind="PNG")
    if start.startswith(b"BM"):
        return open_photo_file(path, kind="BMP")
    if path.suffix.lower() == ".dzi" or b"schemas.microsoft.com/deepzoom" in start:
        return open_deep_zoom(path)
    raise MedRefineError(
        "it is none of the formats that can be read: OME-Zarr, TIFF (OME-TIFF, SVS, NDPI), Deep "
        "Zoom, JPEG, PNG, BMP"
        if start
        else "the file is empty"
    )
