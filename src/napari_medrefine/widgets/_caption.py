"""A line on the canvas that says what is seen there."""

from __future__ import annotations

from napari_medrefine.widgets._kept import Kept
from napari_medrefine.widgets._layers import Viewer

PLACE = "top_left"
SIZE = 10.0


class Caption:
    """Borrows napari's text overlay, unless the user has a text there already."""

    def __init__(self) -> None:
        self._kept = Kept()
        self._viewer: Viewer | None = None

    def begin(self, viewer: Viewer) -> None:
        """Be ready to say something."""
        if not viewer.canvas.overlays["text"].visible:
            self._viewer = viewer

    def say(self, text: str) -> None:
        """Show `text`."""
        if self._viewer is not None:
            overlay = self._viewer.canvas.overlays["text"]
            self._kept.set(
                overlay, text=text, position=PLACE, font_size=SIZE, box=True, visible=True
            )

    def end(self) -> None:
        """Give the overlay back as it was."""
        self._kept.restore()
        self._viewer = None
