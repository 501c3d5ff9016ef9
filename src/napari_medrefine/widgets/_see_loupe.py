"""Loupe: a circle under the mouse shows the other layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from magicgui.widgets import Slider

from napari_medrefine.compare.blending import disc, rim
from napari_medrefine.widgets._layers import Viewer
from napari_medrefine.widgets._mouse import place
from napari_medrefine.widgets._see_mode import Overlaid
from napari_medrefine.widgets._see_stage import Drawing, Scene

OUTER, INNER = (20, 20, 20), (255, 255, 255)  # the rim, as seen on white and on dark tissue


class Loupe(Overlaid):
    """The upper picture is the layer, seen in the circle only; a move repaints two squares."""

    title = "loupe"

    def __init__(self) -> None:
        super().__init__()
        self.radius = Slider(
            label="Radius", value=120, min=20, max=400, step=10,
            tooltip="Of the circle, in pixels of the screen",
        )  # fmt: skip
        self.widgets = (self.radius,)
        self.radius.changed.connect(self.redraw)
        self._middle: Any = None  # of the circle, in the world

    def hint(self, first: str, second: str) -> str:
        """Say what is in the circle."""
        return f"Move the mouse over the canvas: the circle shows '{first}' on '{second}'."

    def enter(self) -> None:
        """Follow the mouse."""
        self.compared.viewer.mouse_move_callbacks.append(self._moved)

    def exit(self) -> None:
        """Leave the mouse alone."""
        callbacks = self.compared.viewer.mouse_move_callbacks
        if self._moved in callbacks:
            callbacks.remove(self._moved)
        self._middle = None

    def draw(self, scene: Scene) -> Drawing:
        """Show the layer in the circle: in the middle of the view until the mouse comes."""
        if self._middle is None:
            middle = (np.array(scene.view.shape) - 1) / 2
            self._middle = np.asarray(scene.view.first) + middle * scene.view.step
        upper = scene.first.copy()
        upper[..., 3] = 0
        self._put(upper, scene)
        return scene.second, upper

    def shown(self) -> None:
        """Say what is seen."""
        first, second = self.compared.first.name, self.compared.second.name
        self.caption.say(f"in the circle {first}, around it {second}")

    def _moved(self, _: Viewer, event: Any) -> None:
        if self.stage is None or self.scene is None or self.upper is None:
            return
        upper = self.upper.data
        upper[self._squares(self.scene)[0], 3] = 0
        self._middle = place(event)
        self._put(upper, self.scene)
        self.stage.upper.refresh()

    def _put(self, upper: Any, scene: Scene) -> None:
        """Paint the circle where the mouse is."""
        here, there = self._squares(scene)
        radius = self._pixels
        part = upper[here]
        if part.size:
            shown = disc(radius)[there]
            part[shown] = scene.first[here][shown]
            part[rim(radius, 4)[there]] = (*OUTER, 255)
            inner = rim(radius, 4) & ~rim(radius, 2)
            part[inner[there]] = (*INNER, 255)

    @property
    def _pixels(self) -> int:
        return int((self.radius.value * self.compared.density()) + 0.5)

    def _squares(self, scene: Scene) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return the part of the picture around the circle, and what of the circle that is."""
        radius = self._pixels
        corner = np.round(scene.view.pixel(self._middle)).astype(int) - radius
        low = np.clip(corner, 0, scene.view.shape)
        high = np.clip(corner + 2 * radius + 1, low, scene.view.shape)
        here = tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))
        inner = zip((low - corner).tolist(), (high - corner).tolist(), strict=True)
        there = tuple(slice(a, b) for a, b in inner)
        return (here[0], here[1]), (there[0], there[1])
