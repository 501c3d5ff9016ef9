"""Opening a session: its layers, and then the canvas as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import napari

from napari_medrefine.io import session
from napari_medrefine.io._layers import LayerData
from napari_medrefine.widgets._layers import Viewer


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
        As `napari_medrefine.io.session.open_session` does.
    """
    layers, view = session.open_session(path)
    viewer = napari.current_viewer()
    if viewer is not None and view is not None:  # else there is no window, nor an event loop
        from qtpy.QtCore import QTimer

        names = {str(options["name"]) for _, options, _ in layers}
        QTimer.singleShot(0, partial(_show_if_there, viewer, view, names))
    return layers


def _show_if_there(viewer: Viewer, view: session.SessionView, names: set[str]) -> None:
    """Show `view`, unless the layers went to another viewer, or nowhere."""
    if names <= {layer.name for layer in viewer.layers}:
        show(viewer, view)


def show(viewer: Viewer, view: session.SessionView) -> None:
    """Show in `viewer` what the canvas of a session showed."""
    viewer.dims.ndisplay = view.ndisplay  # first: it moves the camera
    camera = viewer.scene.camera
    camera.center, camera.zoom, camera.angles = view.center, view.zoom, view.angles
