"""Side by side: both layers in napari's grid, whose views move together."""

from __future__ import annotations

import numpy as np

from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._kept import Kept
from napari_medrefine.widgets._layers import Viewer
from napari_medrefine.widgets._screen import check_flat
from napari_medrefine.widgets._see_mode import Mode
from napari_medrefine.widgets._see_stage import Compared

SIZES = (7.0, 12.0)  # points of the names' font
LETTER = 0.96  # width of a letter, and of what is around the name, in points of the font


class SideBySide(Mode):
    """The layers themselves, alone in a grid of two, with their names."""

    title = "side by side"

    def __init__(self) -> None:
        self._kept = Kept()
        self._viewer: Viewer | None = None

    def hint(self, first: str, second: str) -> str:
        """Say what is where."""
        return f"Left is '{first}', right '{second}', at the same place and magnification."

    def begin(self, compared: Compared) -> None:
        """Hide the other layers, and open the grid."""
        viewer, pair = compared.viewer, (compared.first, compared.second)
        check_flat(viewer)
        self._viewer = viewer
        for layer in viewer.layers:
            self._kept.set(layer, visible=layer in pair)
        size = min(_fitting(layer.name, viewer.canvas.size[1] / 2) for layer in pair)
        for layer in pair:
            self._kept.set(layer, opacity=1.0)
            self._kept.set(
                layer.name_overlay, visible=True, position="top_left", font_size=size, box=True
            )
        first, second = (viewer.layers.index(layer) for layer in pair)
        stride = 1 if first < second else -1
        self._kept.set(viewer.canvas.grid, stride=stride, shape=(1, 2), enabled=True)
        viewer.layers.events.inserted.connect(self._inserted)
        compared.tell("")

    def leave(self) -> None:
        """Close the grid, and show what was hidden."""
        if self._viewer is not None:
            self._viewer.layers.events.inserted.disconnect(self._inserted)
            self._kept.restore()
            self._viewer = None

    def _inserted(self, event: object) -> None:
        """Keep a new layer from a place of its own in the grid, for now."""
        layer: Layer = event.value  # type: ignore[attr-defined]
        self._kept.set(layer, visible=False)


def _fitting(name: str, width: float) -> float:
    """Return the font size with which a name fits into half of the canvas, if one does."""
    return float(np.clip(width / (LETTER * max(1, len(name))), *SIZES))
