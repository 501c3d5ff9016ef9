"""Add a layer in several turns of Qt's event loop, so that the window never stands still for long.

For a photo of 1000 x 1000 pixels napari computes 0.1 s: it builds the controls and what vispy
needs, shows the controls, and paints. Each of these in a turn of its own is half of that at most.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import cache

import numpy as np
from napari.layers import Image

from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import Viewer
from napari_medrefine.widgets._still_heap import no_collection
from napari_medrefine.widgets._still_points import still_points

InTurns = Generator[None, None, None]


def add_in_turns(viewer: Viewer, layer: Layer, index: int | None = None) -> InTurns:
    """Put `layer` into the list, select it, show it; yield where Qt may do something else.

    After the first turn the layer is in the list, hidden. What the user does in between is left as
    it is. However it ends, a layer that was to be visible is.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
    layer : napari.layers.Layer
        In no list yet.
    index : int, optional
        Its place in the list; the top by default.
    """
    layers, visible = viewer.layers, layer.visible
    layer.visible = False
    try:
        _insert(viewer, layer, len(layers) if index is None else index)
        selected = set(layers.selection)
        yield
        if layer in layers and set(layers.selection) == selected:
            layers.selection.active = layer
        yield
    finally:
        if visible:
            layer.visible = True


@cache
def know_units() -> None:
    """Have napari read its table of units, which takes 0.4 s before the first layer there is.

    Safe in any thread: nothing of the window is touched.
    """
    Image(np.zeros((1, 1), np.uint8))


def _insert(viewer: Viewer, layer: Layer, index: int) -> None:
    """Put `layer` into the list; the selection stays, and nobody hears of it."""
    layers = viewer.layers
    active, selected = layers.selection.active, set(layers.selection)
    with no_collection(), still_points(viewer), layers.selection.events.blocker_all():
        layers.insert(index, layer)
        layers.selection.active = active
        layers.selection.update(selected)
