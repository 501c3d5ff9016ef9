"""A line on the canvas that says what is seen there."""

from __future__ import annotations

from napari_medrefine.widgets._kept import Kept
from napari_medrefine.widgets._layers import Viewer

PLACE = "top_left"
LONGEST = 60  # letters of a line
SIZE = 12.0  # points; napari's box is too narrow for the text at 10


class Caption:
    """Borrows napari's text overlay, unless the user has a text there already."""

    def __init__(self) -> None:
        self._kept = Kept()
        self._viewer: Viewer | None = None

    def begin(self, viewer: Viewer) -> None:
        """Be ready to say something."""
        if not viewer.canvas.overlays["text"].visible:
            self._viewer = viewer

    def say(self, *lines: str) -> None:
        """Show `lines`, each as long as a small screen is wide."""
        text = "\n".join(line if len(line) <= LONGEST else f"{line[:LONGEST]}…" for line in lines)
        if self._viewer is not None:
            overlay = self._viewer.canvas.overlays["text"]
            # The text last: napari fits the box to it then, by the font that is set.
            self._kept.set(overlay, position=PLACE, font_size=SIZE, box=True, visible=True)
            self._kept.set(overlay, text=text)

    def end(self) -> None:
        """Give the overlay back as it was."""
        self._kept.restore()
        self._viewer = None
