"""OME-Zarr 0.4 (Zarr 2) and 0.5 (Zarr 3): a folder of chunks, read one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import zarr

from napari_medrefine._paths import ZARR, is_zarr
from napari_medrefine._photos.scale import objective_of
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.slides._colours import are_rgb, channel_names
from napari_medrefine.io.slides._ome_zarr_metadata import Metadata, read_metadata
from napari_medrefine.io.slides._slide import Slide
from napari_medrefine.io.slides._stack import Stack, stack_level
from napari_medrefine.io.slides._stored import stored_level
from napari_medrefine.io.slides._zarr_chunks import Chunks, check_chunk_sizes, check_json

_BIOFORMATS2RAW = "bioformats2raw.layout"


def open_ome_zarr(folder: Path) -> Slide:
    """Open a folder with OME-Zarr metadata; of bioformats2raw's several pictures, the first.

    A chunk that is not there is what Zarr takes it for: the fill value, 0 for most.

    Raises
    ------
    MedRefineError
        If it is none, or cannot be read; a reason, not a sentence.
    """
    group = _picture_group(_group(folder))
    metadata = read_metadata(group.attrs.asdict())
    arrays = [_array(group, path, folder) for path in metadata.paths]
    levels = tuple(
        stored_level(Chunks(array, folder), metadata.axes, _chunks(array), folder)
        for array in arrays
    )
    channels = levels[0].shape[2] if levels[0].ndim == 3 else 1
    rgb = are_rgb(metadata.names, metadata.colours, channels)
    name = folder.name.removesuffix(".zarr").removesuffix(".ome")
    return Slide(
        path=folder,
        name=name,
        kind=metadata.kind,
        levels=levels,
        rgb=rgb,
        channels=() if rgb else channel_names(metadata.names, channels),
        pixel_um=metadata.pixel_um,
        sides_um=metadata.sides_um,
        origin_um=metadata.origin_um,
        objective=objective_of(folder.with_name(f"{name}.zarr")),
    )


def open_ome_zarr_stack(folder: Path) -> Stack:
    """Open a folder whose picture has times, channels or depths.

    Raises
    ------
    MedRefineError
        If it is none, or cannot be read; a reason, not a sentence.
    """
    group = _group(folder)
    metadata = read_metadata(group.attrs.asdict())
    levels = []
    for array in (_array(group, path, folder) for path in metadata.paths):
        checked = Chunks(array, folder)
        levels.append(stack_level(checked, _chunks(array), folder, checked.__getitem__))
    return Stack(folder, metadata.axes, tuple(levels))


def metadata_in(folder: Path) -> Metadata:
    """Return what a folder says of its picture; raise as `open_ome_zarr` does."""
    return read_metadata(_picture_group(_group(folder)).attrs.asdict())


def _group(folder: Path) -> Any:
    if not is_zarr(folder):
        raise MedRefineError(
            "it is a folder, but not OME-Zarr (it holds neither zarr.json nor .zgroup)"
        )
    check_json(folder, ZARR)
    # Not the copy of all metadata in one file: what is checked is what is read.
    group = zarr.open(folder, mode="r", use_consolidated=False)
    if not isinstance(group, zarr.Group):
        raise MedRefineError("it is a single Zarr array; open the folder that holds it")
    return group


def _picture_group(group: Any) -> Any:
    """Return the group itself, or the first picture of bioformats2raw's layout."""
    attributes = group.attrs.asdict()
    ome = attributes.get("ome", attributes)
    several = isinstance(ome, dict) and _BIOFORMATS2RAW in ome and "multiscales" not in ome
    if several and "0" in group:
        return group["0"]
    return group


def _array(group: Any, path: str, folder: Path) -> Any:
    check_chunk_sizes(folder / group.path / path)
    try:
        array = group[path]
    except KeyError as error:
        raise MedRefineError(f"it is incomplete: its level '{path}' is missing") from error
    if not isinstance(array, zarr.Array):
        raise MedRefineError(f"its level '{path}' is no array")
    return array


def _chunks(array: Any) -> tuple[int, ...]:
    """Return what is decoded as one: a shard's inner chunks, where there are shards."""
    return tuple(min(n, length) for n, length in zip(array.chunks, array.shape, strict=True))
