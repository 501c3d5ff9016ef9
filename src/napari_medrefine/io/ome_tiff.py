"""Writing a large picture as a pyramidal OME-TIFF: BigTIFF, tiles, levels in SubIFDs, deflate.

https://docs.openmicroscopy.org/ome-model/latest/ome-tiff/specification.html#sub-resolutions
Deflate with horizontal differencing is lossless and read by every TIFF library without more codecs.
"""

from __future__ import annotations

import json
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
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import tifffile
import zarr
from zarr.codecs import BloscCodec

from napari_medrefine._atomic import PART, replacing
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.pyramid_writer import (
    TILE,
    Facts,
    Pixels,
    PixelSize,
    PixelSource,
    check_target,
    count_tiles,
    halved,
    level_sizes,
    rendered,
    sides_um,
    tiles_of,
)
from napari_medrefine.progress import Step

_DTYPES = ("uint8", "uint16", "float32", "float64")
_FINEST, _COARSEST = 1e-5, 1e9  # micrometres to a pixel
WAITING = 8  # tiles that may wait to be compressed
ZLIB_LEVEL = 3  # three times as fast as level 6; photos become 4 %, interpolated parts 26 % larger
PATIENCE_S = 0.25  # how often a waiting job looks whether it should stop


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture to write, and what the file says of it.

    Attributes
    ----------
    source : PixelSource
        ``(H, W)`` grey, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA; uint8, uint16, float32 or float64.
    pixel_um : float, (float, float) or None
        Side of a pixel, or its height and width, in micrometres.
    name : str
        Of the image.
    facts : mapping, optional
        What JSON can hold: becomes the image's Description.
    """

    source: PixelSource
    pixel_um: PixelSize = None
    name: str = ""
    facts: Facts | None = None

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Heights and widths of its levels."""
        return level_sizes(*self.source.shape[:2])


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
    done, total = 0, sum(count_tiles(picture.sizes) for picture in pictures)
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
    channels = tuple(source.shape[2:])
    levels: list[Any] = [
        _waiting(scratch / str(i), (*size, *channels), source.dtype) if i else None
        for i, size in enumerate(sizes)
    ]
    for index, size in enumerate(sizes):
        coarser = levels[index + 1] if index + 1 < len(levels) else None
        for tile in tiles_of(size):
            make = cache(partial(_tile, source, levels[index], coarser, tile, scratch))
            yield f"Writing level {index + 1} of {len(sizes)}", make


def _tile(
    source: PixelSource, stored: Any, coarser: Any, tile: tuple[slice, slice], scratch: Path
) -> Pixels:
    """Return a tile, and note its mean for the next coarser level."""
    rows, cols = tile
    pixels = rendered(source, tile) if stored is None else stored[rows, cols]
    if coarser is not None:
        if not scratch.is_dir():  # Zarr would make all its folders anew
            raise FileNotFoundError(ENOENT, "it was taken away", str(scratch))
        half = _half(pixels)
        top, left = rows.start // 2, cols.start // 2
        coarser[top : top + half.shape[0], left : left + half.shape[1]] = half
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
        unit = _per_centimetre(picture.pixel_um)
        channels = tuple(source.shape[2:])
        tiff.write(
            self._tiles(sizes[index]),
            shape=(*sizes[index], *channels),
            dtype=np.dtype(source.dtype),
            tile=(TILE, TILE),
            photometric="rgb" if channels else "minisblack",
            extrasamples=["unassalpha"] if channels == (4,) else None,
            compression="zlib",
            compressionargs={"level": ZLIB_LEVEL},
            predictor=np.dtype(source.dtype).kind == "u",  # of floats it needs a codec more
            maxworkers=2,
            subifds=len(sizes) - 1 if first else None,
            subfiletype=0 if first else 1,
            metadata=_metadata(picture) if first else None,
            resolution=None if unit is None else (unit[0] / 2**index, unit[1] / 2**index),
            resolutionunit=None if unit is None else "CENTIMETER",
        )

    def _tiles(self, size: tuple[int, int]) -> Iterator[Pixels]:
        for _ in tiles_of(size):
            yield self._next()

    def _next(self) -> Pixels:
        while not self._stopped.is_set():
            with suppress(queue.Empty):
                return self._queue.get(timeout=PATIENCE_S)
        raise _Stopped


class _Stopped(Exception):  # noqa: N818 - no error, and never seen outside
    """The job was closed before its last tile."""


def _waiting(folder: Path, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return an array on disk for a level; its chunks are the quarters of a tile, written once."""
    return zarr.create_array(
        folder,
        shape=shape,
        chunks=(TILE // 2, TILE // 2, *shape[2:]),
        dtype=np.dtype(dtype),
        fill_value=0,
        compressors=BloscCodec(cname="lz4", clevel=1, shuffle="noshuffle"),
    )


def _metadata(picture: Picture) -> dict[str, Any]:
    """Return the OME metadata of a picture."""
    ome: dict[str, Any] = {
        "axes": "YXS" if len(picture.source.shape) == 3 else "YX",
        "Name": picture.name,
    }
    for axis, side in zip("YX", sides_um(picture.pixel_um) or (), strict=False):
        ome |= {f"PhysicalSize{axis}": side, f"PhysicalSize{axis}Unit": "µm"}
    if picture.facts is not None:
        ome["Description"] = json.dumps(dict(picture.facts))
        # Else tifffile takes a new one every time, and no two runs would give the same bytes.
        told = f"{picture.name} {picture.pixel_um} {ome['Description']}"
        ome["UUID"] = str(uuid5(NAMESPACE_OID, told))
    return ome


def _per_centimetre(pixel_um: PixelSize) -> tuple[float, float] | None:
    """Return pixels to a centimetre, x and y, for readers that know only TIFF.

    None where they are not known, or no fraction of two 32-bit numbers.
    """
    sides = sides_um(pixel_um)
    if sides is None or not all(_FINEST < side < _COARSEST for side in sides):
        return None
    return 1e4 / sides[1], 1e4 / sides[0]
