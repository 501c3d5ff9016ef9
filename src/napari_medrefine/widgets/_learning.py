"""The *Learn* section of the Compare widget: the network, fine-tuned on the fields one has."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from magicgui.widgets import PushButton, Widget

from napari_medrefine.errors import MedRefineError
from napari_medrefine.learning import LearnField, learn_steps, refused_in
from napari_medrefine.progress import Step
from napari_medrefine.registration import Placement
from napari_medrefine.superres.learning_events import FieldScore, LearningResult
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._jobs import JobPanel
from napari_medrefine.widgets._layer_pair import LayerPair
from napari_medrefine.widgets._layers import Viewer, about, images, pixel_um, pixels
from napari_medrefine.widgets._model_choice import shelf_of
from napari_medrefine.widgets._origins import ORIGINS, OVERVIEW, is_origin, origin_of
from napari_medrefine.widgets._panel import (
    folder_edit,
    grow_with_text,
    path_in,
    tell,
    wrapped_label,
)

NONE = (
    "No field is registered on the chosen layers: put two or more 40x photos on a 4x one with "
    "'Register' first."
)
HINT = (
    "Some of the fields are held out; the rest teach the network this objective and this slide. "
    "That takes minutes, and napari can be used meanwhile. It is kept only if the fields held out "
    "come nearer to the real photo by 0.5 dB or more."
)
WORDS = (64, 280)  # pixels for the verdict
PRESS = "Press 'Use these weights' to magnify with them."
IN_USE = (
    "In use: 'Magnify & sharpen' runs '{name}' now (choose 'Shipped' there to go back), and 'How "
    "good is the magnified 4x here?', under Measure, measures it beside the shipped networks."
)
TOO_FEW = (
    "One field is registered on '{overview}', and two are needed: one to learn from, one to see "
    "whether it helped."
)


@dataclass(frozen=True, eq=False)
class Found:
    """The fields that are registered on an overview."""

    overview: Layer
    fields: tuple[Layer, ...]


class LearnSection:
    """Learns from the fields on the chosen 4x layer, and says whether it helped.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
    pair : LayerPair
        The two layers that are chosen: a 4x overview, a field on it, or one made from it.
    """

    def __init__(self, viewer: Viewer, pair: LayerPair) -> None:
        self._viewer, self._pair = viewer, pair
        self._suggested = ""
        self.result: LearningResult | None = None
        self.verdict = ""
        self.found = wrapped_label("The fields that are learned from")
        self.output = folder_edit(
            "Into", "A new folder for the pairs, the weights and the verdict; or that of a run "
            "that was stopped, to go on with it",
        )  # fmt: skip
        self.job = JobPanel(
            "Learn from these fields",
            "Fine-tune the shipped network on the registered fields. Some are held out, and it is "
            "kept only if these come nearer to the real photo by 0.5 dB or more",
            "Learning",
        )
        self.use = PushButton(
            text="Use these weights", enabled=False,
            tooltip="Let 'Magnify & sharpen' run the weights that were learned, and 'How good is "
            "the magnified 4x here?' measure them too",
        )  # fmt: skip
        grow_with_text(self.job.message, *WORDS)
        self.widgets: tuple[Widget, ...] = (
            self.found,
            self.output,
            self.job,
            self.job.message,
            self.use,
        )
        self.job.start.changed.connect(self.learn)
        self.use.changed.connect(self.use_weights)
        self._pair.changed.connect(self.refresh)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            event.connect(self.refresh)
        events.connect(self._layer_changed)
        self.refresh()

    def fields(self) -> Found:
        """Return the chosen overview and the fields registered on it.

        Raises
        ------
        MedRefineError
            If there are fewer than two; it says what to do.
        """
        found = found_on(self._viewer, (self._pair.second.value, self._pair.first.value))
        if found is None:
            raise MedRefineError(NONE)
        if len(found.fields) < 2:
            raise MedRefineError(TOO_FEW.format(overview=found.overview.name))
        return found

    def refresh(self, *_: Any) -> None:
        """Say how many fields there are, and propose a folder."""
        if not self.job.alive or self.job.running:
            return
        if not self.job.message.value:
            self.job.message.value = HINT
        try:
            found = self.fields()
        except MedRefineError as error:
            tell(self.found, str(error))
            self.job.start.enabled = False
            return
        names = ", ".join(field.name for field in found.fields)
        tell(
            self.found,
            f"{len(found.fields)} fields are registered on '{found.overview.name}': {names}.",
        )
        self.job.start.enabled = True
        self._suggest(found.overview)

    def _layer_changed(self, event: Any) -> None:
        if event.type in ("affine", "metadata"):
            self.refresh()

    def _suggest(self, overview: Layer) -> None:
        """Propose a new folder beside the overview's file, unless the user has chosen one."""
        path = overview.source.path
        if path is None or self.output.line_edit.value.strip() != self._suggested:
            return
        safe = re.sub(r"[^\w.-]+", "-", overview.name).strip("-.") or "overview"
        beside, number = Path(str(path)).parent, 1
        while (folder := beside / f"{safe}-learned-{number}").exists():
            number += 1
        self._suggested = str(folder)
        self.output.value = self._suggested

    def learn(self) -> None:
        """Begin, or go on in the folder of a run that was stopped."""
        folder = path_in(self.output)
        try:
            found = self.fields()
            if folder is None:
                raise MedRefineError("Choose a folder under 'Into' first: the weights go there.")
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        self.result, self.use.enabled, self.output.enabled = None, False, False
        work = _Work.of(found, folder)
        self.job.run(work.steps, self._take, on_stop=self._stopped, on_end=self._ended)

    def _take(self, result: LearningResult) -> None:
        self.result, self.use.enabled = result, result.kept
        parts = [_told(score) for score in result.scores]
        parts += [f"Left out: {one.field.name}, {one.reason}" for one in refused_in(result.folder)]
        sentence = result.sentence[0].upper() + result.sentence[1:]
        self.verdict = "\n\n".join([sentence, *parts])
        self.job.say(f"{self.verdict}\n\n{PRESS}" if result.kept else self.verdict)

    def _stopped(self) -> None:
        self._suggested = ""  # the folder stays: to go on there is what is wanted next
        self.job.say(
            f"Stopped; nothing is used. What was learned so far is in {self.output.value}: press "
            "'Learn from these fields' to go on."
        )

    def _ended(self) -> None:
        self.output.enabled = True

    def use_weights(self) -> None:
        """Let *Magnify & sharpen* run the weights, in every chooser of this viewer."""
        if self.result is None or self.result.weights is None:
            return
        try:
            shelf_of(self._viewer).use(self.result.folder)
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        self.job.say(f"{self.verdict}\n\n{IN_USE.format(name=self.result.folder.name)}")


