"""What a way to see two layers is."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import Widget

from napari_medrefine.widgets._caption import Caption
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._see_stage import Compared, Drawing, Scene, Stage


class Mode:
    """A way to see two layers: it begins, and ends without a trace.

    Attributes
    ----------
    title : str
        As the user chooses it.
    widgets : tuple of Widget
        What can be set, seen only while it is on.
    """

    title: str
    widgets: tuple[Widget, ...] = ()

    def begin(self, compared: Compared) -> None:
        """Begin, or raise a MedRefineError and leave nothing."""
        raise NotImplementedError

    def hint(self, first: str, second: str) -> str:
        """Return what to do and what is seen, given the layers' names."""
        raise NotImplementedError

    def leave(self) -> None:
        """End all but what changes the list of layers."""

    def clear(self) -> None:
        """Remove our layers from the list, after `leave`."""

    def owns(self, layer: Layer) -> bool:
        """Whether `layer` is one of our own, without which the mode cannot go on."""
        del layer
        return False


class Overlaid(Mode):
    """A mode that pictures both layers over all others, see `Stage`."""

    compared: Compared
    stage: Stage | None = None
    scene: Scene | None = None  # as it was pictured last
    lower_name = "{} | {}, below"

    def __init__(self) -> None:
        self.caption = Caption()

    def begin(self, compared: Compared) -> None:
        """Picture the layers, then do what else there is to do."""
        self.compared = compared
        self.caption.begin(compared.viewer)
        self.stage = Stage(compared, self)
        self.enter()
        self.stage.redraw()

    def enter(self) -> None:
        """Listen to the mouse and to keys."""

    def exit(self) -> None:
        """Undo `enter`."""

    def draw(self, scene: Scene) -> Drawing:
        """Return the lower and the upper picture, new arrays."""
        raise NotImplementedError

    def shown(self) -> None:
        """Do what has to be done once the layers have been pictured."""

    def leave(self) -> None:
        """End, and be gone from the canvas."""
        if self.stage is not None:
            self.exit()
            self.caption.end()
            self.stage.leave()
            self.scene = None

    def clear(self) -> None:
        """Remove our layers."""
        stage, self.stage = self.stage, None
        if stage is not None:
            stage.clear()

    def owns(self, layer: Layer) -> bool:
        """Whether `layer` is one of our own."""
        return self.stage is not None and self.stage.owns(layer)

    def redraw(self, *_: Any) -> None:
        """Picture the layers anew, after a control was changed."""
        if self.stage is not None:
            self.stage.redraw()

    @property
    def upper(self) -> Any:
        """The layer with the upper picture; None where nothing is pictured."""
        return None if self.stage is None else self.stage.upper.layer
