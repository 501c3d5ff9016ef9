"""The *Magnify & sharpen* widget: what lies between the photos, as one more layer."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, FloatSlider, FloatSpinBox, PushButton
from qtpy.QtCore import QTimer

from napari_medrefine._names import safe_name
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.progress import Step
from napari_medrefine.superres.cards import NOT_FOR_DIAGNOSIS
from napari_medrefine.superres.model_files import model_of
from napari_medrefine.superres.planes import Stack
from napari_medrefine.superres.recipe import Recipe
from napari_medrefine.widgets._choices import LayerChoice
from napari_medrefine.widgets._dialogs import ask_save_path
from napari_medrefine.widgets._generating import (
    check_memory,
    generate_steps,
    in_pieces,
    size_of,
)
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._jobs import JobPanel
from napari_medrefine.widgets._layers import (
    check_photo,
    check_stack,
    images,
    is_derived,
    likely_overview,
    shapes,
)
from napari_medrefine.widgets._live_view import LiveView
from napari_medrefine.widgets._model_choice import OTHER, ModelChoice
from napari_medrefine.widgets._origins import MADE_FROM, put_above, remember
from napari_medrefine.widgets._panel import Panel, wrapped_label
from napari_medrefine.widgets._placing import Made
from napari_medrefine.widgets._preferences import preferences
from napari_medrefine.widgets._regions import Region, in_rectangle, in_view, rectangle_layer, whole
from napari_medrefine.widgets._source import read_steps
from napari_medrefine.widgets._to_disk import SUFFIX, DiskView, check_for_disk
from napari_medrefine.widgets._trusting import (
    NO_TRUST,
    TOGETHER,
    TRUST,
    Trusted,
    check_trust,
    trust_steps,
)

NOTE = f"The result is {NOT_FOR_DIAGNOSIS}."
MAGNIFY, SHARPEN = "magnify", "sharpen"
VIEW, FOLLOW, WHOLE, DISK, RECTANGLE = "view", "follow", "whole", "disk", "rectangle"
REST_MS = 60  # how long the view has to rest before it is looked at
SCALES = [
    ("2 ×", 2.0),
    ("2.5 ×  (4x to 10x)", 2.5),
    ("4 ×  (10x to 40x)", 4.0),
    ("10 ×  (4x to 40x)", 10.0),
    ("other ...", OTHER),
]


class MagnifyWidget(Panel):
    """Magnify or sharpen a layer, or a part of it, with the SR-GAN.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer or napari.components.ViewerModel
        The viewer whose layers are magnified.
    """

    def __init__(self, napari_viewer: Any) -> None:
        self._viewer = napari_viewer
        self._chosen_by_user = False
        self._generated: Layer | None = None  # by the job that runs, or ran last
        self._said = ""  # of what that job added
        self._large = ""  # and how large that is
        self._live: LiveView | None = None
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
        self._looking = QTimer(self.native)
        self._looking.setSingleShot(True)
        self._looking.setInterval(REST_MS)
        self._looking.timeout.connect(self._look)
        self._connect()
        self.reset_choices()

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

    def _connect(self) -> None:
        self.layer.changed.connect(self._layer_chosen)
        self.model.model.changed.connect(self._model_chosen)
        for control in (self.task, self.scale, self.region):
            control.changed.connect(self._show_controls)
        for control in (self.other_scale, self.rectangles):
            control.changed.connect(self._tell_size)
        self.draw.changed.connect(self.draw_rectangle)
        self.job.start.changed.connect(self.generate)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self.reset_choices)
        camera = self._viewer.scene.camera.events
        for event in (camera.zoom, camera.center):
            event.connect(self._view_moved)

    def reset_choices(self, *_: Any) -> None:
        """Follow the viewer's layers; choose a likely one until the user has chosen."""
        if not self._initialized or not self.job.alive:
            return
        if self._live is not None and self._live.source not in self._viewer.layers:
            self.job.stop()
        self.layer.reset_choices()
        self.rectangles.reset_choices()
        if not self._chosen_by_user:
            photos = [layer for layer in images(self._viewer) if not is_derived(layer)]
            overview = likely_overview(photos)
            with self.layer.changed.blocked():
                self.layer.choose([overview] if overview is not None else [])
        self._layer_seen()

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

    def generate(self) -> None:
        """Magnify or sharpen what is chosen, and add the result as a layer."""
        if self.job.running:
            return
        recipe, trust = self.recipe, self.trust.value
        if self.region.value == FOLLOW:
            self.follow()
            return
        if self.region.value == DISK:
            self.write()
            return
        try:
            layer = check_stack(self.layer.value, "a photo")
            region = self.chosen_region(layer)
            self.model.check(recipe.task)
            check_memory(layer, region, recipe, trust=trust)
            if trust:
                check_trust(recipe, layer)
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        self._generated, self._said = None, ""
        self._large = size_of(region, recipe)
        self.job.run(
            lambda: _steps(layer, region, recipe, trust=trust),
            on_item=self._add,
            on_done=lambda _: self.job.say(self._said, problem=self._generated is None),
        )

    def follow(self) -> None:
        """Magnify what is in view, wherever it goes, until Cancel."""
        try:
            layer = check_photo(self.layer.value, "a photo")
            self.model.check(self.recipe.task)
            live = LiveView(self._viewer, layer, self.recipe)
            live.look()
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        self._live = live
        self.job.run(
            live.steps,
            on_item=live.take,
            on_done=lambda _: None,
            on_stop=lambda: self.job.say(f"Stopped following the view; {live.made} tiles made."),
            on_end=self._unfollow,
        )

    def write(self) -> None:
        """Magnify the whole layer into a file that is asked for."""
        try:
            layer = check_for_disk(self.layer.value)
            self.model.check(self.recipe.task)
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        name = safe_name(f"{layer.name} x{self.recipe.scale:g}{SUFFIX}")
        path = ask_save_path(self.native, "Magnify to", name, f"OME-Zarr (*{SUFFIX} *.zarr)")
        if path is None:
            return
        disk = DiskView(self._viewer, layer, self.recipe, path)
        self.job.run(
            disk.steps,
            on_item=disk.take,
            on_done=lambda picture: self.job.say(disk.finish(picture)),
            on_stop=lambda: self.job.say(disk.stopped()),
        )

    def _unfollow(self) -> None:
        self._live = None

    def _add(self, item: tuple[Made, Image | list[Image]]) -> None:
        (made, data), layers = item, self._viewer.layers
        below = made.of[0]
        if isinstance(made, Trusted) and self._generated in layers:
            below = self._generated
        if below not in layers:
            self._said = f"'{below.name}' was removed meanwhile; the result is not shown."
            return
        added = self._viewer.add_image(data, multiscale=isinstance(data, list), **made.options)
        remember(added, MADE_FROM, made.of[0])
        put_above(self._viewer, added, below)
        if below is self._generated:
            layers.link_layers([below, added], TOGETHER)
            largest = added.contrast_limits[1]
            self._said += (
                f" The trust map above it, from 0 to {largest:.0f} grey levels of 255, is bright "
                "where the picture may be wrong."
            )
            return
        self._generated = added
        self._said = f"Added '{added.name}', {self._large}."

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

    def _layer_chosen(self) -> None:
        self._chosen_by_user = True
        self._layer_seen()

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

    def _view_moved(self) -> None:
        if not self.job.alive:
            return
        if self._live is not None:
            self._looking.start()
        elif self.region.value in (VIEW, FOLLOW):
            self._tell_size()

    def _look(self) -> None:
        """Follow the view, now that it rests."""
        if self._live is None:
            return
        try:
            self._live.look()
        except MedRefineError as error:
            self.size.value = str(error)
        else:
            self.size.value = ""

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


def _steps(
    layer: Layer, region: Region, recipe: Recipe, *, trust: bool
) -> Generator[Step | tuple[Made, Image | list[Image]], None, None]:
    """Make the picture, then say how far to trust it; what is made is shown at once."""
    source = yield from read_steps(layer, region)
    made = yield from generate_steps(source, layer, region, recipe)
    yield made, in_pieces(made.image, region.axes, region.count)
    if trust and not isinstance(source.image, Stack):
        errors = yield from trust_steps(made, source.image, recipe)
        yield errors, in_pieces(errors.image)
