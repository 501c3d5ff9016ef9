"""The layers of an atlas in a viewer: added, faded together, flown to."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Layer as NapariLayer

from napari_medrefine.atlas.layers import LayerData
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import Viewer, about

MARGIN = 0.3  # of the canvas left free around what is flown to


class AtlasView:
    """What the atlas added to `viewer`, and is still there."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._own: list[Layer] = []

    def add(self, data: LayerData) -> None:
        """Add a layer of the atlas."""
        layer = NapariLayer.create(*data)
        self._own.append(layer)
        self._viewer.add_layer(layer)

    def clear(self) -> None:
        """Remove the layers of the atlas that was shown before."""
        for layer in self._there():
            self._viewer.layers.remove(layer)
        self._own.clear()

    def fade(self, opacity: float) -> None:
        """Give all fields the same opacity."""
        for layer in self._fields():
            layer.opacity = opacity

    def show_coverage(self, visible: bool) -> None:
        """Show or hide what of the overviews is covered, and what is missing."""
        for layer in self._there():
            if "coverage_of" in about(layer):
                layer.visible = visible

    def fly_to(self, name: str) -> bool:
        """Bring a photo into view; False if its layer is not there."""
        layer = next((x for x in self._there() if about(x).get("photo") == name), None)
        if layer is None:
            return False
        layer.visible = True
        self._viewer.layers.selection.active = layer
        low, high = layer.extent.world
        camera = self._viewer.scene.camera
        camera.center = (0.0, *(float(middle) for middle in (low + high) / 2))
        camera.zoom = float(
            (1 - MARGIN) * np.min(np.array(self._viewer.canvas.size) / (high - low))
        )
        return True

    def _there(self) -> list[Layer]:
        there: set[Any] = set(self._viewer.layers)
        return [layer for layer in self._own if layer in there]

    def _fields(self) -> list[Layer]:
        return [layer for layer in self._there() if "placement" in about(layer)]
