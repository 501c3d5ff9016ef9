"""The menu command *Outline tiles by split*."""

from __future__ import annotations

from typing import Any

import napari
from napari.layers import Layer
from napari.utils.notifications import show_info, show_warning

from napari_medrefine.dataset import open_dataset
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._layers import layer_facts
from napari_medrefine.io.outlines import legend, outline_layer
from napari_medrefine.widgets._layers import Viewer, about, images, is_derived

_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
NONE_THERE = (
    "There is no photo of a tiled dataset here: open a medrefine-dataset.json or *.medrefine.json, "
    "then select its layers."
)


def outline_tiles() -> None:
    """Outline the tiles of the selected photos of a dataset, or of those that are visible."""
    viewer = napari.current_viewer()
    if viewer is not None:
        add_outlines(viewer)


def add_outlines(viewer: Viewer) -> list[Layer]:
    """Add a shapes layer above each photo; say in one sentence what the colours mean, or why not.

    Photos that are outlined already are left alone. Returns the layers that were added.
    """
    photos = [
        layer for layer in images(viewer) if _facts(layer).get("manifest") and not is_derived(layer)
    ]
    selected = [layer for layer in photos if layer in viewer.layers.selection]
    chosen = selected or [layer for layer in photos if layer.visible]
    if not chosen:
        show_warning(NONE_THERE)
        return []
    added: list[Layer] = []
    try:
        added.extend(_outline(viewer, photo) for photo in chosen if not _is_outlined(viewer, photo))
    except MedRefineError as error:
        show_warning(str(error))
        return added
    show_info(f"Each rectangle is a tile: {legend()}.")
    return added


def _outline(viewer: Viewer, photo: Layer) -> Layer:
    facts = _facts(photo)
    dataset = open_dataset(facts["manifest"])
    entry = next((p for p in dataset.manifest.photos if p.name == facts["photo"]), None)
    if entry is None or entry.shape != photo.data.shape[:2]:
        raise MedRefineError(
            f"'{photo.name}' is not in {facts['manifest']} any more; open that dataset again."
        )
    place = {key: getattr(photo, key) for key in _PLACE}
    layer = Layer.create(
        *outline_layer(dataset, entry, {**place, "name": photo.name, "visible": photo.visible})
    )
    viewer.layers.insert(viewer.layers.index(photo) + 1, layer)
    return layer


def _is_outlined(viewer: Viewer, photo: Layer) -> bool:
    above = viewer.layers[viewer.layers.index(photo) + 1 :][:1]
    return any(about(layer).get("outlines_of") == _facts(photo)["photo"] for layer in above)


def _facts(layer: Layer) -> dict[str, Any]:
    return layer_facts(layer.data, layer.metadata)
