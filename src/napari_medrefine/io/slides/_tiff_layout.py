"""Which TIFFs can be read part by part, and which as a photo; the others are told why not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tifffile

from napari_medrefine._photos.base import check_size, orientation_of
from napari_medrefine._photos.tiff import number_tag
from napari_medrefine._photos.tiff_kinds import check_codec, colours_refused
from napari_medrefine.errors import MedRefineError

PHOTO_PIXELS = 2**26  # a picture in one piece with no more pixels is read at once, as a photo
_P = tifffile.PHOTOMETRIC
_GREY = {_P.MINISBLACK, _P.MINISWHITE}
COLOUR = {_P.RGB, _P.YCBCR}


def pixels_of(page: Any) -> int:
    """Return rows times columns of a page."""
    return int(page.imagelength) * int(page.imagewidth)


def is_photo(series: Any) -> bool:
    """Return whether the way that photos are read suits it: one piece, small, grey or colour."""
    page = series.keyframe
    in_one = len(series.levels) == 1 and not page.is_tiled and pixels_of(page) <= PHOTO_PIXELS
    samples = series.shape[series.axes.index("S")] if "S" in series.axes else 1
    usual = (1,) if page.photometric in _GREY | {_P.PALETTE} else (3, 4)
    alone = int(np.prod(series.shape, dtype=np.int64)) == pixels_of(page) * samples
    return in_one and samples in usual and alone


def check_parts(series: Any) -> None:
    """Raise where parts of the picture cannot be had as they are stored."""
    page = series.keyframe
    if page.photometric not in _GREY | COLOUR:
        raise colours_refused(page)
    if orientation_of(int(number_tag(page, "Orientation"))) != 1:
        raise MedRefineError("it is stored turned or mirrored, which only small photos may be")
    for level in series.levels:
        if not any(level.keyframe.dataoffsets):
            raise MedRefineError("it is incomplete: it does not say where its pixels are")
        _check_places(level.keyframe)
        check_codec(level.keyframe)
    if page.compression != tifffile.COMPRESSION.NONE:
        tile = min(page.chunks[0], page.imagelength), *page.chunks[1:]
        check_size(tile, page.dtype.itemsize, page.parent.filehandle.size)


def _check_places(page: Any) -> None:
    """Refuse a size that a damaged file claims: every tile of it has a place, if an empty one."""
    claimed, stored = math.prod(page.chunked), len(page.dataoffsets)
    if claimed > stored and not page.is_contiguous:
        raise MedRefineError(
            f"it is damaged: its {page.imagewidth:,} x {page.imagelength:,} pixels are {claimed:,} "
            f"tiles, and it has {stored:,}"
        )
