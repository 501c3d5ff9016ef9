"""The menu command *Open folder of photos...*."""

from __future__ import annotations

from pathlib import Path

import napari
from napari.layers import Layer
from napari.utils.notifications import show_warning

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.folder import read_folder
from napari_medrefine.io.layer_reader import is_ome_zarr, read_images
from napari_medrefine.widgets._dialogs import ask_folder
from napari_medrefine.widgets._layers import Viewer


def open_folder() -> None:
    """Ask for a folder and open its photos, each read when it is looked at."""
    viewer = napari.current_viewer()
    folder = ask_folder(None, "Open folder of photos, or OME-Zarr")
    if viewer is not None and folder is not None:
        add_photos(viewer, folder)


def add_photos(viewer: Viewer, folder: Path) -> None:
    """Add a layer for each photo in `folder`, or say in one sentence why there is none.

    An OME-Zarr folder is one picture, or some.
    """
    try:
        photos = read_images(folder) if is_ome_zarr(folder) else read_folder(folder)
    except MedRefineError as error:
        show_warning(str(error))
        return
    for photo in photos:
        viewer.add_layer(Layer.create(*photo))
