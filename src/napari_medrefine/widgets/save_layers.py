"""The menu command *Save layers with scale and provenance...*.

napari offers its own writers first and calls the one that is shown in its dialog, whatever the
name ends in; that one loses the scale. Here only ours is offered.
"""

from __future__ import annotations

from pathlib import Path

import napari
from napari.utils.notifications import show_info, show_warning

from napari_medrefine._names import safe_name
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.layer_images import save_image_steps
from napari_medrefine.progress import finish
from napari_medrefine.widgets._dialogs import ask_save_path
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import Viewer, images, note

KINDS = "OME-TIFF (*.ome.tif);;OME-Zarr (*.ome.zarr)"


def save_layers() -> None:
    """Ask for a file, and save the selected images, or all if none is selected."""
    viewer = napari.current_viewer()
    if viewer is None:
        return
    chosen = to_save(viewer)
    if not chosen:
        show_warning("There is no image layer to save.")
        return
    name = safe_name(chosen[0].name if len(chosen) == 1 else "layers")
    target = ask_save_path(None, "Save layers", f"{name}.ome.tif", KINDS)
    if target is not None:
        save(chosen, target)


def to_save(viewer: Viewer) -> list[Layer]:
    """Return the selected images, bottom first; all if none is selected."""
    every = images(viewer)
    return [layer for layer in every if layer in viewer.layers.selection] or every


def save(layers: list[Layer], target: Path) -> None:
    """Save `layers`, and say where, or in one sentence why not."""
    try:
        path = finish(save_image_steps(target, [layer.as_layer_data_tuple() for layer in layers]))
    except MedRefineError as error:
        show_warning(str(error))
        return
    for layer in layers:
        note(layer, saved_as=str(path.absolute()))  # for the session
    names = ", ".join(f"'{layer.name}'" for layer in layers)
    show_info(f"Saved {names} in {path}.")
