"""The pixels of one image of a TIFF, through tifffile, in no more memory than they need."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_medrefine._photos.base import packed
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, largest_of

BUFFER = 2**23  # bytes of the file that are read at a time
_JPEG = {tifffile.COMPRESSION.JPEG}
_FEW = range(2, 8)  # bits that are kept in eight


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


def as_brightness(image: Image, page: tifffile.TiffPage) -> Image:
    """Return the values of `page` with black at 0, and of two to seven bits stretched to eight.

    Of ten to fourteen bits they stay what they are: see `images.white_level`. `image` is lost.
    """
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        image = _upside_down(image, page.bitspersample)
    few = image.dtype == np.uint8 and page.bitspersample in _FEW
    return packed(image, _stretched(page.bitspersample).__getitem__) if few else image


def _upside_down(image: Image, bits: int) -> Image:
    """Return `image` with white for black, in its place where it can be written."""
    out: Any = image if image.flags.writeable else None
    if image.dtype == np.bool_:
        return np.asarray(np.invert(image, out=out))
    known = image.dtype.kind == "u" and bits <= 16  # of more, nothing tells how many are used
    return np.asarray(np.subtract(2**bits - 1 if known else image.max(), image, out=out))


def _stretched(bits: int) -> npt.NDArray[np.uint8]:
    """Return what each value of so many bits is of 255."""
    share = np.minimum(np.arange(256) / (2**bits - 1), 1)
    return np.asarray(np.rint(share * 255), np.uint8)


def has_spare(page: tifffile.TiffPage) -> bool:
    """Whether the fourth sample of a colour is of no stated kind, so that it is no alpha."""
    in_four = page.photometric == tifffile.PHOTOMETRIC.RGB and page.samplesperpixel == 4
    return in_four and page.extrasamples == (tifffile.EXTRASAMPLE.UNSPECIFIED,)


def as_colours(image: Image, page: tifffile.TiffPage) -> Image:
    """Return ``(h, w, ...)`` of `page` without a spare sample, and colours not times their alpha.

    As Pillow has them; `image` is lost.
    """
    if has_spare(page):
        return packed(image, lambda rows: rows[..., :3])
    times_alpha = page.extrasamples == (tifffile.EXTRASAMPLE.ASSOCALPHA,)
    return packed(image, _straight) if times_alpha and image.shape[2:] == (4,) else image


def _straight(rows: Image) -> Image:
    """Return colours that are stored times their alpha as they are under it."""
    alpha, opaque = rows[..., 3:], largest_of(rows.dtype)
    if rows.dtype.kind == "u":
        whole = rows[..., :3].astype(np.uint32) * np.uint32(opaque)
        colours = np.minimum(whole // np.maximum(alpha, 1), opaque)
    else:
        colours = rows[..., :3] / np.where(np.greater(alpha, 0), alpha, opaque)
    return np.concatenate([colours.astype(rows.dtype), alpha], axis=2)


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
