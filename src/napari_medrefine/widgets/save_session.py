"""The menu command *Save MedRefine session...*: layers, registrations and looks in one file."""

from __future__ import annotations

from pathlib import Path

import napari
from napari.utils.notifications import show_info, show_warning

from napari_medrefine._words import counted
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.session import ENDING, SessionView, save_session
from napari_medrefine.widgets._dialogs import ask_save_path
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import HELPER, Viewer, about


def ask_and_save() -> None:
    """Ask for a file, and save the session of the current viewer."""
    viewer = napari.current_viewer()
    if viewer is None:
        return
    kinds = f"MedRefine session (*{ENDING})"
    target = ask_save_path(None, "Save MedRefine session", f"session{ENDING}", kinds)
    if target is not None:
        save(viewer, target)


def save(viewer: Viewer, target: Path) -> None:
    """Save the session of `viewer`, and say what cannot come back."""
    name = target.name.removesuffix(".json").removesuffix(".medrefine-session")
    path = target.with_name(f"{name}{ENDING}")
    try:
        if path != target and path.exists():
            raise MedRefineError(f"{path} is already there; to replace it, choose just that name.")
        kept = [layer for layer in viewer.layers if HELPER not in about(layer)]
        layers = [(x.as_layer_data_tuple(), file_path(x), plugin_of(x)) for x in kept]
        said = save_session(path, layers, view_of(viewer))
    except MedRefineError as error:
        show_warning(str(error))
        return
    if said:  # in one notification, whose first words are seen: another one would cover it
        lost = f"{counted(len(said), 'layer')} will not come back"
        show_warning("\n".join([f"{lost}. The session is in {path}.", *said]))
    else:
        show_info(f"The session is in {path}.")


def view_of(viewer: Viewer) -> SessionView:
    """Return what the canvas of `viewer` shows."""
    camera = viewer.scene.camera
    return SessionView(
        center=tuple(map(float, camera.center)),
        zoom=float(camera.zoom),
        angles=tuple(map(float, camera.angles)),
        ndisplay=viewer.dims.ndisplay,
    )


def file_path(layer: Layer) -> str | None:
    """Return the file that holds a layer: where it was saved, opened from, or read from."""
    noted = about(layer)
    for path in (
        noted.get("saved_as"),
        layer.source.path,
        noted.get("manifest"),
        noted.get("source"),
    ):
        if path and Path(str(path)).is_absolute() and Path(str(path)).exists():
            return str(path)
    return None


def plugin_of(layer: Layer) -> str | None:
    """Return the reader that opened a layer, if one did."""
    return str(layer.source.reader_plugin) if layer.source.reader_plugin else None
