"""Writing a large picture as a pyramidal OME-TIFF: BigTIFF, tiles, levels in SubIFDs, deflate.

https://docs.openmicroscopy.org/ome-model/latest/ome-tiff/specification.html#sub-resolutions
Deflate with horizontal differencing is lossless and read by every TIFF library without more codecs.
"""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOENT
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
import zarr
from zarr.codecs import BloscCodec

from napari_medrefine._atomic import PART, replacing
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.ome_tiff_picture import Picture, ome_metadata, per_centimetre
from napari_medrefine.io.pyramid_writer import (
    TILE,
    Facts,
    Pixels,
    PixelSize,
    PixelSource,
    check_target,
    count_tiles,
    halved,
    rendered,
    tiles_of,
)
from napari_medrefine.io.stack_layout import Index, count_planes, plane_of, planes_of
from napari_medrefine.progress import Step

_DTYPES = ("uint8", "uint16", "float32", "float64")
WAITING = 8  # tiles that may wait to be compressed
# Bytes of tiles that are compressed before any is written: of half a gigabyte, tifffile's own
# choice, Cancel would wait for seconds.
AT_ONCE = 2**24
ZLIB_LEVEL = 3  # three times as fast as level 6; photos become 4 %, interpolated parts 26 % larger
PATIENCE_S = 0.25  # how often a waiting job looks whether it should stop


def write_ome_tiff(
    path: str | Path,
    source: PixelSource,
    *,
    pixel_um: PixelSize,
    name: str = "",
    overwrite: bool = False,
    facts: Facts | None = None,
) -> Generator[Step, None, Path]:
    """Write a picture and its pyramid as a long job: tiles of 512 x 512.

    Tiles are compressed by other threads while the next are made; what the coarser levels need
    waits in a folder beside `path` (about a third of the file's size) that is removed at the end.

    Parameters
    ----------
    path : str or Path
        The file to make, ``NAME.ome.tif`` by custom. It appears only when it is complete.
    source, pixel_um, name, overwrite, facts
        As for `napari_medrefine.io.ome_zarr.write_ome_zarr`; `facts` becomes the image's
        Description, as JSON. There is no float16 in OME-TIFF.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    MedRefineError
        If `path` exists and `overwrite` is false, or cannot be written.
    """
    path = Path(path)
    picture = Picture(source, pixel_um, name or path.name, facts)
    return (yield from write_pictures(path, [picture], overwrite=overwrite))


def write_pictures(
    path: Path, pictures: Sequence[Picture], *, overwrite: bool = False
) -> Generator[Step, None, Path]:
    """Write several pictures into one file; see `write_ome_tiff`."""
    for one in pictures:
        check_target(path, one.source, one.pixel_um, overwrite)
        _check(one.source)
    with (
        replacing(path) as file,
        tempfile.TemporaryDirectory(
            prefix=PART, suffix=".part", dir=path.parent, ignore_cleanup_errors=True
        ) as scratch,
    ):
        yield from _fill(file, pictures, Path(scratch))
    return path


def _check(source: PixelSource) -> None:
    if len(source.shape) == 3 and source.shape[2] not in (3, 4):
        raise MedRefineError(
            f"The picture has shape {source.shape}; it must be (H, W), (H, W, 3) or (H, W, 4)."
        )
    if np.dtype(source.dtype).name not in _DTYPES:
        raise MedRefineError(f"The picture is {source.dtype}; OME-TIFF holds {', '.join(_DTYPES)}.")


def _fill(
    file: BinaryIO, pictures: Sequence[Picture], scratch: Path
) -> Generator[Step, None, None]:
    """Make the tiles here and hand them to the thread in which tifffile writes them."""
    writer = _Writer(file, pictures)
    done, total = 0, sum(picture.tiles for picture in pictures)
    try:
        for number, picture in enumerate(pictures):
            for text, pixels in _tiles(picture, scratch / str(number)):
                yield Step(done, total, text)
                while not writer.takes(pixels()):
                    yield Step(done, total, text)
                done += 1
        while not writer.ended():
            yield Step(total, total, "Finishing the file")
    finally:
        writer.stop()
    yield Step(total, total, "Written")


def _tiles(picture: Picture, scratch: Path) -> Iterator[tuple[str, Callable[[], Pixels]]]:
    """Yield what makes each tile, level by level; once made, a tile is kept until asked again."""
    sizes, source = picture.sizes, picture.source
    kind = tuple(source.shape[2:]), np.dtype(source.dtype)
    levels: list[Any] = [
        _waiting(scratch / str(i), picture.counts, size, *kind) if i else None
        for i, size in enumerate(sizes)
    ]
    for index, size in enumerate(sizes):
        coarser = levels[index + 1] if index + 1 < len(levels) else None
        for plane in planes_of(picture.stack):
            for tile in tiles_of(size):
                one = _Tile(plane_of(source, plane), plane, tile)
                make = cache(partial(_make, one, levels[index], coarser, scratch))
                yield f"Writing level {index + 1} of {len(sizes)}", make


