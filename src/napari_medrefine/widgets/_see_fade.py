"""Fade: one slider goes from one layer to the other."""

from __future__ import annotations

from magicgui.widgets import FloatSlider

from napari_medrefine.widgets._see_mode import Overlaid
from napari_medrefine.widgets._see_stage import Drawing, Scene


class Fade(Overlaid):
    """The upper picture is the layer; the slider is its opacity."""

    title = "fade"

    def __init__(self) -> None:
        super().__init__()
        self.share = FloatSlider(
            label="Fade", value=0.5, min=0, max=1, step=0.01,
            tooltip="0 shows the layer under 'Compared with', 1 the one under 'Layer'",
        )  # fmt: skip
        self.widgets = (self.share,)
        self.share.changed.connect(self.shown)

    def hint(self, first: str, second: str) -> str:
        """Say what the slider does."""
        return f"Move the slider from '{second}' (left) to '{first}' (right)."

    def draw(self, scene: Scene) -> Drawing:
        """Lay the layer over the other one."""
        return scene.second, scene.first

    def shown(self) -> None:
        """Fade, and say how far."""
        if self.stage is not None and self.upper is not None:
            share = self.share.value
            self.stage.upper.set(opacity=share)
            first, second = self.compared.first.name, self.compared.second.name
            self.caption.say(f"{share:.0%} {first}", f"{1 - share:.0%} {second}")
