"""Swipe: a line divides the view; one layer on one side of it, one on the other."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from magicgui.widgets import ComboBox, FloatSlider

from napari_medrefine.widgets._layers import Viewer
from napari_medrefine.widgets._mouse import at_rest, panned, place
from napari_medrefine.widgets._screen import on_screen, transposed
from napari_medrefine.widgets._see_mode import Overlaid
from napari_medrefine.widgets._see_stage import Drawing, Scene

ACROSS, DOWN = "across", "down"
LINE = (  # pixels before and after the line, as seen on white and on dark tissue
    (-2, (20, 20, 20)),
    (-1, (255, 255, 255)),
    (0, (255, 255, 255)),
    (1, (20, 20, 20)),
)


class Swipe(Overlaid):
    """The upper picture is the layer, cut off at the line: a move repaints the strip between."""

    title = "swipe"

    def __init__(self) -> None:
        super().__init__()
        self.direction = ComboBox(
            label="Line",
            choices=[("upright: left | right", ACROSS), ("level: top | bottom", DOWN)],
            tooltip="How the line divides the view",
        )
        self.position = FloatSlider(
            label="Position", value=0.5, min=0, max=1, step=0.0005,
            tooltip="Where the line is, from left to right or from top to bottom; drag on the "
            "canvas does the same",
        )  # fmt: skip
        self.widgets = (self.direction, self.position)
        self.direction.changed.connect(self.redraw)
        self.position.changed.connect(self._moved)

    def hint(self, first: str, second: str) -> str:
        """Say what is where and how to move the line."""
        across = self.direction.value == ACROSS
        where = "Left of the line is '{}', right '{}'." if across else "Above is '{}', below '{}'."
        return where.format(first, second) + (
            " Drag on the canvas to move the line, with Shift to move the picture."
        )

    def enter(self) -> None:
        """Let the line be dragged."""
        self.compared.viewer.mouse_drag_callbacks.append(self._drag)

    def exit(self) -> None:
        """Leave the mouse alone."""
        callbacks = self.compared.viewer.mouse_drag_callbacks
        if self._drag in callbacks:
            callbacks.remove(self._drag)

    def draw(self, scene: Scene) -> Drawing:
        """Cut the upper picture off at the line."""
        self._edge = self._line(scene)
        upper = scene.first.copy()
        self._paint(upper, scene, 0, upper.shape[self._axis])
        return scene.second, upper

    def shown(self) -> None:
        """Say which layer is where."""
        between = "  |  " if self.direction.value == ACROSS else "\n"
        self.caption.say(f"{self.compared.first.name}{between}{self.compared.second.name}")

    @property
    def _axis(self) -> int:
        """The world's axis along which the line moves: 0 rows, 1 columns."""
        across = self.direction.value == ACROSS
        return int(across != transposed(self.compared.viewer))

    @property
    def _reversed(self) -> bool:
        """Whether the user has turned that axis of the screen round."""
        vertical, horizontal = self.compared.viewer.scene.camera.orientation2d
        toward = horizontal if self.direction.value == ACROSS else vertical
        return str(toward) in ("left", "up")

    def _line(self, scene: Scene) -> int:
        """Return the first pixel of the picture after the line, by the world's axis."""
        axis, share = self._axis, self.position.value
        share = 1 - share if self._reversed else share
        offset = (scene.view.first[axis] - scene.canvas.first[axis]) / scene.canvas.step
        edge = round(share * scene.canvas.shape[axis]) - round(offset)
        return int(np.clip(edge, 0, scene.view.shape[axis]))

    def _paint(self, upper: Any, scene: Scene, low: int, high: int) -> None:
        """Paint the strip from `low` to before `high`, with the line where it is now."""
        to, source = (np.moveaxis(each, self._axis, 0) for each in (upper, scene.first))
        low, edge, high = max(low, 0), self._edge, min(high, len(to))
        before, after = slice(low, max(edge, low)), slice(max(edge, low), high)
        shown, hidden = (after, before) if self._reversed else (before, after)
        to[shown] = source[shown]
        to[hidden, ..., 3] = 0
        for step, colour in LINE:
            if low <= edge + step < high and 0 < edge < len(to):
                to[edge + step, ..., :3], to[edge + step, ..., 3] = colour, 255

    def _moved(self) -> None:
        """Repaint what lies between the old line and the new one."""
        if self.stage is None or self.scene is None or self.upper is None:
            return
        old, self._edge = self._edge, self._line(self.scene)
        low, high = sorted((old, self._edge))
        self._paint(self.upper.data, self.scene, low - 2, high + 2)
        self.stage.upper.refresh()

    def _drag(self, viewer: Viewer, event: Any) -> Generator[None, None, None]:
        """Follow the mouse from where it is pressed; with Shift, move the picture."""
        if not at_rest(viewer, event):
            return
        if "Shift" in event.modifiers:
            yield from panned(viewer, event)
            return
        event.handled = True
        self._bring(viewer, event)
        yield
        while event.type == "mouse_move" and self.scene is not None:
            event.handled = True
            self._bring(viewer, event)
            yield

    def _bring(self, viewer: Viewer, event: Any) -> None:
        axis, canvas = self._axis, on_screen(viewer)
        share = (canvas.pixel(place(event))[axis] + 0.5) / canvas.shape[axis]
        self.position.value = float(np.clip(1 - share if self._reversed else share, 0, 1))
