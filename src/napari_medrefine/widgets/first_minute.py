"""The *First minute* widget: a tour of the main job on sample photos, one button at a time."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from magicgui.widgets import FloatSlider
from napari.layers import Layer as NapariLayer
from qtpy.QtCore import QTimer

from napari_medrefine.progress import Step
from napari_medrefine.samples import demo_photos_steps, layers_of
from napari_medrefine.samples.photos import LayerData
from napari_medrefine.widgets._adding import InTurns, add_in_turns
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._jobs import JobPanel
from napari_medrefine.widgets._layers import about, images, show
from napari_medrefine.widgets._origins import MADE_FROM, is_origin
from napari_medrefine.widgets._panel import (
    Panel,
    grow_with_text,
    stacked,
    tell,
    wrapped_label,
)
from napari_medrefine.widgets._see_swipe import Swipe

PLUGIN = "napari-medrefine"
LOOK_MS = 100  # between two looks at a widget whose job runs
SCALE = 10.0  # 4x to 40x
HEIGHT = 262  # pixels: the tour leaves room for the widget that it opens below itself

WORDS = (48, 140)  # pixels for what is said


@dataclass(frozen=True)
class Stop:
    """A stop of the tour: what is said, and the button that goes on."""

    title: str
    text: str
    button: str


OPEN, REGISTER, FADE, MAGNIFY, COMPARE = range(5)
STOPS = (
    Stop(
        "Open photos",
        "Five photos of one slide, as they come from the microscope: one at 4x, two at 10x, two at "
        "40x. The slide is drawn by a program; no patient is on it.",
        "Open them",
    ),
    Stop(
        "Register",
        "Nobody wrote down where the 10x and 40x photos were taken. Register finds it out, and "
        "says how sure it is.",
        "Register them",
    ),
    Stop(
        "Fade",
        "Every photo lies where it belongs. Look at one of 40x: the slider fades it, and the same "
        "cells are seen below it, at 4x.",
        "Go to a 40x photo",
    ),
    Stop(
        "Magnify",
        "Around that photo, nobody photographed at 40x. The SR-GAN makes a picture of what is in "
        "view of the 4x photo, ten times as fine: an inference, not an observation.",
        "Magnify the view",
    ),
    Stop(
        "Compare",
        "How good is it? Lay the magnified 4x and the real 40x in one place, a line between them.",
        "Compare",
    ),
)
THE_END = (
    "Drag the line: left of it is what the network made of the 4x, right of it the real 40x. "
    "That was all of the tour. Now with your own photos: File > Open File(s)..., then the same "
    "widgets, in Plugins > MedRefine. The magnified picture is for research, not for diagnosis."
)
GONE = "The sample photos are no longer all there: open them again."


class FirstMinuteWidget(Panel):
    """Open, register, fade, magnify and compare sample photos with the widgets that do it.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        A viewer with a window: the tour opens the other widgets beside itself.
    """

    def __init__(self, napari_viewer: Any) -> None:
        self._viewer = napari_viewer
        self._at = self._begin_at()
        self._dock: Any = None  # the other widget's, if the tour opened it
        self._watched: Any = None
        self.stops = wrapped_label("Where the tour is")
        self.text = wrapped_label("What comes next")
        self.opacity = FloatSlider(
            value=1, min=0, max=1, step=0.01, label="Opacity", visible=False,
            tooltip="Fade the 40x photo, to see the 4x photo below it",
        )  # fmt: skip
        self.job = JobPanel(
            STOPS[self._at].button, "Take the next step of the tour", "Opening photos"
        )
        parts = (self.stops, self.text, self.job, self.opacity, self.job.message)
        super().__init__([stacked(parts)], body_labels=False)
        grow_with_text(self.job.message, *WORDS)
        self.native.setFixedHeight(HEIGHT)
        self.body.native.layout().addStretch(1)
        self._looking = QTimer(self.native)
        self._looking.setInterval(LOOK_MS)
        self._looking.timeout.connect(self._look)
        self.job.start.changed.connect(self.go)
        self.opacity.changed.connect(self._fade)
        self._show()

    def _begin_at(self) -> int:
        """Return the stop at which to begin: where a tour was left, its photos are open."""
        if self.overview is None or self.field is None:
            return OPEN
        if "placement" not in about(self.field):
            return REGISTER
        return FADE if self._magnified is None else COMPARE

    def reset_choices(self, *_: Any) -> None:
        """Leave everything as it is: there is nothing to choose."""

    def go(self) -> None:
        """Do what the present stop is about."""
        if self._at > OPEN and (self.overview is None or self.field is None):
            self._at = OPEN
            self.job.say(GONE)
            self._show()
            return
        (self._open, self._register, self._to_field, self._magnify, self._compare)[self._at]()

    @property
    def overview(self) -> Layer | None:
        """The sample photo at 4x; None until it is open."""
        return self._sample(4)

    @property
    def field(self) -> Layer | None:
        """The sample photo at 40x that the tour looks at; None until it is open."""
        return self._sample(40)

    def _sample(self, objective: float) -> Layer | None:
        made = {"objective": objective, "tour": True}
        found = (x for x in images(self._viewer) if made.items() <= about(x).items())
        return next(found, None)

    def _open(self) -> None:
        self.job.run(
            _photographed, on_item=self._add, on_done=lambda _: self._opened(), on_end=self._show
        )

    def _add(self, photo: LayerData) -> InTurns:
        image, options, kind = photo
        options["metadata"]["medrefine"]["tour"] = True
        return add_in_turns(self._viewer, NapariLayer.create(image, options, kind))

    def _opened(self) -> None:
        self._viewer.fit_to_view()
        self._arrived("Opened: none of them knows its place, so they all lie in one corner.")

    def _register(self) -> None:
        widget = self._beside("Register")
        widget.overview.choose([self.overview])
        widget.fields.choose([x for x in self._samples() if x is not self.overview])
        widget.register()
        self._watch(widget)

    def _to_field(self) -> None:
        self._close_other()
        for layer in self._samples():
            show(layer, visible=layer in (self.overview, self.field))
        self._viewer.fit_to_view(layers=[self.field], margin=0.3)
        self._arrived("Move the slider: both photos show the same cells.")

    def _magnify(self) -> None:
        widget = self._beside("Magnify & sharpen")
        widget.layer.choose([self.overview])
        widget.task.value, widget.scale.value, widget.region.value = "magnify", SCALE, "view"
        widget.generate()
        self._watch(widget)

    def _compare(self) -> None:
        widget = self._beside("Compare")
        widget.pair.first.choose([self._magnified])
        widget.pair.second.choose([self.field])
        widget.sections["See"].mode.value = Swipe.title
        self._arrived(THE_END)

    @property
    def _magnified(self) -> Layer | None:
        """The newest layer that was made from the 4x photo."""
        if self.overview is None:
            return None
        made = [x for x in images(self._viewer) if is_origin(self.overview, x, MADE_FROM)]
        return made[-1] if made else None

    def _samples(self) -> list[Layer]:
        return [layer for layer in images(self._viewer) if about(layer).get("tour")]

    def _reached(self) -> bool:
        """Whether the widget that was watched did what the stop is about."""
        if self._at == REGISTER:
            return self.field is not None and "placement" in about(self.field)
        return self._magnified is not None

    def _watch(self, widget: Any) -> None:
        self._watched = widget
        self._looking.start()
        self._show()

    def _look(self) -> None:
        """See whether the other widget is done; it may also have been closed."""
        watched = self._watched
        if watched is not None and watched.job.alive and watched.job.running:
            return
        self._looking.stop()
        self._watched = None
        said = watched.job.message.value if watched is not None and watched.job.alive else ""
        if self._reached():
            self._arrived(said)
        else:
            self.job.say(said or "That was stopped; press the button to try again.")
            self._show()

    def _arrived(self, said: str) -> None:
        self._at += 1
        self.job.say(said)
        self._show()

    def _beside(self, name: str) -> Any:
        """Return another of our widgets, opened below the tour; only one of them at a time."""
        self._close_other()
        there = name in self._viewer.window.dock_widgets
        dock, widget = self._viewer.window.add_plugin_dock_widget(PLUGIN, name)
        self._dock = None if there else dock
        return widget

    def _close_other(self) -> None:
        dock, self._dock = self._dock, None
        if dock is not None and _still_docked(dock):
            self._viewer.window.remove_dock_widget(dock)

    def _fade(self, opacity: float) -> None:
        if self.field is not None:
            self.field.opacity = opacity

    def _show(self) -> None:
        """Make the words and controls agree with where the tour is."""
        if not self.job.alive:
            return
        marks = ["✓" if k < self._at else "▸" if k == self._at else "·" for k in range(len(STOPS))]
        named = [f"{mark}\N{NO-BREAK SPACE}{x.title}" for mark, x in zip(marks, STOPS, strict=True)]
        tell(self.stops, "  ".join(named))
        over = self._at == len(STOPS)
        tell(self.text, "" if over else STOPS[self._at].text)
        self.text.visible = not over
        self.job.start.text = "Done" if over else STOPS[self._at].button
        self.job.start.enabled = not over and self._watched is None and not self.job.running
        self.opacity.visible = self._at > FADE


def _still_docked(dock: Any) -> bool:
    """Whether Qt still has a dock widget: the user may have closed it."""
    try:
        return dock.parent() is not None
    except RuntimeError:
        return False


def _photographed() -> Generator[Step | LayerData, None, None]:
    yield from layers_of(*(yield from demo_photos_steps()))
