"""The *Compare* widget: see, measure and improve, for any two layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from magicgui.widgets import Widget

from napari_medrefine.widgets._fold import Fold
from napari_medrefine.widgets._layer_pair import LayerPair
from napari_medrefine.widgets._layers import Viewer
from napari_medrefine.widgets._learning import LearnSection
from napari_medrefine.widgets._measuring import MeasureSection
from napari_medrefine.widgets._panel import Panel, stacked
from napari_medrefine.widgets._pixel_values import PixelSection
from napari_medrefine.widgets._seeing import SeeSection


class Stoppable(Protocol):
    """What runs in a section, a `JobPanel` say; it ends when the widget is closed."""

    @property
    def running(self) -> bool:
        """Whether anything does."""

    def stop(self) -> None:
        """End what is running, if anything is."""


class Section(Protocol):
    """What lies under one fold of the Compare widget."""

    widgets: tuple[Widget, ...]
    job: Any  # Stoppable


@dataclass(frozen=True)
class Chapter:
    """A fold of the Compare widget: its title, and what makes the section under it."""

    title: str
    tooltip: str
    make: Callable[[Viewer, LayerPair], Section]
    shown: bool = False


SHORTEST = 4  # letters of a layer's name that must be seen beside 'Compared with'

# From top to bottom. A new section is one more line here.
CHAPTERS: tuple[Chapter, ...] = (
    Chapter("See", "Show or hide the ways to see both layers", SeeSection, shown=True),
    Chapter("Pixel values", "Show or hide the values under the mouse", PixelSection),
    Chapter("Measure", "Show or hide the numbers: how near to the truth", MeasureSection),
    Chapter("Learn", "Show or hide learning from registered fields", LearnSection),
)


class CompareWidget(Panel):
    """See two layers in one another's place, measure how they differ, and learn from it.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer or napari.components.ViewerModel
        The viewer whose layers are compared.
    """

    def __init__(self, napari_viewer: Any) -> None:
        self.pair = LayerPair(napari_viewer)
        self.sections = {each.title: each.make(napari_viewer, self.pair) for each in CHAPTERS}
        self.folds = {each.title: self._fold(each) for each in CHAPTERS}
        self.job = _Jobs([section.job for section in self.sections.values()])
        folded = [widget for fold in self.folds.values() for widget in fold.widgets]
        super().__init__([stacked(self.pair.widgets), *folded], body_labels=False)
        for choice in self.pair.widgets:
            choice.native.setMinimumContentsLength(SHORTEST)
        self.body.native.layout().addStretch(1)  # room is left at the end, not between sections

    def _fold(self, chapter: Chapter) -> Fold:
        """Return a section under its button; in a container, so that it hides its own controls."""
        body = stacked(self.sections[chapter.title].widgets)
        return Fold(chapter.title, chapter.tooltip, [body], shown=chapter.shown)

    def reset_choices(self, *_: Any) -> None:
        """Leave the choosers alone: they follow the layers themselves."""


class _Jobs:
    """Everything that runs in the sections."""

    def __init__(self, jobs: Sequence[Stoppable]) -> None:
        self._jobs = jobs

    @property
    def running(self) -> bool:
        """Whether anything runs."""
        return any(job.running for job in self._jobs)

    def stop(self) -> None:
        """End all of it."""
        for job in self._jobs:
            job.stop()
