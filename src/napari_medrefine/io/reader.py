"""napari reader of tiled datasets: each photo put together again, lazily, one layer per photo."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medrefine.io._layers import LayerData, image_layer

if TYPE_CHECKING:
    from napari_medrefine.dataset import Differences, PhotoEntry, TiledDataset

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


def read_dataset(path: str | Sequence[str]) -> list[LayerData]:
    """Return one image layer per photo of the dataset whose manifest is at `path`.

    The layers are lazy (one dask chunk a tile) and lie on each other at the origin; only the first
    is visible, so that opening reads one photo and not all of them. Tiles that are gone are black;
    one warning names these and the ones that are not in the manifest.

    Raises
    ------
    MedRefineError
        If the manifest is missing, damaged, or of a newer version.
    """
    from napari_medrefine.dataset import open_dataset

    dataset = open_dataset(_single(path) or "")
    differences = dataset.differences()
    if differences:
        warnings.warn(describe(dataset, differences), stacklevel=2)
    absent = frozenset(differences.missing)
    layers = [_layer(dataset, photo, absent) for photo in dataset.manifest.photos]
    for _, attributes, _ in layers[1:]:
        attributes["visible"] = False
    return layers


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

    return image_layer(
        mosaic(dataset, photo, absent=absent),
        f"{Path(photo.source).stem} ({photo.split})",
        photo.pixel_um,
        {
            "objective": photo.objective,
            "pixel_um": photo.pixel_um,
            "split": photo.split,
            "slide": photo.slide,
            "source": photo.source,
            "sha256": photo.sha256,
            "dataset": str(dataset.folder.resolve()),
            "tile": dataset.manifest.recipe.tile,
        },
    )


def _single(path: str | Sequence[str]) -> str | None:
    if isinstance(path, str):
        return path
    return path[0] if len(path) == 1 else None


def _some(files: tuple[str, ...]) -> str:
    count = f"{len(files)} tile{'s' if len(files) > 1 else ''}"
    names = ", ".join(files[:LISTED])
    return f"{count} ({names}{', ...' if len(files) > LISTED else ''})"
