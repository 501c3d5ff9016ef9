"""A folder of photos as layers, each read when it is looked at."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.io._layers import LayerData, image_layer
from napari_medrefine.photos import PhotoHeader, find_photos, no_photos, read_header, read_photo

if TYPE_CHECKING:
    import dask.array

_WHITE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


def read_folder(
    folder: str | Path, *, pixel_um: Mapping[float, float] | None = None
) -> list[LayerData]:
    """Return one image layer per JPEG, PNG, TIFF or BMP photo in `folder`, lazily.

    Like the photos of a dataset they lie on each other, and only the first is visible: opening
    reads one photo. Photos that cannot be read are left out, with one warning that names them.

    Parameters
    ----------
    folder : path
        Its sub-folders are not looked into.
    pixel_um : mapping of float to float, optional
        Pixel size in micrometres by objective, for photos that do not say theirs. What an objective
        gives depends on the camera, so there is no default.

    Raises
    ------
    MedRefineError
        If there is no such folder, or no photo in it that can be read.
    """
    paths = find_photos(folder)
    if not paths:
        raise no_photos(folder)
    layers, problems = [], []
    for path in paths:
        try:
            layers.append(_layer(read_header(path), pixel_um or {}))
        except MedRefineError as error:
            problems.append(str(error))
    if not layers:
        raise MedRefineError(f"No photo in {folder} can be read: {problems[0]}")
    if problems:
        warnings.warn(f"Left out: {' '.join(problems)}", stacklevel=2)
    for _, attributes, _ in layers[1:]:
        attributes["visible"] = False
    return layers


def _layer(header: PhotoHeader, pixel_um: Mapping[float, float]) -> LayerData:
    stored = header.pixel_um
    assumed = pixel_um.get(header.objective) if header.objective else None
    size = stored or assumed
    facts: dict[str, Any] = {
        "objective": header.objective,
        "pixel_um": size,
        "source": str(header.path.resolve()),
    }
    layer = image_layer(lazy_photo(header), header.name, size, facts)
    if len(header.shape) == 2 and header.dtype in _WHITE:
        # Said beforehand: napari would read the photo to find it out.
        layer[1]["contrast_limits"] = (0.0, _WHITE[header.dtype])
    return layer


def lazy_photo(header: PhotoHeader) -> dask.array.Array:
    """Return the photo's pixels as a dask array that reads the file when it is looked at."""
    import dask.array as da

    def read(block_id: tuple[int, ...]) -> Image:  # noqa: ARG001 - one block, the whole photo
        return _pixels(header)

    lazy: dask.array.Array = da.map_blocks(
        read,
        chunks=tuple((n,) for n in header.shape),
        dtype=header.dtype,
        meta=np.empty((0,) * len(header.shape), header.dtype),
        name=f"{header.name}-{uuid4()}",
    )
    return lazy


def _pixels(header: PhotoHeader) -> Image:
    """Return the photo's pixels; black, with a warning, if it turns out to be damaged."""
    try:
        return read_photo(header.path).image
    except MedRefineError as error:
        warnings.warn(f"{error} It is shown black.", stacklevel=2)
        return np.zeros(header.shape, header.dtype)
