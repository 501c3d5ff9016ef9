"""napari reader of OME-TIFF and OME-Zarr: layers that we saved come back as they were.

Of other programs' files what they say: the pixel size, and the levels, read where one looks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

from napari_medrefine._paths import open_file
from napari_medrefine._photos.ome_xml import descriptions
from napari_medrefine._photos.refusal import one_sentence
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._layer_attributes import restore
from napari_medrefine.io._layers import LayerData
from napari_medrefine.io._lazy import lazy
from napari_medrefine.io._saved_layer import SavedLayer, saved_in
from napari_medrefine.io._saved_stack import stack_arrays
from napari_medrefine.io.layer_images import TIFF
from napari_medrefine.io.ome_zarr_attributes import FACTS_KEY
from napari_medrefine.io.slide_layers import read_slides
from napari_medrefine.io.slides import Slide, Stack, open_pictures, open_slide, open_stack

AT_ONCE = 2**26  # pixels up to which a layer without levels is read now, as it was
MARKERS = ("zarr.json", ".zattrs", ".zgroup")

Reader = Callable[[str | Sequence[str]], list[LayerData]]
Saved = tuple[Slide | Stack, SavedLayer]


def get_image_reader(path: str | Sequence[str]) -> Reader | None:
    """Return the reader of OME-TIFF, and of OME-Zarr by its ``zarr.json``; else None (npe2).

    A folder is not claimed: napari would then ask for each folder that is dropped on it.
    """
    paths = [path] if isinstance(path, str) else list(path)
    names = [Path(one).name.lower() for one in paths]
    ours = all(name.endswith(TIFF) or name in MARKERS for name in names)
    return read_images if paths and ours else None


def read_images(path: str | Path | Sequence[str]) -> list[LayerData]:
    """Return the layers of image files; see `layer_images`.

    Parameters
    ----------
    path : path, or list of paths
        OME-TIFF files, OME-Zarr folders, or the ``zarr.json`` in one.

    Raises
    ------
    MedRefineError
        If one cannot be read.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    return [layer for one in paths for layer in _read(_place(Path(one)))]


def is_ome_zarr(folder: Path) -> bool:
    """Return whether a folder is a picture, or several."""
    return any((folder / marker).is_file() for marker in MARKERS)


def _place(path: Path) -> Path:
    return path.absolute().parent if path.name in MARKERS else path


def saved_pictures(path: Path) -> list[Saved]:
    """Return the pictures in a file or folder that we saved, each with the layer that it was.

    Raises
    ------
    MedRefineError
        If one cannot be read.
    """
    return [one for place in _parts(_place(path)) for one in _saved_in(place)]


def layer_of(picture: Slide | Stack, saved: SavedLayer) -> LayerData:
    """Return the layer that was saved as a picture."""
    attributes = {"rgb": saved.channels > 0, "multiscale": saved.multiscale}
    attributes |= restore(saved.attributes)
    dtype = np.dtype(saved.dtype)
    if isinstance(picture, Stack):
        levels = stack_arrays(picture, saved)
    else:
        levels = _photo_levels(picture, saved)
    first = levels[0]
    if saved.multiscale:
        return [level.astype(dtype) for level in levels], attributes, "image"
    if first.size // max(saved.channels, 1) > AT_ONCE:
        return first.astype(dtype), attributes, "image"
    return np.asarray(first).astype(dtype, copy=False), attributes, "image"


def _read(path: Path) -> list[LayerData]:
    layers = []
    for place in _parts(path):
        layers += [layer_of(*one) for one in _saved_in(place)] or read_slides(place)
    return layers


def _parts(path: Path) -> list[Path]:
    """Return the folders of the several pictures in one; of one picture, its own."""
    if not path.is_dir():
        return [path]
    with one_sentence(path):
        group: Any = zarr.open(path, mode="r")
        attributes = dict(group.attrs)
        ome = attributes.get("ome", attributes)
        several = isinstance(ome, Mapping) and "bioformats2raw.layout" in ome
        numbers = sorted((int(k) for k in group if k.isdigit()) if several else [])
    return [path / str(number) for number in numbers] or [path]


def _saved_in(path: Path) -> list[Saved]:
    return _of_zarr(path) if path.is_dir() else _of_tiff(path)


def _of_tiff(path: Path) -> list[Saved]:
    with one_sentence(path), open_file(path) as file, tifffile.TiffFile(file) as tiff:
        texts = descriptions(tiff.ome_metadata or "")
    saved = [saved_in(_json(text), path) for text in texts]
    if not saved or None in saved:
        return []
    ours = [one for one in saved if one is not None]
    pictures = open_pictures(path, [one.axes is not None for one in ours])
    if len(pictures) != len(ours):
        raise MedRefineError(f"{path} holds {len(pictures)} pictures and describes {len(ours)}.")
    return list(zip(pictures, ours, strict=True))


def _of_zarr(folder: Path) -> list[Saved]:
    with one_sentence(folder):
        saved = saved_in(dict(zarr.open(folder, mode="r").attrs), folder)
    if saved is None:
        return []
    return [(open_slide(folder) if saved.axes is None else open_stack(folder), saved)]


def _photo_levels(slide: Slide, saved: SavedLayer) -> list[Any]:
    first = slide.levels[0]
    if (first.shape[2] if first.ndim == 3 else 0) != saved.channels:
        raise MedRefineError(f"{slide.path} does not hold the layer that it describes.")
    return [lazy(level) for level in slide.levels]


def _json(text: str) -> object:
    if FACTS_KEY not in text:
        return None
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found
