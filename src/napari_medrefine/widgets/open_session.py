"""Opening a session: its layers, and then the canvas as it was."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial

import napari
import numpy as np
from napari.layers import Layer

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io import session
from napari_medrefine.io._layers import LayerData
from napari_medrefine.widgets._layers import Viewer

# What napari's layers raise where a value is none that they can have.
_REFUSED = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def get_session_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the reader of a session, None for anything else (npe2)."""
    return None if session.get_session_reader(path) is None else read


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Return the layers of a session; once napari has added them, the view is as it was.

    Raises
    ------
    MedRefineError
        As `napari_medrefine.io.session.open_session` does; or if napari can show no layer of it.
    """
    found, view = session.open_session(path)
    layers = [layer for layer in found if _can_be_shown(layer)]
    if not layers:
        raise MedRefineError(f"Nothing of {path} can be restored: {session.DAMAGED}")
    viewer = napari.current_viewer()
    if viewer is not None and view is not None:  # else there is no window, nor an event loop
        from qtpy.QtCore import QTimer

        names = {str(options["name"]) for _, options, _ in layers}
        QTimer.singleShot(0, partial(_show_if_there, viewer, view, names))
    return layers


def _can_be_shown(layer: LayerData) -> bool:
    """Return whether napari takes what a session says of a layer; say where it does not.

    It adds all layers or none.
    """
    data, attributes, kind = layer
    if kind == "image":  # whatever its pixels are: looking at them may take long
        finest = data[0] if isinstance(data, list) else data
        channels = finest.shape[-1:] if attributes["rgb"] else ()
        data = np.zeros((2,) * (len(finest.shape) - len(channels)) + channels, finest.dtype)
        attributes = attributes | {"multiscale": False}
    try:
        Layer.create(data, dict(attributes), kind)
    except _REFUSED:
        warnings.warn(f"'{attributes['name']}' is not restored: {session.DAMAGED}", stacklevel=2)
        return False
    return True


def _show_if_there(viewer: Viewer, view: session.SessionView, names: set[str]) -> None:
    """Show `view`, unless the layers went to another viewer, or nowhere."""
    if names <= {layer.name for layer in viewer.layers}:
        show(viewer, view)


def show(viewer: Viewer, view: session.SessionView) -> None:
    """Show in `viewer` what the canvas of a session showed."""
    viewer.dims.ndisplay = view.ndisplay  # first: it moves the camera
    camera = viewer.scene.camera
    camera.center, camera.zoom, camera.angles = view.center, view.zoom, view.angles
