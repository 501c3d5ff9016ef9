"""Writing a large picture as OME-Zarr (OME-NGFF 0.5 on Zarr 3, or 0.4 on Zarr 2).

https://ngff.openmicroscopy.org/0.5/ and https://ngff.openmicroscopy.org/0.4/
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, Literal

import numcodecs
import numpy as np
import zarr
from zarr.codecs import BloscCodec

from napari_medrefine.io.pyramid_writer import (
    TILE,
    Facts,
    PixelSource,
    check_target,
    count_tiles,
    doubled,
    halved,
    level_sizes,
    rendered,
    replacing_folder,
    tiles_of,
)
from napari_medrefine.progress import Step

Version = Literal["0.5", "0.4"]
FACTS_KEY = "napari-medrefine"  # the attribute that holds the provenance
AXES = ("c", "y", "x")
CHANNELS = (("R", "FF0000"), ("G", "00FF00"), ("B", "0000FF"))


def write_ome_zarr(
    path: str | Path,
    source: PixelSource,
    *,
    pixel_um: float | None,
    name: str = "",
    overwrite: bool = False,
    version: Version = "0.5",
    facts: Facts | None = None,
) -> Generator[Step, None, Path]:
    """Write a picture and its pyramid as a long job: axes c, y, x; uint8; chunks of 512 x 512.

    Each level is made from the finer one already written, so memory holds a few tiles.

    Parameters
    ----------
    path : str or Path
        The folder to make, ``NAME.ome.zarr`` by custom. It appears only when it is complete.
    source : PixelSource
        What is written.
    pixel_um : float or None
        Size of a pixel of `source` in micrometres; None where it is not known.
    name : str
        Name of the image; default: the folder's.
    overwrite : bool
        Replace `path` if it exists.
    version : {"0.5", "0.4"}
        Of OME-NGFF; 0.4 for programs that do not read Zarr 3 yet.
    facts : mapping, optional
        What JSON can hold: where the picture comes from. Kept in the attribute `FACTS_KEY`.

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
    sizes = level_sizes(*source.shape[:2])
    metadata = _metadata(name or path.name, len(sizes), pixel_um)
    with replacing_folder(path) as part:
        group = zarr.create_group(part, zarr_format=3 if version == "0.5" else 2)
        group.attrs.update(_attributes(metadata, version, facts))
        levels = [_create(group, str(i), size, version) for i, size in enumerate(sizes)]
        yield from _fill(levels, source, sizes)
    return path


def _fill(
    levels: list[Any], source: PixelSource, sizes: list[tuple[int, int]]
) -> Generator[Step, None, None]:
    """Write the tiles of every level."""
    done, total = 0, count_tiles(sizes)
    for index, (level, size) in enumerate(zip(levels, sizes, strict=True)):
        for rows, cols in tiles_of(size):
            yield Step(done, total, f"Writing level {index + 1} of {len(sizes)}")
            if index == 0:
                pixels = rendered(source, (rows, cols))
            else:
                finer = doubled((rows, cols), sizes[index - 1])
                pixels = halved(np.moveaxis(levels[index - 1][(slice(None), *finer)], 0, -1))
            level[:, rows, cols] = np.moveaxis(pixels, -1, 0)
            done += 1
    yield Step(total, total, "Written")


def _create(group: Any, key: str, size: tuple[int, int], version: Version) -> Any:
    """Create the array of a level."""
    shared = {
        "shape": (3, *size),
        # A whole chunk even in a smaller level: all levels alike, as readers expect.
        "chunks": (3, TILE, TILE),
        "dtype": np.uint8,
        "fill_value": 0,
    }
    if version == "0.5":
        codec = BloscCodec(cname="zstd", clevel=3, shuffle="noshuffle")
        return group.create_array(key, compressors=codec, dimension_names=AXES, **shared)
    blosc = numcodecs.Blosc("zstd", clevel=3, shuffle=numcodecs.Blosc.NOSHUFFLE)
    separator = {"name": "v2", "separator": "/"}
    return group.create_array(key, compressors=blosc, chunk_key_encoding=separator, **shared)


def _attributes(metadata: dict[str, Any], version: Version, facts: Facts | None) -> dict[str, Any]:
    """Return the group's attributes: 0.5 keeps its own under one key, 0.4 does not."""
    if version == "0.5":
        attributes: dict[str, Any] = {"ome": {"version": version, **metadata}}
    else:
        attributes = {
            **metadata,
            "multiscales": [{"version": version, **m} for m in metadata["multiscales"]],
            "omero": {"version": version, **metadata["omero"]},
        }
    return attributes if facts is None else {**attributes, FACTS_KEY: dict(facts)}


def _metadata(name: str, levels: int, pixel_um: float | None) -> dict[str, Any]:
    """Return the image's description: axes, the levels' scales and places, and the colours."""
    unit = {} if pixel_um is None else {"unit": "micrometer"}
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": axis, "type": "space", **unit} for axis in AXES[1:]]
    pixel = 1.0 if pixel_um is None else float(pixel_um)
    multiscale = {
        "name": name,
        "axes": axes,
        "datasets": [_dataset(level, pixel) for level in range(levels)],
        "type": "mean",
        "metadata": {"description": "Means of 2 x 2 pixels of the next finer level."},
    }
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    channels = [
        {
            "label": label,
            "color": color,
            "window": window,
            "active": True,
            "coefficient": 1,
            "family": "linear",
            "inverted": False,
        }
        for label, color in CHANNELS
    ]
    omero = {"name": name, "channels": channels, "rdefs": {"model": "color"}}
    return {"multiscales": [multiscale], "omero": omero}


def _dataset(level: int, pixel: float) -> dict[str, Any]:
    """Return where a level lies: a mean of f pixels has its centre (f - 1) / 2 pixels further."""
    factor = 2**level
    shift = (factor - 1) / 2 * pixel
    return {
        "path": str(level),
        "coordinateTransformations": [
            {"type": "scale", "scale": [1.0, factor * pixel, factor * pixel]},
            {"type": "translation", "translation": [0.0, shift, shift]},
        ],
    }
