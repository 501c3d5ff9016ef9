"""The pixels of one image of a TIFF, through tifffile, in no more memory than they need."""

from __future__ import annotations

from typing import Any

import numpy as np
import tifffile

from napari_medrefine._photos.base import packed
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image

BUFFER = 2**23  # bytes of the file that are read at a time
_JPEG = {tifffile.COMPRESSION.JPEG}


def read_series(series: tifffile.TiffPageSeries) -> Image:
    """Decode a series of one plane; as stored, in an array of its own.

    Raises
    ------
    MedRefineError
        With a reason that reads on after "Cannot read FILE: ".
    """
    page = series.keyframe
    if page.compression in _JPEG:
        _check_there(page)
    if len(page.dataoffsets) == 1 and not (page.is_contiguous or page.is_tiled):
        alone = _only_strip(page, series.dtype)
        if alone is not None:
            return alone.reshape(series.shape)
    return np.asarray(series.asarray(buffersize=BUFFER))


def upside_down(image: Image) -> Image:
    """Return `image` with white for black, in its place where it can be written."""
    out: Any = image if image.flags.writeable else None
    if image.dtype.kind in "bu":
        return np.asarray(np.invert(image, out=out))
    return np.asarray(np.subtract(image.max(), image, out=out))


def as_whole(image: Image, dtype: np.dtype[np.generic]) -> Image:
    """Return whole numbers of other types as `dtype`, where they fit; `image` is lost.

    Raises
    ------
    MedRefineError
        If they do not fit.
    """
    if image.dtype == dtype or image.dtype.kind not in "biu":
        return image
    if image.dtype == np.bool_:
        return np.where(image, np.uint8(255), np.uint8(0))
    lowest, highest = int(image.min()), int(image.max())
    if lowest < 0 or highest > np.iinfo(str(dtype)).max:
        raise MedRefineError(f"its values go from {lowest} to {highest}; 0 to 65535 can be shown")
    return packed(image, lambda rows: rows.astype(dtype))


def _check_there(page: tifffile.TiffPage) -> None:
    """Refuse a file that ends before its pixels: libjpeg would paint grey what is missing."""
    ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=False))
    if max(ends, default=0) > page.parent.filehandle.size:
        raise MedRefineError("it is damaged or incomplete (it ends before its pixels do)")


def _only_strip(page: tifffile.TiffPage, dtype: np.dtype[np.generic]) -> Image | None:
    """Decode an image that is one strip; tifffile would copy it while it keeps what was stored."""
    file = page.parent.filehandle
    file.seek(page.dataoffsets[0])
    stored = file.read(page.databytecounts[0])
    tables = {"jpegtables": page.jpegtables} if page.compression in _JPEG else {}
    decoded, _, _ = page.decode(stored, 0, **tables)
    del stored
    if decoded is None:
        return None
    return np.array(decoded, dtype, copy=None if decoded.flags.writeable else True)
