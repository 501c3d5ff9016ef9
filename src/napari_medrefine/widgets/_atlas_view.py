"""The layers of an atlas in a viewer: added, faded together, flown to; all of it can be undone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Layer as NapariLayer

from napari_medrefine._tables import Cell
from napari_medrefine.atlas import Atlas
from napari_medrefine.atlas.layers import LayerData
from napari_medrefine.widgets._adding import InTurns, add_in_turns
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import Viewer, about, show
from napari_medrefine.widgets._undo import History

MARGIN = 0.3  # of the canvas left free around what is flown to
SHOWN, FADED, COVERED, SEEN = "shown", "faded", "shown or hidden", "made visible"


@dataclass(frozen=True)
class Shown:
    """An atlas, where it is, and its table."""

    folder: Path
    atlas: Atlas
    rows: list[dict[str, Cell]]


class AtlasView:
    """What the atlas added to `viewer`, and is still there or may come back."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._own: dict[Layer, Shown] = {}
        self._next: Shown | None = None
        self.history = History(viewer)

    def begin(self, shown: Shown) -> InTurns:
        """Remove the atlas that is there: all that is added from now on is of another one."""
        self.history.begin()
        self._next = shown
        for layer in self._there():
            with self.history.changing(SHOWN, []):
                self._viewer.layers.remove(layer)
            yield

    def add(self, data: LayerData) -> InTurns:
        """Add a layer of the atlas."""
        layer = NapariLayer.create(*data)
        yield
        if self._next is not None:
            self._own[layer] = self._next
        adding = add_in_turns(self._viewer, layer)
        with self.history.changing(SHOWN, []):
            next(adding)
        yield
        yield from adding

    def forget_removed(self) -> None:
        """Let go of layers that somebody else removed from the viewer."""
        self.history.forget_removed()
        self._own = {layer: x for layer, x in self._own.items() if self.history.keeps(layer)}

    @property
    def shown(self) -> Shown | None:
        """The atlas whose layers are there; None where there is none."""
        there = self._there()
        return self._own[there[-1]] if there else None

    @property
    def opacity(self) -> float | None:
        """The opacity of the fields, or of the first of them; None where there is none."""
        return next((float(layer.opacity) for layer in self._fields()), None)

    @property
    def covered(self) -> bool:
        """Whether it is shown what is missing."""
        return any(layer.visible for layer in self._coverage())

    def fade(self, opacity: float) -> None:
        """Give all fields the same opacity."""
        fields = self._fields()
        with self.history.changing(FADED, fields):
            for layer in fields:
                layer.opacity = opacity

    def show_coverage(self, visible: bool) -> None:
        """Show or hide what of the overviews is covered, and what is missing."""
        layers = self._coverage()
        self.history.begin()
        with self.history.changing(COVERED, layers):
            for layer in layers:
                show(layer, visible=visible)

    def coverage_rows(self) -> list[dict[str, Any]]:
        """Return how much of the overviews is covered, as `atlas.coverage_rows` does.

        The layers say it: to draw all fields again would hold up the window.
        """
        return [row for layer in self._coverage() for row in about(layer)["shares"]]

    def fly_to(self, name: str) -> bool:
        """Bring a photo into view; False if its layer is not there."""
        layer = next((x for x in self._there() if about(x).get("photo") == name), None)
        if layer is None:
            return False
        self.history.begin()
        with self.history.changing(SEEN, [layer]):
            show(layer)
        self._viewer.layers.selection.active = layer
        low, high = layer.extent.world
        camera = self._viewer.scene.camera
        camera.center = (0.0, *(float(middle) for middle in (low + high) / 2))
        camera.zoom = float(
            (1 - MARGIN) * np.min(np.array(self._viewer.canvas.size) / (high - low))
        )
        return True

    def select_overview(self) -> None:
        """Select an overview, if there is one: its controls are those of a photo."""
        fields = set(self._fields())
        photos = (x for x in self._there() if "photo" in about(x) and x not in fields)
        overview = next(photos, None)
        if overview is not None:
            self._viewer.layers.selection.active = overview

    def _there(self) -> list[Layer]:
        there: set[Any] = set(self._viewer.layers)
        return [layer for layer in self._own if layer in there]

    def _fields(self) -> list[Layer]:
        return [layer for layer in self._there() if "placement" in about(layer)]

    def _coverage(self) -> list[Layer]:
        return [layer for layer in self._there() if "coverage_of" in about(layer)]
