"""Checkerboard: squares of both layers in turn; structures must go on across the edges."""

from __future__ import annotations

from magicgui.widgets import Slider

from napari_medrefine.compare.blending import checkers
from napari_medrefine.widgets._see_mode import Overlaid
from napari_medrefine.widgets._see_stage import Drawing, Scene


class Checkerboard(Overlaid):
    """The upper picture is the layer, seen in every other square."""

    title = "checkerboard"

    def __init__(self) -> None:
        super().__init__()
        self.side = Slider(
            label="Square", value=96, min=8, max=400, step=8,
            tooltip="Side of a square, in pixels of the screen",
        )  # fmt: skip
        self.widgets = (self.side,)
        self.side.changed.connect(self.redraw)

    def hint(self, first: str, second: str) -> str:
        """Say what to look for."""
        return (
            f"Squares of '{first}' and '{second}' in turn. What is well registered goes on across "
            "their edges."
        )

    def draw(self, scene: Scene) -> Drawing:
        """Show the layer in every other square."""
        side = round(self.side.value * self.compared.density())
        upper = scene.first.copy()
        upper[~checkers(scene.view, side), 3] = 0
        return scene.second, upper

    def shown(self) -> None:
        """Say what is seen."""
        self.caption.say(f"{self.compared.first.name} / {self.compared.second.name}")
