"""napari reader of tiled datasets: each photo put together again, lazily, one layer per photo."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medrefine._words import counted
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._layers import LayerData, image_layer, remember

if TYPE_CHECKING:
    from napari_medrefine.dataset import Differences, PhotoEntry, TiledDataset
    from napari_medrefine.dataset.recipe import Split

ENDING = ".medrefine.json"
MANIFEST = "medrefine-dataset.json"
LISTED = 20  # files named in a warning

Reader = Callable[[str | Sequence[str]], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return the reader of a dataset's manifest, None for anything else (npe2).

    Parameters
    ----------
    path : str or list of str
        Only one file, named ``medrefine-dataset.json`` or ``*.medrefine.json``, is read. A folder
        is not: napari would then ask for each folder that is dropped on it.
    """
    single = _single(path)
    name = Path(single).name.lower() if single else ""
    return read_dataset if name == MANIFEST or name.endswith(ENDING) else None


def read_dataset(
    path: str | Path | Sequence[str], *, split: Split | None = None, outlines: bool = False
) -> list[LayerData]:
    """Return one image layer per photo of the dataset whose manifest is at `path`.

    The layers are lazy (one dask chunk a tile) and lie on each other at the origin; only the first
    is visible, so that opening reads one photo and not all of them. Saved layers (see `writer`) are
    as they were. Tiles that are gone are black; one warning names these and the ones that are not
    in the manifest.

    Parameters
    ----------
    path : path, or list of one
        The manifest, or the folder of ``medrefine-dataset.json``.
    split : {"train", "validation", "test"}, optional
        Only the photos of that part; all of them by default.
    outlines : bool
        Above each photo a shapes layer with a rectangle per tile, coloured by split.

    Raises
    ------
    MedRefineError
        If the manifest is missing, damaged, or of a newer version, or no photo is in `split`.
    """
    from napari_medrefine.dataset import open_dataset
    from napari_medrefine.io.outlines import outline_layer

    dataset = open_dataset(_single(path) or "")
    photos = [photo for photo in dataset.manifest.photos if split in (None, photo.split)]
    if split is not None and not photos:
        raise MedRefineError(f"The dataset {_single(path)} has no photo in its {split} part.")
    differences = dataset.differences()
    if differences:
        warnings.warn(describe(dataset, differences), stacklevel=2)
    absent = frozenset(differences.missing)
    layers = [_layer(dataset, photo, absent) for photo in photos]
    _show_first(layers, photos)
    if not outlines:
        return layers
    above = [outline_layer(dataset, p, layer[1]) for p, layer in zip(photos, layers, strict=True)]
    return [one for pair in zip(layers, above, strict=True) for one in pair]


def describe(dataset: TiledDataset, differences: Differences) -> str:
    """Return the sentence that lists the tiles which are gone, and those which are too many."""
    parts = []
    if differences.missing:
        parts.append(f"lacks {_some(differences.missing)}, shown black")
    if differences.extra:
        parts.append(f"has {_some(differences.extra)} not in its manifest, left aside")
    return f"The dataset {dataset.folder} {'; it '.join(parts)}."


def _layer(dataset: TiledDataset, photo: PhotoEntry, absent: frozenset[str]) -> LayerData:
    from napari_medrefine.dataset import mosaic

    data = mosaic(dataset, photo, absent=absent)
    remember(data, _facts(dataset, photo))
    return data, _attributes(dataset, photo), "image"


def _attributes(dataset: TiledDataset, photo: PhotoEntry) -> dict[str, Any]:
    from napari_medrefine.io._layer_attributes import restore

    if photo.layer is not None:
        return {"rgb": photo.layer.channels > 0, **restore(photo.layer.attributes)}
    facts = _facts(dataset, photo)
    name = f"{Path(photo.source).stem} ({photo.split})"
    return image_layer(np.empty((0, 0, 3)), name, photo.pixel_um, facts)[1]


def _facts(dataset: TiledDataset, photo: PhotoEntry) -> dict[str, Any]:
    return {
        "objective": photo.objective,
        "pixel_um": photo.pixel_um,
        "split": photo.split,
        "slide": photo.slide,
        "source": photo.source,
        "sha256": photo.sha256,
        "dataset": str(dataset.folder.resolve()),
        "manifest": str(dataset.path.resolve()),
        "photo": photo.name,
        "tile": dataset.manifest.recipe.tile,
    }


def _show_first(layers: list[LayerData], photos: Sequence[PhotoEntry]) -> None:
    """Hide all photos but the first; saved layers are seen as they were."""
    prepared = [layer for layer, photo in zip(layers, photos, strict=True) if photo.layer is None]
    for _, attributes, _ in prepared[1:]:
        attributes["visible"] = False


def _single(path: str | Path | Sequence[str]) -> str | None:
    if isinstance(path, str | Path):
        return str(path)
    return path[0] if len(path) == 1 else None


def _some(files: tuple[str, ...]) -> str:
    count = counted(len(files), "tile")
    names = ", ".join(files[:LISTED])
    return f"{count} ({names}{', ...' if len(files) > LISTED else ''})"