def _told(score: FieldScore) -> str:
    photo = "" if score.photo is None else f", {score.photo:.2f} dB with those for photos"
    return (
        f"{score.name}: {score.before:.2f} dB with the shipped weights{photo}, "
        f"{score.after:.2f} dB with the learned ones."
    )


@dataclass(frozen=True, eq=False)
class _Work:
    """What the job needs of the layers, read in the main thread."""

    overview: Any
    fields: tuple[tuple[str, Any, Placement], ...]
    folder: Path
    name: str
    pixel_um: float | None

    @classmethod
    def of(cls, found: Found, folder: Path) -> _Work:
        fields = tuple((x.name, pixels(x), about(x)["placement"]) for x in found.fields)
        overview = found.overview
        return cls(pixels(overview), fields, folder, overview.name, pixel_um(overview))

    def steps(self) -> Generator[Step, None, LearningResult]:
        fields = [LearnField(name, np.asarray(image), where) for name, image, where in self.fields]
        return learn_steps(
            self.overview, fields, self.folder, name=self.name, pixel_um=self.pixel_um
        )


def found_on(viewer: Viewer, chosen: tuple[Layer | None, ...]) -> Found | None:
    """Return the fields on the overview that one of the `chosen` layers is, lies on or came from.

    None where no field is registered on any of them.
    """
    there = images(viewer)
    for layer in chosen:
        if layer is None:
            continue
        meant = [origin_of(there, layer, origin) for origin in ORIGINS]
        for overview in (x for x in (*meant, layer) if x in there):
            fields = tuple(x for x in there if _lies_on(x, overview))
            if fields:
                return Found(overview, fields)
    return None


def _lies_on(layer: Layer, overview: Layer) -> bool:
    placement = about(layer).get("placement")
    placed = isinstance(placement, Placement) and placement.accepted
    return placed and is_origin(overview, layer, OVERVIEW)
