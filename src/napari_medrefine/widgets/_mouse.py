"""What the modes ask of a mouse event on the canvas."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medrefine.widgets._layers import Viewer


def place(event: Any) -> npt.NDArray[np.float64]:
    """Return where in the world the mouse is, along the last two axes."""
    return np.asarray(event.position, float)[-2:]


def at_rest(viewer: Viewer, event: Any) -> bool:
    """Whether the left button was pressed and nothing is being drawn or transformed with it."""
    active = viewer.layers.selection.active
    return event.button == 1 and (active is None or str(active.mode) == "pan_zoom")


def panned(viewer: Viewer, event: Any) -> Generator[None, None, None]:
    """Move the view with the mouse, as a drag does where no mode has taken it."""
    camera = viewer.scene.camera
    held = place(event)
    event.handled = True
    yield
    while event.type == "mouse_move":
        event.handled = True
        away = held - place(event)
        if viewer.dims.displayed[-2] > viewer.dims.displayed[-1]:
            away = away[::-1]
        depth, row, col = camera.center
        camera.center = (depth, row + away[0], col + away[1])
        yield
