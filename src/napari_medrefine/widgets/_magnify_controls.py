"""The controls of *Magnify & sharpen*: what to make, of which part, and how large it will be."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import CheckBox, ComboBox, FloatSlider, FloatSpinBox, PushButton

from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.cards import NOT_FOR_DIAGNOSIS
from napari_medrefine.superres.model_files import model_of
from napari_medrefine.superres.recipe import Recipe
from napari_medrefine.widgets._choices import LayerChoice
from napari_medrefine.widgets._generating import size_of
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._jobs import JobPanel
from napari_medrefine.widgets._layers import check_stack, images, shapes
from napari_medrefine.widgets._model_choice import OTHER, ModelChoice
from napari_medrefine.widgets._panel import Panel, wrapped_label
from napari_medrefine.widgets._preferences import preferences
from napari_medrefine.widgets._regions import Region, in_rectangle, in_view, rectangle_layer, whole
from napari_medrefine.widgets._trusting import NO_TRUST, TRUST

NOTE = f"The result is {NOT_FOR_DIAGNOSIS}."
MAGNIFY, SHARPEN = "magnify", "sharpen"
VIEW, FOLLOW, WHOLE, DISK, RECTANGLE = "view", "follow", "whole", "disk", "rectangle"
SCALES = [
    ("2 ×", 2.0),
    ("2.5 ×  (4x to 10x)", 2.5),
    ("4 ×  (10x to 40x)", 4.0),
    ("10 ×  (4x to 40x)", 10.0),
    ("other ...", OTHER),
]


class MagnifyControls(Panel):
    """What a user can choose; the jobs are those of `MagnifyWidget`.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
        The viewer whose layers are magnified.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._make_what()
        self._make_where()
        self.note = wrapped_label("What the result may be used for", NOTE)
        super().__init__(
            [
                self.layer,
                self.task,
                self.scale,
                self.other_scale,
                self.model.widget,
                self.strength,
                self.realism,
                self.trust,
                self.region,
                self.rectangles,
                self.draw,
                self.size,
                self.job,
                self.note,
                self.job.message,
            ]
        )
        self.model.model.changed.connect(self._model_chosen)
        for control in (self.task, self.scale, self.region):
            control.changed.connect(self._show_controls)
        for control in (self.other_scale, self.rectangles):
            control.changed.connect(self._tell_size)
        self.draw.changed.connect(self.draw_rectangle)

    def _make_what(self) -> None:
        self.layer = LayerChoice(
            lambda: images(self._viewer),
            label="Layer",
            tooltip="The photo to magnify or sharpen; it stays as it is",
        )
        self.task = ComboBox(
            label="Task",
            choices=[("magnify", MAGNIFY), ("sharpen, same size", SHARPEN)],
            tooltip="Magnify: more pixels. Sharpen: as many pixels, less blur",
        )
        self.scale = ComboBox(
            label="Scale",
            choices=SCALES,
            value=4.0,
            tooltip="How many pixels of the result make one of the photo, along a side",
        )
        self.other_scale = FloatSpinBox(
            label="Other scale", value=3, min=1, max=16, step=0.5, visible=False,
            tooltip="Any scale from 1 to 16",
        )  # fmt: skip
        self.model = ModelChoice(self._viewer)
        self.strength = FloatSlider(
            label="Strength", value=1, min=0, max=1, step=0.05,
            tooltip="How much of what the network adds: 0 is plain interpolation, 1 is all",
        )  # fmt: skip
        self.realism = FloatSlider(
            label="Realism", value=preferences().realism, min=0, max=1, step=0.05,
            tooltip="0: faithful, the smallest error on average, a little soft. 1: GAN, natural "
            "texture, of which details are invented",
        )  # fmt: skip

        self.trust = CheckBox(text="Trust map", tooltip=TRUST)

    def _make_where(self) -> None:
        self.region = ComboBox(
            label="Region",
            choices=[
                ("the part in view", VIEW),
                ("the view, wherever it goes", FOLLOW),
                ("the whole layer", WHOLE),
                ("the whole layer, to disk", DISK),
                ("inside a rectangle", RECTANGLE),
            ],
            tooltip="Which part of the layer; zoom in to make it smaller and faster. 'Wherever it "
            "goes': pan and zoom over a slide of any size, what comes into view is magnified at "
            "once, until Cancel. 'To disk': an OME-Zarr pyramid of any size, which goes on after a "
            "break when you choose the same file again. Of a stack: all its planes, but in view "
            "only the one that is shown",
        )
        self.rectangles = LayerChoice(
            lambda: shapes(self._viewer),
            label="Drawn in",
            visible=False,
            tooltip="The shapes layer with the rectangle; its selected shapes count, else the last",
        )
        self.draw = PushButton(
            text="Draw a rectangle",
            visible=False,
            tooltip="Add a shapes layer on this layer, ready to draw a rectangle on the canvas",
        )
        self.size = wrapped_label("How large the result will be")
        self.job = JobPanel(
            "Magnify", "Run the network and add the result as a new layer", "Magnifying"
        )

    @property
    def recipe(self) -> Recipe:
        """What the controls say is to be done."""
        file = self.model.file
        how = (self.realism.value, self.strength.value, None if file is None else model_of(file))
        if self.task.value == SHARPEN:
            return Recipe("sharpen", 1.0, *how)
        scale = self.other_scale.value if self.scale.value == OTHER else self.scale.value
        return Recipe("magnify", scale, *how)

    def chosen_region(self, layer: Layer) -> Region:
        """Return the part of `layer` that is chosen, or raise a sentence."""
        if self.region.value in (WHOLE, DISK):
            return whole(layer)
        if self.region.value in (VIEW, FOLLOW):
            return in_view(self._viewer, layer)
        if self.rectangles.value is None:
            raise MedRefineError("Draw a rectangle first: press 'Draw a rectangle'.")
        return in_rectangle(self.rectangles.value, layer)

    def draw_rectangle(self) -> None:
        """Add a shapes layer on the chosen layer in which one can draw at once."""
        try:
            layer = check_stack(self.layer.value, "a photo")
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        drawn = rectangle_layer(self._viewer, layer)
        self.rectangles.choose([drawn])
        drawn.events.set_data.connect(self._tell_size)
        self.job.say(f"Draw a rectangle on the canvas, then press '{self.job.start.text}'.")

    def _layer_seen(self) -> None:
        """Choose the network that suits the layer."""
        self.model.suggest(self.layer.value, self.task.value)
        self._tell_size()

    def _model_chosen(self) -> None:
        """Do what the model is for."""
        self.model.suit(self.task, self.scale, self.other_scale, self.realism)
        self._tell_size()

    def _show_controls(self) -> None:
        magnifying = self.task.value == MAGNIFY
        self.scale.visible = magnifying
        self.other_scale.visible = magnifying and self.scale.value == OTHER
        self.job.start.text = "Magnify" if magnifying else "Sharpen"
        drawing = self.region.value == RECTANGLE
        none = NO_TRUST.get(self.region.value, "")
        self.trust.enabled, self.trust.tooltip = not none, none or TRUST
        self.rectangles.visible = self.draw.visible = drawing
        self._layer_seen()

    def _tell_size(self, *_: Any) -> None:
        """Say how large the result will be, or what is missing."""
        if not self.job.alive:
            return
        try:
            layer = check_stack(self.layer.value, "a photo")
            region = self.chosen_region(layer)
            self.model.check(self.task.value)
        except MedRefineError as error:
            self.size.value = str(error)
            return
        height, width = region.shape
        becomes = size_of(region, self.recipe).replace(" pixels", "")
        none = NO_TRUST.get(self.region.value, "") if self.trust.value else ""
        self.size.value = f"{width} x {height} pixels become {becomes}{none and f'. {none}'}"
