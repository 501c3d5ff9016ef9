"""The menu command *Save layers with scale and provenance...*.

napari offers its own writers first and calls the one that is shown in its dialog, whatever the
name ends in; that one loses the scale. Here only ours is offered.
"""

from __future__ import annotations

import math
from pathlib import Path

import napari
import numpy as np
from napari.utils.notifications import show_warning

from napari_medrefine._names import safe_name
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.layer_images import save_image_steps
from napari_medrefine.progress import finish
from napari_medrefine.widgets._dialogs import ask_save_path
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import Viewer, images, pixels
from napari_medrefine.widgets._saving import SavingPanel, say_saved

AT_ONCE = 2**24  # bytes: what is written before anybody would look for a Cancel button
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
    if target is None:
        return
    if sum(map(_bytes, chosen)) <= AT_ONCE:
        save(chosen, target)
        return
    panel = SavingPanel(viewer, chosen, target)
    viewer.window.add_dock_widget(panel, name="Save layers", area="right")
    panel.save()


def to_save(viewer: Viewer) -> list[Layer]:
    """Return the selected images, bottom first; all if none is selected."""
    every = images(viewer)
    return [layer for layer in every if layer in viewer.layers.selection] or every


def _bytes(layer: Layer) -> int:
    data = pixels(layer)
    return int(math.prod(data.shape) * np.dtype(data.dtype).itemsize)


def save(layers: list[Layer], target: Path) -> None:
    """Save `layers`, and say where, or in one sentence why not."""
    try:
        path = finish(save_image_steps(target, [layer.as_layer_data_tuple() for layer in layers]))
    except MedRefineError as error:
        show_warning(str(error))
        return
    say_saved(layers, path)
