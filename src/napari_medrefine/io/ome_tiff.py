"""Writing a large picture as a pyramidal OME-TIFF: BigTIFF, tiles, levels in SubIFDs, deflate.

https://docs.openmicroscopy.org/ome-model/latest/ome-tiff/specification.html#sub-resolutions
Deflate with horizontal differencing is lossless and read by every TIFF library without more codecs.
"""

from __future__ import annotations

import json
import queue
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from errno import ENOENT
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
    Bytes,
    Facts,
    PixelSource,
    check_target,
    count_tiles,
    halved,
    level_sizes,
    rendered,
    tiles_of,
)
from napari_medrefine.progress import Step

WAITING = 8  # tiles that may wait to be compressed
ZLIB_LEVEL = 3  # three times as fast as level 6; photos become 4 %, interpolated parts 26 % larger
PATIENCE_S = 0.25  # how often a waiting job looks whether it should stop


def write_ome_tiff(
    path: str | Path,
    source: PixelSource,
    *,
    pixel_um: float | None,
    name: str = "",
    overwrite: bool = False,
    facts: Facts | None = None,
) -> Generator[Step, None, Path]:
    """Write a picture and its pyramid as a long job: RGB, uint8, tiles of 512 x 512.

    Tiles are compressed by other threads while the next are made; what the coarser levels need
    waits in a folder beside `path` (about a third of the file's size) that is removed at the end.

    Parameters
    ----------
    path : str or Path
        The file to make, ``NAME.ome.tif`` by custom. It appears only when it is complete.
    source, pixel_um, name, overwrite, facts
        As for `napari_medrefine.io.ome_zarr.write_ome_zarr`; `facts` becomes the image's
        Description, as JSON.

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
    check_target(path, source, pixel_um, overwrite)
    if len(source.shape) != 3 or source.shape[2] != 3:
        raise MedRefineError(f"The picture has shape {source.shape}; it must be (H, W, 3).")
    sizes = level_sizes(*source.shape[:2])
    describe = _metadata(name or path.name, pixel_um, facts)
    with (
        replacing(path) as file,
        tempfile.TemporaryDirectory(
            prefix=PART, suffix=".part", dir=path.parent, ignore_cleanup_errors=True
        ) as scratch,
    ):
        yield from _fill(file, source, sizes, Path(scratch), describe)
    return path


def _fill(
    file: BinaryIO,
    source: PixelSource,
    sizes: list[tuple[int, int]],
    scratch: Path,
    describe: dict[str, Any],
) -> Generator[Step, None, None]:
    """Make the tiles here and hand them to the thread in which tifffile writes them."""
    levels = [None, *(_waiting(scratch / str(i), size) for i, size in enumerate(sizes) if i)]
    writer = _Writer(file, sizes, describe)
    done, total = 0, count_tiles(sizes)
    try:
        for index, size in enumerate(sizes):
            for rows, cols in tiles_of(size):
                text = f"Writing level {index + 1} of {len(sizes)}"
                yield Step(done, total, text)
                stored = levels[index]
                pixels = rendered(source, (rows, cols)) if stored is None else stored[rows, cols]
                if index + 1 < len(levels):
                    if not scratch.is_dir():  # Zarr would make all its folders anew
                        raise FileNotFoundError(ENOENT, "it was taken away", str(scratch))
                    half = halved(pixels)
                    top, left = rows.start // 2, cols.start // 2
                    levels[index + 1][top : top + half.shape[0], left : left + half.shape[1]] = half
                while not writer.takes(pixels):
                    yield Step(done, total, text)
                done += 1
        while not writer.ended():
            yield Step(total, total, "Finishing the file")
    finally:
        writer.stop()
    yield Step(total, total, "Written")


class _Writer:
    """A thread in which tifffile draws the tiles of all levels, in order, from a queue."""

    def __init__(
        self, file: BinaryIO, sizes: list[tuple[int, int]], describe: dict[str, Any]
    ) -> None:
        self._file, self._sizes, self._describe = file, sizes, describe
        self._queue: queue.Queue[Bytes] = queue.Queue(WAITING)
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ome-tiff", daemon=True)
        self._thread.start()

    def takes(self, pixels: Bytes) -> bool:
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
                for index, size in enumerate(self._sizes):
                    self._write(tiff, index, size)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - the job raises it again
            self._error = error

    def _write(self, tiff: tifffile.TiffWriter, index: int, size: tuple[int, int]) -> None:
        first = index == 0
        unit = self._describe["resolution"]
        tiff.write(
            self._tiles(size),
            shape=(*size, 3),
            dtype=np.uint8,
            tile=(TILE, TILE),
            photometric="rgb",
            compression="zlib",
            compressionargs={"level": ZLIB_LEVEL},
            predictor=True,
            maxworkers=2,
            subifds=len(self._sizes) - 1 if first else None,
            subfiletype=0 if first else 1,
            metadata=self._describe["ome"] if first else None,
            resolution=None if unit is None else (unit / 2**index, unit / 2**index),
            resolutionunit=None if unit is None else "CENTIMETER",
        )

    def _tiles(self, size: tuple[int, int]) -> Iterator[Bytes]:
        for _ in tiles_of(size):
            yield self._next()

    def _next(self) -> Bytes:
        while not self._stopped.is_set():
            with suppress(queue.Empty):
                return self._queue.get(timeout=PATIENCE_S)
        raise _Stopped


class _Stopped(Exception):  # noqa: N818 - no error, and never seen outside
    """The job was closed before its last tile."""


def _waiting(folder: Path, size: tuple[int, int]) -> Any:
    """Return an array on disk for a level; its chunks are the quarters of a tile, written once."""
    return zarr.create_array(
        folder,
        shape=(*size, 3),
        chunks=(TILE // 2, TILE // 2, 3),
        dtype=np.uint8,
        fill_value=0,
        compressors=BloscCodec(cname="lz4", clevel=1, shuffle="noshuffle"),
    )


def _metadata(name: str, pixel_um: float | None, facts: Facts | None) -> dict[str, Any]:
    """Return the OME metadata, and the pixels to a centimetre for readers that know only TIFF."""
    ome: dict[str, Any] = {"axes": "YXS", "Name": name}
    if pixel_um is not None:
        for axis in "XY":
            ome |= {f"PhysicalSize{axis}": float(pixel_um), f"PhysicalSize{axis}Unit": "µm"}
    if facts is not None:
        ome["Description"] = json.dumps(dict(facts))
        # Else tifffile takes a new one every time, and no two runs would give the same bytes.
        ome["UUID"] = str(uuid5(NAMESPACE_OID, f"{name} {pixel_um} {ome['Description']}"))
    return {"ome": ome, "resolution": None if pixel_um is None else 1e4 / pixel_um}
