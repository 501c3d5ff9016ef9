"""The *Measure* section of the Compare widget: numbers for two layers, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox, PushButton, Widget
from qtpy.QtWidgets import QApplication

from napari_medrefine.compare.contenders import (
    PHOTO,
    REDUCED,
    filters_for,
    track_of,
    tuned_words,
)
from napari_medrefine.compare.evaluate import Method
from napari_medrefine.compare.intensity import Match
from napari_medrefine.compare.pairs import Pair, measure_steps
from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step
from napari_medrefine.superres.named_networks import named_networks
from napari_medrefine.widgets._adding import InTurns
from napari_medrefine.widgets._choices import LayerChoice
from napari_medrefine.widgets._dialogs import ask_folder
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._jobs import JobPanel
from napari_medrefine.widgets._layer_pair import LayerPair
from napari_medrefine.widgets._layers import Viewer, shapes
from napari_medrefine.widgets._measure_chart import MeasureChart
from napari_medrefine.widgets._measure_networks import Own, own_in_use
from napari_medrefine.widgets._measure_report import Done, report_steps
from napari_medrefine.widgets._measure_roles import (
    Roles,
    pair_of,
    reduction,
    registered_field,
    roles_of,
)
from napari_medrefine.widgets._measure_table import MeasureTable
from napari_medrefine.widgets._measure_whose import Whose
from napari_medrefine.widgets._measure_words import words_of
from napari_medrefine.widgets._measured_layers import MadeBy
from napari_medrefine.widgets._panel import grey, grow_with_text, row, tell, wrapped_label
from napari_medrefine.widgets._preferences import load_networks, preferences
from napari_medrefine.widgets._regions import (
    Region,
    in_rectangle,
    in_view,
    rectangle_layer,
)

REAL, ORIGINAL = "real", "original"
WHOLE, SAMPLE, VIEW, RECTANGLE = "whole", "sample", "view", "rectangle"
WORDS = (64, 170)  # pixels for what came out in words

Chosen = tuple[Layer | None, Layer | None]


@dataclass(frozen=True, eq=False)
class _Work:
    """What the job needs of the layers, read in the main thread."""

    roles: Roles
    pair: Pair
    blur: str  # of the photo that is enlarged
    layers: tuple[MadeBy, ...]
    own: Own | None
    whose: Whose

    @classmethod
    def of(cls, viewer: Viewer, chosen: Chosen, roles: Roles, pair: Pair, blur: str) -> _Work:
        measured = (roles.given,) if roles.alone else roles.results
        own = None if roles.alone else own_in_use(viewer, sharpening=_scale(roles, pair) == 1)
        layers = tuple(MadeBy.of(layer) for layer in measured)
        return cls(roles, pair, blur, layers, own, Whose.of(roles, chosen))

    def steps(self) -> Generator[Step, None, Done]:
        """Measure in the job's thread."""
        methods: dict[str, Method] = {}
        roles, tuned = self.roles, ""
        ours: tuple[str, ...] = ()
        if not roles.alone:
            yield Step(0, 1, "Loading the networks ...")
            load_networks(preferences())
            scale = _scale(roles, self.pair)
            own = {} if self.own is None else {self.own.name: self.own.file}
            generated = named_networks(sharpening=scale == 1, own=own)
            methods, ours = filters_for(scale, self.blur) | generated, tuple(generated)
            tuned = tuned_words(track_of(scale, self.blur))
        measured = yield from measure_steps(self.pair, methods)
        words = words_of(measured, roles, ours, tuned, self.own)
        return Done(measured, words, methods, ours, self.layers, self.own, tuned, self.whose)


