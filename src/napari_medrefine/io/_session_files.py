"""The layers of any file that napari opens, by our readers where one fits, else by the others'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._layers import LayerData
from napari_medrefine.io.folder import lazy_photo
from napari_medrefine.io.layer_images import TIFF
from napari_medrefine.io.layer_reader import is_ome_zarr, read_images
from napari_medrefine.io.reader import get_reader, read_dataset
from napari_medrefine.io.slide_layers import get_slide_reader, read_slides
from napari_medrefine.photos import SUFFIXES, read_header, read_photo

OURS = "napari-medrefine"
AT_ONCE = 2**26  # pixels


def layers_of(path: Path, plugin: str | None) -> list[LayerData]:
    """Return all layers of a file or folder.

    Raises
    ------
    MedRefineError
        If it cannot be read.
    """
    name = str(path)
    if get_reader(name):
        return read_dataset(path)
    if get_slide_reader(name):
        return read_slides(path)
    if path.is_dir() and is_ome_zarr(path):
        return read_images(path)
    if plugin in (OURS, None) and path.name.lower().endswith(TIFF):
        return read_images(path)
    if path.suffix.lower() in SUFFIXES:
        return [_photo(path)]
    return _by_others(path, plugin)


def holds_several(path: Path) -> bool:
    """Return whether a file or folder may hold more than one picture."""
    name = path.name.lower()
    return name.endswith(TIFF) or path.suffix.lower() not in SUFFIXES


def _photo(path: Path) -> LayerData:
    header = read_header(path)
    large = header.shape[0] * header.shape[1] > AT_ONCE
    data: Any = lazy_photo(header) if large else read_photo(path).image
    return data, {"name": header.name}, "image"


def _by_others(path: Path, plugin: str | None) -> list[LayerData]:
    import npe2

    try:
        found = npe2.read([str(path)], stack=False, plugin_name=plugin)
    except Exception as error:  # whatever another plugin raises
        raise MedRefineError(f"{path.name} cannot be read ({error}).") from error
    return [(one[0], dict(one[1]) if len(one) > 1 else {}, "image") for one in found]
