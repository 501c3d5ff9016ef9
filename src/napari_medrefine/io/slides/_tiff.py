"""TIFF of any size through tifffile: pyramids, OME-TIFF, SVS, NDPI and their like."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

from napari_medrefine._photos import ome_xml
from napari_medrefine._photos.scale import objective_of, square
from napari_medrefine._photos.tiff import number_tag, sides_um_of, texts_of
from napari_medrefine._photos.tiff_pages import check_pages
from napari_medrefine._photos.tiff_pixels import as_brightness, as_colours, has_spare
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.io.slides._colours import are_rgb, channel_names
from napari_medrefine.io.slides._level import Level
from napari_medrefine.io.slides._photo import open_photo_file
from napari_medrefine.io.slides._slide import Slide
from napari_medrefine.io.slides._stack import Stack, stack_level
from napari_medrefine.io.slides._stored import stored_level
from napari_medrefine.io.slides._tiff_layout import COLOUR, check_parts, is_photo, pixels_of

_KINDS = {
    "ome": "OME-TIFF", "svs": "Aperio SVS", "ndpi": "Hamamatsu NDPI", "scn": "Leica SCN",
    "bif": "Ventana BIF", "philips": "Philips TIFF", "qpi": "PerkinElmer QPTIFF",
    "imagej": "ImageJ TIFF",
}  # fmt: skip


def open_tiff(path: Path) -> Slide:
    """Open a TIFF; of several pictures (a scanner adds a label and a macro), the largest.

    A tile that was left out of the file reads as 0. A small picture in one piece is read at once,
    as a photo.

    Raises
    ------
    MedRefineError
        If it cannot be read; a reason, not a sentence.
    """
    with ExitStack() as stack:
        tiff = stack.enter_context(tifffile.TiffFile(path))
        check_pages(tiff)
        series = max(tiff.series, key=lambda each: pixels_of(each.keyframe), default=None)
        if series is None:
            raise MedRefineError("it holds no picture")
        if series is tiff.series[0] and is_photo(series):
            return open_photo_file(path, kind=_KINDS.get(series.kind, "TIFF"))
        check_parts(series)
        slide = _slide(path, tiff, series)
        stack.pop_all()  # from now on it is open as long as it is used
        return slide


def open_pictures(path: Path, stacked: Sequence[bool] = ()) -> list[Slide | Stack]:
    """Open every picture of a TIFF, in order; each is open as long as one is used.

    Parameters
    ----------
    path : Path
        The file.
    stacked : sequence of bool
        Which of them are stacks; those that are not mentioned are none.

    Raises
    ------
    MedRefineError
        If one cannot be read; a reason, not a sentence.
    """
    with ExitStack() as stack:
        tiff = stack.enter_context(tifffile.TiffFile(path))
        for series in tiff.series:
            check_parts(series)
        file = _OpenFile(tiff)
        pictures: list[Slide | Stack] = []
        for number, series in enumerate(tiff.series):
            is_stack = number < len(stacked) and stacked[number]
            one = _stack(path, series, file) if is_stack else _slide(path, tiff, series, file)
            pictures.append(one)
        stack.pop_all()
        return pictures


class _OpenFile:
    """Closes a file when it is asked to, or when no level reads from it any more."""

    def __init__(self, tiff: tifffile.TiffFile) -> None:
        self._handle = tiff.filehandle
        self.close = weakref.finalize(self, tiff.close)

    def check(self) -> None:
        """Raise if it was closed: tifffile's own error would not say so."""
        if self._handle.closed:
            raise MedRefineError("its slide was closed")


def _slide(
    path: Path, tiff: tifffile.TiffFile, series: Any, file: _OpenFile | None = None
) -> Slide:
    page, file = series.keyframe, file or _OpenFile(tiff)
    sides_um = sides_um_of(tiff, page)
    levels = tuple(_level(path, series, i, file) for i in range(len(series.levels)))
    texts = texts_of(tiff, page)
    size = levels[0].shape[:2]
    image = next(filter(None, (ome_xml.image_part(text, *size) for text in texts)), "")
    described = ome_xml.channels(image)
    names, colours = [c.name for c in described], [c.colour for c in described]
    channels = levels[0].shape[2] if levels[0].ndim == 3 else 1
    interleaved = "S" in series.axes and page.photometric in COLOUR and channels in (3, 4)
    rgb = interleaved or are_rgb(names, colours, channels)
    magnification = number_tag(page, 65421) if series.kind == "ndpi" else 0.0
    if magnification > 0:
        texts.append(f"AppMag = {magnification:g}")
    return Slide(
        path=path,
        name=path.stem.removesuffix(".ome"),
        kind=_KINDS.get(series.kind, "TIFF"),
        levels=levels,
        rgb=rgb,
        channels=() if rgb else channel_names(names, channels),
        pixel_um=square(sides_um),
        objective=objective_of(path, texts),
        sides_um=sides_um,
        _close=file.close,
    )


def _stack(path: Path, series: Any, file: _OpenFile) -> Stack:
    levels = []
    for number in range(len(series.levels)):
        array: Any = zarr.open_array(series.aszarr(level=number), mode="r")

        def read(index: tuple[slice, ...], array: Any = array) -> Image:
            file.check()
            return np.asarray(array[index])

        levels.append(stack_level(array, array.chunks, path, read))
    return Stack(path, series.axes.lower(), tuple(levels))


def _level(path: Path, series: Any, index: int, file: _OpenFile) -> Level:
    level = series.levels[index]
    array = mapped = _mapped(path, level, series, index)
    if array is None:
        # Its store reads under the file's lock, so threads do not get in each other's way.
        array = zarr.open_array(series.aszarr(level=index), mode="r")
    chunks = getattr(array, "chunks", array.shape)
    stored = stored_level(array, level.axes.lower().replace("s", "c"), chunks, path)
    page = level.keyframe
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and stored.dtype.kind != "u":
        raise MedRefineError(f"its white is 0 and its pixels are {stored.dtype}")

    def pixels(rows: slice, columns: slice) -> Image:
        file.check()
        part = stored.pixels(rows, columns)
        part = part if mapped is None else np.array(part)  # the map itself cannot be written to
        return as_colours(as_brightness(part, page), page)

    if has_spare(page):
        shape, parts = (*stored.shape[:2], 3), (*stored.chunks[:2], 3)
        return replace(stored, shape=shape, chunks=parts, pixels=pixels)
    return replace(stored, pixels=pixels)


def _mapped(path: Path, level: Any, series: Any, index: int) -> Any:
    """Return uncompressed rows mapped into memory: they often are one strip, read as a whole."""
    page = level.keyframe
    if page.is_tiled or level.dataoffset is None or not page.is_memmappable:
        return None
    number = page.parent.series.index(series)
    return tifffile.memmap(path, series=number, level=index, mode="r")
