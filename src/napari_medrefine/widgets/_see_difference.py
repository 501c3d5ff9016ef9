"""Difference: where one layer is brighter than the other, and by how much."""

from __future__ import annotations

from magicgui.widgets import CheckBox, FloatSlider

from napari_medrefine.compare.blending import fitted, opaque
from napari_medrefine.compare.visuals import diverging
from napari_medrefine.widgets._screen import grey_levels, white_of
from napari_medrefine.widgets._see_mode import Overlaid
from napari_medrefine.widgets._see_stage import Compared, Drawing, Scene


class Difference(Overlaid):
    """One picture, of the layer's pixel values minus the other's."""

    title = "difference"
    lower_name = "{} minus {}"  # there is no other picture

    def __init__(self) -> None:
        super().__init__()
        self.gain = FloatSlider(
            label="Gain", value=4, min=1, max=32, step=0.5,
            tooltip="How many times the difference is enlarged: at 4, the colour is full at 64 "
            "grey levels of 255",
        )  # fmt: skip
        self.match = CheckBox(
            text="Match brightness first", value=False,
            tooltip="Fit brightness and contrast of each colour to those of the other layer, over "
            "the part in view, so that another lamp or white balance is not taken for a difference",
        )  # fmt: skip
        self.widgets = (self.gain, self.match)
        for control in self.widgets:
            control.changed.connect(self.redraw)

    def hint(self, first: str, second: str) -> str:
        """Say what the colours mean."""
        return (
            f"Orange: '{first}' is brighter than '{second}' there; blue: darker; white: the same. "
            "Orange and blue are told apart with every common colour blindness."
        )

    def begin(self, compared: Compared) -> None:
        """Find out what white is in each layer, then picture the difference."""
        self._white = white_of(compared.first), white_of(compared.second)
        super().begin(compared)

    def draw(self, scene: Scene) -> Drawing:
        """Colour the difference where both layers are."""
        first, second = (
            grey_levels(looked, white)
            for looked, white in zip(scene.looks, self._white, strict=True)
        )
        both = scene.looks[0].inside & scene.looks[1].inside
        if self.match.value:
            first = fitted(first, second, both)
        return opaque(diverging(first - second, gain=self.gain.value), both), None

    def shown(self) -> None:
        """Say what is seen."""
        full = 255 / self.gain.value
        self.caption.say(
            self.compared.first.name,
            f"minus {self.compared.second.name}",
            f"orange: brighter, blue: darker; full at {full:.0f} of 255",
        )
