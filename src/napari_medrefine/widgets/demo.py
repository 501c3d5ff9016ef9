"""``python -m napari_medrefine.widgets.demo``: napari with a procedural slide and our widgets."""

from __future__ import annotations

import napari
from napari.layers import Layer

from napari_medrefine.samples import sample_layers
from napari_medrefine.widgets._layers import Viewer
from napari_medrefine.widgets.magnify import MagnifyWidget
from napari_medrefine.widgets.register import RegisterWidget


def build() -> Viewer:
    """Return a viewer with the sample slide, *Register* and *Magnify & sharpen* beside it."""
    viewer = napari.Viewer(title="MedRefine demo")
    for photo in sample_layers():
        viewer.add_layer(Layer.create(*photo))
    window = viewer.window
    window.add_dock_widget(MagnifyWidget(viewer), name="Magnify & sharpen", area="right")
    window.add_dock_widget(RegisterWidget(viewer), name="Register", area="right", tabify=True)
    return viewer


if __name__ == "__main__":
    build()
    napari.run()
