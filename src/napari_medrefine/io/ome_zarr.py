"""Writing a large picture as OME-Zarr (OME-NGFF 0.5 on Zarr 3, or 0.4 on Zarr 2).

https://ngff.openmicroscopy.org/0.5/ and https://ngff.openmicroscopy.org/0.4/
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr
from zarr.codecs import BloscCodec

from napari_medrefine._atomic import going_on
from napari_medrefine._paths import ZARR
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.ome_zarr_attributes import Version, metadata_of
from napari_medrefine.io.pyramid_writer import (
    TILE,
    Facts,
    PixelSize,
    PixelSource,
    check_target,
    level_sizes,
    replacing_folder,
)
from napari_medrefine.io.stack_layout import Axis, Layout
from napari_medrefine.io.zarr_pyramid import ZarrPyramid
from napari_medrefine.progress import Step


def write_ome_zarr(
    path: str | Path,
    source: PixelSource,
    *,
    pixel_um: PixelSize,
    name: str = "",
    overwrite: bool = False,
    version: Version = "0.5",
    facts: Facts | None = None,
    channels: Sequence[str] | None = None,
    resume: bool = False,
    block: int = TILE,
    origin: tuple[float, float] = (0.0, 0.0),
    stack: Sequence[Axis] = (),
    at_once: int | None = None,
) -> Generator[Step, None, Path]:
    """Write a picture and its pyramid as a long job: axes c, y, x; chunks of 512 x 512.

    Each level is made from the finer one already written, so memory holds a few tiles. Of a stack,
    each picture gets its pyramid, one after the other.

    Parameters
    ----------
    path : str or Path
        The folder to make, ``NAME.ome.zarr`` by custom. It appears only when it is complete.
    source : PixelSource
        What is written: ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``, or with other `channels`.
    pixel_um : float, (float, float) or None
        Side of a pixel of `source`, or its height and width, in micrometres; None: not known.
    name : str
        Name of the image; default: the folder's.
    overwrite : bool
        Replace `path` if it exists.
    version : {"0.5", "0.4"}
        Of OME-NGFF; 0.4 for programs that do not read Zarr 3 yet.
    facts : mapping, optional
        What JSON can hold: where the picture comes from. Kept in the attribute `FACTS_KEY`.
    channels : sequence of str, optional
        Names of channels that are no colours.
    resume : bool
        Write to ``path`` with ``.part`` at its end, kept when the job is stopped or killed; another
        call with the same `facts` goes on with it, to the same result.
    block : int
        Pixels, a multiple of 512: side of the parts that `source` is asked for.
    origin : (float, float)
        Where the centre of the first pixel lies, in the unit of `pixel_um`, else in pixels.
    stack : sequence of Axis
        What numbers the pictures, in the order t, c, z; `source` is a `StackSource` then. Colours
        take the channels' axis, so there is no other beside them.
    at_once : int, optional
        How many chunks may be compressed at the same time; default: as many as Zarr will.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    MedRefineError
        If `path` exists and `overwrite` is false, or cannot be written; or if what is to be
        resumed is another picture.
    """
    path = Path(path)
    check_target(path, source, pixel_um, overwrite)
    part = part_of(path) if resume else None
    attributes = metadata_of(
        name or path.name, source, pixel_um, version, facts, channels, origin=origin, stack=stack
    )
    with (
        going_on(part) if part else nullcontext([0.0]) as share,
        replacing_folder(path, part) as folder,
    ):
        begin(folder, source, version, attributes, stack)
        layout = Layout.of(source.shape, stack)
        pyramid = ZarrPyramid(folder, source.shape, block, layout, at_once)
        yield from _fill(pyramid, source, share)
    return path


def part_of(path: Path) -> Path:
    """Return the folder that is written to until the picture at `path` is complete."""
    return path.with_name(f"{path.name}.part")


def begin(
    folder: Path,
    source: PixelSource,
    version: Version,
    attributes: dict[str, Any],
    stack: Sequence[Axis] = (),
) -> None:
    """Create the group and its empty levels in `folder`, or check that they are there.

    Raises
    ------
    MedRefineError
        If there is something else.
    """
    if not _has_begun(folder):
        _empty(folder)
    if any(folder.iterdir()):
        _check_same(folder, attributes)
        for left in folder.rglob("*.partial"):  # by whoever was killed while writing it
            left.unlink()
        return
    group = zarr.create_group(folder, zarr_format=3 if version == "0.5" else 2)
    layout = Layout.of(source.shape, stack)
    for level, size in enumerate(level_sizes(*source.shape[:2])):
        _create(group, str(level), source, layout.shape(size), layout)
    group.attrs.update(attributes)  # last: who finds them finds all levels


def _has_begun(folder: Path) -> bool:
    """Say whether there is more in `folder` than what a job leaves that was killed in `begin`."""
    files = (path for path in folder.rglob("*") if path.is_file())
    if any(not _is_zarrs(path) for path in files):
        return True
    try:
        return bool(dict(zarr.open_group(folder, mode="r").attrs))
    except (OSError, ValueError, KeyError):
        return False


def _is_zarrs(path: Path) -> bool:
    return path.name in ZARR or path.suffix == ".partial" or path.name.isdigit()


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _check_same(folder: Path, attributes: dict[str, Any]) -> None:
    try:
        found = dict(zarr.open_group(folder, mode="r").attrs)
    except (OSError, ValueError, KeyError):
        found = {}
    if json.dumps(found, sort_keys=True) != json.dumps(attributes, sort_keys=True):
        raise MedRefineError(
            f"{folder} holds the unfinished result of another job; finish that one, delete the "
            "folder, or choose another name."
        )


def _fill(
    pyramid: ZarrPyramid, source: PixelSource, share: list[float]
) -> Generator[Step, None, None]:
    """Write the blocks that are not there yet."""
    blocks = list(pyramid.blocks())
    for done, block in enumerate(blocks):
        yield Step(done, len(blocks), f"Writing level {block.level + 1} of {len(pyramid.sizes)}")
        share[0] = done / len(blocks)
        if not pyramid.has(block):
            pyramid.write(block, source)
    for _ in pyramid.check_whole():
        yield Step(len(blocks), len(blocks), "Looking whether all is written")
    yield Step(len(blocks), len(blocks), "Written")


def _create(
    group: Any, key: str, source: PixelSource, shape: tuple[int, ...], layout: Layout
) -> None:
    """Create the array of a level."""
    shared = {
        "shape": shape,
        "chunks": layout.chunks,
        "dtype": np.dtype(source.dtype),
        "fill_value": 0,
    }
    if group.metadata.zarr_format == 3:
        codec = BloscCodec(cname="zstd", clevel=3, shuffle="noshuffle")
        group.create_array(key, compressors=codec, dimension_names=[*layout.letters], **shared)
        return
    blosc = numcodecs.Blosc("zstd", clevel=3, shuffle=numcodecs.Blosc.NOSHUFFLE)
    separator = {"name": "v2", "separator": "/"}
    group.create_array(key, compressors=blosc, chunk_key_encoding=separator, **shared)
