"""Layers being saved: a dock widget of its own with progress and Cancel, gone when all is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.utils.notifications import show_info

from napari_medrefine.io.layer_images import save_image_steps
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._jobs import JobPanel
from napari_medrefine.widgets._layers import note
from napari_medrefine.widgets._panel import Panel, wrapped_label


class SavingPanel(Panel):
    """Saves layers to a file, and closes itself once they are there.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer in whose window it is shown.
    layers : list of Layer
        Image layers; their pixels must not change meanwhile.
    target : Path
        The file; it is replaced, as a whole.
    """

    def __init__(self, viewer: Any, layers: list[Layer], target: Path) -> None:
        self._viewer, self._layers, self._target = viewer, layers, target
        self._saved = False
        self.job = JobPanel("Save", f"Save {_names(layers)} in {target}", "Saving")
        self.what = wrapped_label("What is saved, and where", f"{_names(layers)} in {target}")
        super().__init__([self.what, self.job, self.job.message], body_labels=False)
        self.job.start.changed.connect(self.save)

    def save(self) -> None:
        """Start, or start again after Cancel."""
        data = [layer.as_layer_data_tuple() for layer in self._layers]
        self.job.run(
            lambda: save_image_steps(self._target, data),
            on_done=self._done,
            on_stop=lambda: self.job.say("Stopped; nothing was written."),
            on_end=self._close,
        )

    def _done(self, path: Path) -> None:
        self._saved = True
        say_saved(self._layers, path)

    def _close(self) -> None:
        if self._saved:
            self._viewer.window.remove_dock_widget(self.native)


def say_saved(layers: list[Layer], path: Path) -> None:
    """Note on each layer where it was saved, for the session, and say so."""
    for layer in layers:
        note(layer, saved_as=str(path.absolute()))
    show_info(f"Saved {_names(layers)} in {path}.")


def _names(layers: list[Layer]) -> str:
    return ", ".join(f"'{layer.name}'" for layer in layers)