@dataclass(frozen=True, slots=True, eq=False)
class _Tile:
    """A part of a picture; of a stack, of one of its pictures."""

    source: PixelSource
    plane: Index
    part: tuple[slice, slice]


def _make(tile: _Tile, stored: Any, coarser: Any, scratch: Path) -> Pixels:
    """Return a tile, and note its mean for the next coarser level."""
    (rows, cols), where = tile.part, (*tile.plane, *tile.part)
    pixels = rendered(tile.source, tile.part) if stored is None else stored[where]
    if coarser is not None:
        if not scratch.is_dir():  # Zarr would make all its folders anew
            raise FileNotFoundError(ENOENT, "it was taken away", str(scratch))
        half = _half(pixels)
        top, left = rows.start // 2, cols.start // 2
        there = slice(top, top + half.shape[0]), slice(left, left + half.shape[1])
        coarser[(*tile.plane, *there)] = half
    return pixels


def _half(pixels: Pixels) -> Pixels:
    return halved(pixels) if pixels.ndim == 3 else halved(pixels[..., None])[..., 0]


class _Writer:
    """A thread in which tifffile draws the tiles of all levels, in order, from a queue."""

    def __init__(self, file: BinaryIO, pictures: Sequence[Picture]) -> None:
        self._file, self._pictures = file, pictures
        self._queue: queue.Queue[Pixels] = queue.Queue(WAITING)
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ome-tiff", daemon=True)
        self._thread.start()

    def takes(self, pixels: Pixels) -> bool:
        """Hand over a tile; False where there is no room for it yet."""
        self._check()
        with suppress(queue.Full):
            self._queue.put(pixels, timeout=PATIENCE_S)
            return True
        return False

    def ended(self) -> bool:
        """Wait a little for the end; raise what went wrong, if anything did."""
        self._thread.join(PATIENCE_S)
        self._check()
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End the thread, whatever it waits for."""
        self._stopped.set()
        self._thread.join()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with tifffile.TiffWriter(self._file, bigtiff=True, ome=True) as tiff:
                for picture in self._pictures:
                    for index in range(len(picture.sizes)):
                        self._write(tiff, picture, index)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - the job raises it again
            self._error = error

    def _write(self, tiff: tifffile.TiffWriter, picture: Picture, index: int) -> None:
        first, sizes, source = index == 0, picture.sizes, picture.source
        unit = per_centimetre(picture.pixel_um)
        channels = tuple(source.shape[2:])
        tiff.write(
            self._tiles(count_planes(picture.stack), sizes[index]),
            shape=(*picture.counts, *sizes[index], *channels),
            dtype=np.dtype(source.dtype),
            tile=(TILE, TILE),
            photometric="rgb" if channels else "minisblack",
            extrasamples=["unassalpha"] if channels == (4,) else None,
            compression="zlib",
            compressionargs={"level": ZLIB_LEVEL},
            predictor=np.dtype(source.dtype).kind == "u",  # of floats it needs a codec more
            maxworkers=2,
            buffersize=AT_ONCE,
            subifds=len(sizes) - 1 if first else None,
            subfiletype=0 if first else 1,
            metadata=ome_metadata(picture) if first else None,
            resolution=None if unit is None else (unit[0] / 2**index, unit[1] / 2**index),
            resolutionunit=None if unit is None else "CENTIMETER",
        )

    def _tiles(self, planes: int, size: tuple[int, int]) -> Iterator[Pixels]:
        for _ in range(planes * count_tiles([size])):
            yield self._next()

    def _next(self) -> Pixels:
        while not self._stopped.is_set():
            with suppress(queue.Empty):
                return self._queue.get(timeout=PATIENCE_S)
        raise _Stopped


class _Stopped(Exception):  # noqa: N818 - no error, and never seen outside
    """The job was closed before its last tile."""


def _waiting(
    folder: Path,
    counts: tuple[int, ...],
    size: tuple[int, int],
    channels: tuple[int, ...],
    dtype: np.dtype[Any],
) -> Any:
    """Return an array on disk for a level; its chunks are the quarters of a tile, written once."""
    return zarr.create_array(
        folder,
        shape=(*counts, *size, *channels),
        chunks=(*(1 for _ in counts), TILE // 2, TILE // 2, *channels),
        dtype=dtype,
        fill_value=0,
        compressors=BloscCodec(cname="lz4", clevel=1, shuffle="noshuffle"),
    )
