"""Moving a place on the canvas without a mouse: by arrow keys, by pixels of the finer layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QEvent, QObject, Qt

from napari_medrefine.widgets._geometry import Layer, world_to_data
from napari_medrefine.widgets._layers import Viewer
from napari_medrefine.widgets._screen import on_screen, transposed

Moved = Callable[[int, int], object]  # pixels down and to the right
ARROWS = {
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
}
FAR = 10  # pixels with Shift


class ArrowKeys(QObject):
    """Hears the arrow keys while one of some Qt widgets has the focus; lives as long as the first.

    Parameters
    ----------
    widgets : sequence of QWidget
        Such as do nothing else with arrow keys.
    moved : callable
        Told by how many pixels down and to the right.
    """

    def __init__(self, widgets: Sequence[Any], moved: Moved) -> None:
        super().__init__(widgets[0])
        self._moved = moved
        for widget in widgets:
            widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: Any) -> bool:  # noqa: N802 - Qt's name
        """Take arrow keys, and nothing else."""
        del watched
        if event.type() != QEvent.Type.KeyPress or event.key() not in ARROWS:
            return False
        times = FAR if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
        down, right = ARROWS[event.key()]
        self._moved(times * down, times * right)
        return True


def finer_pixel(layers: Sequence[Layer], units: Any) -> float:
    """Return the side of a pixel of the finest layer, in `units` of the canvas."""
    areas = [abs(float(np.linalg.det(world_to_data(x, units)[:2, :2]))) for x in layers]
    return float(1 / np.sqrt(max(areas)))


def along_screen(viewer: Viewer, down: float, right: float) -> npt.NDArray[np.float64]:
    """Return the way along the world's rows and columns that goes down and right on the screen."""
    vertical, horizontal = viewer.scene.camera.orientation2d
    way = [-down if str(vertical) == "up" else down, -right if str(horizontal) == "left" else right]
    return np.array(way[::-1] if transposed(viewer) else way, float)


def bring_into_view(viewer: Viewer, world: npt.NDArray[np.float64]) -> None:
    """Move the view to a place that is not in it; nothing otherwise."""
    view = on_screen(viewer)
    place = view.pixel(world)
    if ((place < 0) | (place > np.array(view.shape) - 1)).any():
        centre = viewer.scene.camera.center
        at = world[::-1] if transposed(viewer) else world
        viewer.scene.camera.center = (centre[0], float(at[0]), float(at[1]))


def middle_of_view(viewer: Viewer) -> npt.NDArray[np.float64]:
    """Return where in the world the middle of the canvas is, along the last two axes."""
    view = on_screen(viewer)
    return np.asarray(view.first) + (np.array(view.shape) - 1) / 2 * view.step