class MeasureSection:
    """Measures the pair's layers, filters and networks against the truth; nothing is changed.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
    pair : LayerPair
        The two layers that are chosen.
    """

    def __init__(self, viewer: Viewer, pair: LayerPair) -> None:
        self._viewer, self._pair = viewer, pair
        self.done: Done | None = None
        self._make_controls()
        self.table, self.chart = MeasureTable(), MeasureChart(viewer)
        self.copy = PushButton(
            text="Copy table", tooltip="Copy the table as tab-separated values", enabled=False
        )
        self.save = PushButton(
            text="Save report…",
            tooltip="Write the numbers (CSV), the chart (PNG) and one page that holds everything, "
            "pictures and a trust map too (HTML), into a folder",
            enabled=False,
        )
        self.saving = row(self.copy, self.save)
        self.whose = wrapped_label("Whose numbers these are")
        self.widgets: tuple[Widget, ...] = (
            self.against,
            self.region,
            self.rectangles,
            self.draw,
            self.job,
            self.here,
            self.job.message,
            self.whose,
            self.saving,
            self.table,
            self.chart,
        )
        self._connect()
        self._pair_changed()
        self._show_results(shown=False)

    def _make_controls(self) -> None:
        self.against = ComboBox(
            label="Against",
            choices=[
                ("real photo, matched", REAL),
                ("sharp original, as is", ORIGINAL),
            ],
            tooltip="What the truth is, of the two layers. A real photo through another objective "
            "(the registered 40x): its gain, offset and shading are first fitted to those of the "
            "4x, once for all methods. The sharp original: values are compared as they are",
        )
        self.region = ComboBox(
            label="Region",
            choices=[
                ("sample (quick)", SAMPLE),
                ("whole overlap", WHOLE),
                ("part in view", VIEW),
                ("rectangle", RECTANGLE),
            ],
            tooltip="Where to measure. The sample: six windows spread evenly over the overlap, "
            "where it is large",
        )
        self.rectangles = LayerChoice(
            lambda: shapes(self._viewer),
            label="Drawn in",
            tooltip="The shapes layer with the rectangle; its selected shapes count, else the last",
        )
        self.draw = PushButton(
            text="Draw a rectangle",
            tooltip="Add a shapes layer, ready to draw a rectangle on the canvas",
        )
        self.job = JobPanel(
            "Measure",
            "Measure the layer, plain filters (at their defaults and tuned on other slides), the "
            "shipped networks and one of your own that is in use, against the truth",
            "Measuring",
        )
        grow_with_text(self.job.message, *WORDS)
        self.here = PushButton(
            text="How good is the magnified 4x here?",
            tooltip="With a 40x photo registered on its 4x: magnify the 4x under it, and say how "
            "near networks and filters come to the real 40x",
        )

    def _connect(self) -> None:
        self.region.changed.connect(self._show_controls)
        self.draw.changed.connect(self.draw_rectangle)
        self.job.start.changed.connect(self.measure)
        self.here.changed.connect(self.measure_here)
        self.copy.changed.connect(self.copy_table)
        self.save.changed.connect(self.save_report)
        self._pair.changed.connect(self._pair_changed)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self._layers_changed)
        self._layers_changed()

    def roles(self) -> Roles:
        """Return what is measured against what.

        Raises
        ------
        MedRefineError
            Saying what to choose.
        """
        return roles_of(self._viewer, *self._pair.layers)

    def measure(self) -> None:
        """Measure what is chosen."""
        self._run(self._chosen)

    def measure_here(self) -> None:
        """Magnify the 4x under a registered 40x, and compare with it."""
        self._run(self._under_the_field)

    def _chosen(self) -> tuple[Roles, Pair, str]:
        roles = self.roles()
        real = self.against.value == REAL
        match: Match = "shading" if real else "none"
        sample = self.region.value == SAMPLE
        pair = pair_of(roles, self._region(roles), match, sample=sample)
        return roles, pair, PHOTO if real else REDUCED

    def _under_the_field(self) -> tuple[Roles, Pair, str]:
        roles = registered_field(self._viewer, self._pair.first.value, self._pair.second.value)
        return roles, pair_of(roles, None, "shading", sample=True), PHOTO

    def _run(self, choose: Callable[[], tuple[Roles, Pair, str]]) -> None:
        if self.job.running:
            return
        try:
            work = _Work.of(self._viewer, self._chosen_pair, *choose())
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        self.here.enabled = False
        self.job.run(work.steps, on_done=self._take, on_end=self._over)

    def _over(self) -> None:
        self.here.enabled = True
        self.save.enabled = self.done is not None

    def _take(self, done: Done) -> InTurns:
        """Show what was measured, the table and the chart each in a turn of its own."""
        self.done = done
        measured = done.measured
        layers = [layer.name for layer in measured.common.pair.layers]
        self.table.show_scores(measured)
        yield
        if not self.job.alive:
            return
        self.chart.show_scores(measured.scores, done.ours, layers)
        self._show_results(shown=True)
        self._tell_whose()
        self.job.say(done.words)

    def _region(self, roles: Roles) -> Region | None:
        if self.region.value == VIEW:
            return in_view(self._viewer, roles.given)
        if self.region.value == RECTANGLE:
            if self.rectangles.value is None:
                raise MedRefineError("Draw a rectangle first: press 'Draw a rectangle'.")
            return in_rectangle(self.rectangles.value, roles.given)
        return None

    def draw_rectangle(self) -> None:
        """Add a shapes layer in which one can draw at once."""
        try:
            layer = self.roles().reference
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        self.rectangles.choose([rectangle_layer(self._viewer, layer)])
        self.job.say("Draw a rectangle on the canvas, then press 'Measure'.")

    def copy_table(self) -> None:
        """Put the table on the clipboard."""
        QApplication.clipboard().setText(self.table.as_text())
        self._say_first("The table{} is on the clipboard, as tab-separated values.")

    def save_report(self) -> None:
        """Write the report into a folder that is asked for."""
        if self.done is None or self.job.running:
            return
        folder = ask_folder(self.job.native, "Folder for the report")
        if folder is None:
            return
        done = self.done
        self.here.enabled = self.save.enabled = False
        self.job.run(lambda: report_steps(done, folder), on_done=self._saved, on_end=self._over)

    def _saved(self, paths: list[Path]) -> None:
        names = ", ".join(path.name for path in paths)
        self._say_first(f"The report{{}} is in {paths[0].parent}: {names}.")

    def _say_first(self, sentence: str) -> None:
        """Say this above what was measured, and of whom at its braces."""
        if self.done is not None:
            whose = f" of {self.done.whose.said}"
            self.job.say(f"{sentence.format(whose)}\n\n{self.done.words}")

    @property
    def _chosen_pair(self) -> Chosen:
        return self._pair.first.value, self._pair.second.value

    def _pair_changed(self) -> None:
        """Guess what the truth is, and say what is missing."""
        if not self.job.alive:
            return
        past = self._tell_whose()
        if self.job.running:
            return
        try:
            roles = self.roles()
        except MedRefineError as error:
            self.job.message.value = str(error)
            return
        self.against.value = REAL if roles.photos else ORIGINAL
        known = self.done is not None and not past
        promise = Whose.of(roles, self._chosen_pair).promise
        self.job.message.value = self.done.words if self.done and known else promise

    def _tell_whose(self) -> str:
        """Say whose numbers are seen; such as are of other layers than the chosen ones are grey."""
        if self.done is None:
            return ""
        past = self.done.whose.past(self._viewer.layers, self._chosen_pair)
        tell(self.whose, self.done.whose.heading(past))
        for widget in (self.table, self.chart):
            grey(widget, on=bool(past))
        return past

    def _layers_changed(self, *_: Any) -> None:
        if self.job.alive:
            self.rectangles.reset_choices()
            self._show_controls()
            self._tell_whose()

    def _show_controls(self) -> None:
        drawing = self.region.value == RECTANGLE
        self.rectangles.visible = self.draw.visible = drawing

    def _show_results(self, *, shown: bool) -> None:
        for widget in (self.whose, self.table, self.chart, self.saving):
            widget.visible = shown
        self.copy.enabled = self.save.enabled = shown


def _scale(roles: Roles, pair: Pair) -> float:
    """Return how many times methods enlarge what they are given."""
    has = max(1.0, reduction(roles.given, roles.reference))
    return has if pair.scale is None else min(pair.scale, has)
