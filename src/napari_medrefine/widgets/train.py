"""The *Train* widget: a network of one's own, trained while one goes on working in napari."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from magicgui.widgets import PushButton
from napari.utils.notifications import show_info
from PIL import Image as Pillow

from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.background import Failed, Outcome, Stopped
from napari_medrefine.superres.cards import NOT_FOR_DIAGNOSIS
from napari_medrefine.superres.events import TrainingConfig, TrainingEvent
from napari_medrefine.superres.run_folder import (
    FAITHFUL,
    RECORD,
    RunRecord,
    read_run,
    split_sample,
)
from napari_medrefine.widgets._layers import KEY
from napari_medrefine.widgets._model_choice import shelf_of
from napari_medrefine.widgets._panel import (
    Panel,
    folder_edit,
    keep_low,
    path_in,
    row,
    wrapped_label,
)
from napari_medrefine.widgets._train_course import Course
from napari_medrefine.widgets._train_job import TrainingPanel
from napari_medrefine.widgets._train_samples import COLUMNS, epoch_of
from napari_medrefine.widgets._train_settings import TrainingSettings
from napari_medrefine.widgets._train_words import (
    describe_new,
    describe_result,
    describe_source,
    describe_use,
    free_folder,
    is_there,
)

START = "Press 'Start'. 'Stop' keeps what was learned until then; 'Resume' goes on with it."
CHOOSE = "Choose a prepared dataset, or a folder with one sub-folder of photos per slide."
WIDTH, MESSAGE = 340, 100  # pixels that the controls need, and the height of the message
PLUGIN, MAGNIFY = "napari-medrefine", "Magnify & sharpen"


class TrainWidget(Panel):
    """Train a network on one's own photos, watch it learn, and use it.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer or napari.components.ViewerModel
        The viewer in which the network is then used.
    """

    def __init__(self, napari_viewer: Any) -> None:
        self._viewer = napari_viewer
        self._suggested = ""  # the run folder that we proposed
        self._run: RunRecord | None = None  # of the training in the run folder
        self._make_choices()
        self._make_views()
        super().__init__(
            [
                self.dataset,
                self.found,
                *self.settings.widgets,
                self.output,
                self.state,
                self.fresh,
                *self.settings.folded.widgets,
                self.job,
                self.job.message,
                row(self.use, self.layers),
                self.course.widget,
            ],
            least=WIDTH,
        )
        keep_low(self.job.message, MESSAGE)
        self.body.native.layout().addStretch()  # or what is there would spread over the panel
        self._connect()
        self._refresh()
        self.job.say(CHOOSE)

    def _make_choices(self) -> None:
        self.dataset = folder_edit("Dataset", CHOOSE)
        self.found = wrapped_label("What is taken for training")
        self.settings = TrainingSettings()
        self.output = folder_edit(
            "Run folder",
            "Where weights, samples, log and checkpoint go; choose the folder of an earlier "
            "training to look at it, use it or resume it",
        )
        self.state = wrapped_label("What is in the run folder")
        self.fresh = PushButton(
            text="New run folder", visible=False,
            tooltip="Propose a folder that does not exist yet, for another training",
        )  # fmt: skip
        self.job = TrainingPanel()

    def _make_views(self) -> None:
        self.course = Course()
        self.use = PushButton(
            text="Use this model",
            tooltip="Let 'Magnify & sharpen' run the weights of this run folder",
        )
        self.layers = PushButton(
            text="Open as layers",
            tooltip="Add the sample picture in sight as three layers on the same place: input, "
            "generated and sharp",
        )

    def _connect(self) -> None:
        self.dataset.changed.connect(self._dataset_chosen)
        self.settings.task.changed.connect(self._suggest)
        self.output.changed.connect(self._folder_chosen)
        self.fresh.changed.connect(self._new_folder)
        self.job.start.changed.connect(self.start)
        self.job.resume.changed.connect(self.resume)
        self.use.changed.connect(self.use_model)
        self.layers.changed.connect(self.open_layers)

    def _dataset_chosen(self) -> None:
        path = path_in(self.dataset)
        if self._tell_source(path) and not self.job.running:
            self.job.say(START)
        moved = self._run is not None and not self._run.dataset.exists()
        if self._run is not None and path != self._run.dataset and not moved:
            self._new_folder()  # another dataset, another training
        else:
            self._suggest()

    def _suggest(self) -> None:
        """Propose a new run folder, unless the user has chosen one."""
        dataset, there = path_in(self.dataset), self.output.line_edit.value.strip()
        if dataset is None or self._run is not None or there != self._suggested:
            return
        self._suggested = str(free_folder(dataset, self.settings.task.value))
        self.output.value = self._suggested

    def _new_folder(self) -> None:
        self._run = None
        self._suggested = self.output.line_edit.value.strip()
        self._suggest()

    def _folder_chosen(self) -> None:
        """Show what is in the run folder, and whether it is new or to be resumed."""
        if self.job.running:
            return
        folder = path_in(self.output)
        self._run = None
        self.course.clear()
        try:
            if folder is not None and is_there(folder, RECORD):
                run = read_run(folder)
                self.course.read(folder, run.config.epochs)
                self._run = run
                self._take_over(run)
            self.state.value = self._describe_state(folder)
        except MedRefineError as error:
            self.state.value = str(error)
        self._refresh()

    def _take_over(self, run: RunRecord) -> None:
        with self.dataset.changed.blocked(), self.settings.task.changed.blocked():
            self.settings.show(run.config)
            if run.dataset.exists() or path_in(self.dataset) is None:
                self.dataset.value = run.dataset
        self._tell_source(path_in(self.dataset))

    def _tell_source(self, path: Path | None) -> bool:
        """Show what lies at `path`; return whether one can train on it."""
        self.found.value, good = ("", False) if path is None else describe_source(path)
        return good

    def _describe_state(self, folder: Path | None) -> str:
        if folder is None:
            return ""
        if self._run is None:
            return describe_new(folder)
        history = self.course.history
        done, planned = len(history.epochs), history.planned
        if self._run.finished:
            return f"A finished training of {done} epochs. For another one, take a new run folder."
        return f"A training that was stopped after epoch {done} of {planned}: press 'Resume'."

    def start(self) -> None:
        """Begin the training in its new folder."""
        try:
            dataset, folder = self._paths()
            config = self.settings.config()
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        self._go(dataset, folder, config)

    def resume(self) -> None:
        """Go on with the training in the run folder, with the settings it began with."""
        try:
            dataset, folder = self._paths()
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        self._go(dataset, folder, None)

    def _go(self, dataset: Path, folder: Path, config: TrainingConfig | None) -> None:
        self.job.run(dataset, folder, config, on_events=self._take, on_end=self._ended)
        if not self.job.running:
            return
        if config is not None:
            self.course.expect(config.epochs)
        self.state.value = "The training writes to this folder."
        self._refresh()

    def _paths(self) -> tuple[Path, Path]:
        dataset, folder = path_in(self.dataset), path_in(self.output)
        if dataset is None:
            raise MedRefineError(CHOOSE)
        if folder is None:
            raise MedRefineError("Choose a run folder first: weights and samples go there.")
        return dataset, folder

    def _take(self, events: list[TrainingEvent]) -> None:
        folder = path_in(self.output)
        try:
            if folder is not None:  # nobody can change it while it runs
                self.course.take(events, folder)
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
        if any(event.sample for event in events):
            self._refresh()

    def _ended(self, outcome: Outcome) -> None:
        self._folder_chosen()
        if isinstance(outcome, Failed):
            self.job.say(outcome.sentence, problem=True)
        elif isinstance(outcome, Stopped):
            self.job.say(self._describe_stop())
        else:
            self.job.say(describe_result(self.course.history))

    def _describe_stop(self) -> str:
        if self._run is None:
            return "Stopped before the training had begun; nothing was written."
        history = self.course.history
        return (
            f"Stopped after epoch {len(history.epochs)} of {history.planned}. A checkpoint is kept "
            f"in {self.output.value}: press 'Resume' to go on, now or after napari was closed."
        )

    def use_model(self) -> None:
        """Let *Magnify & sharpen* run the weights of the run folder, and show that widget."""
        folder = path_in(self.output)
        try:
            if folder is None:
                raise MedRefineError("Choose a run folder first.")
            shelf_of(self._viewer).use(folder)
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        window = getattr(self._viewer, "window", None)
        if window is not None:
            window.add_plugin_dock_widget(PLUGIN, MAGNIFY, tabify=True)
        self.job.say(describe_use(folder.name, self.course.history))

    def open_layers(self) -> None:
        """Add the sample picture in sight as layers on the same place, to compare by blinking."""
        path = self.course.samples.shown
        if path is None:
            return
        try:
            with Pillow.open(path) as picture:
                parts = split_sample(np.asarray(picture.convert("RGB")))
        except OSError as error:
            self.job.say(f"Cannot read {path}: {error}.", problem=True)
            return
        title = f"{path.parents[1].name} epoch {epoch_of(path)}"
        added = []
        for name, part in zip(COLUMNS, parts, strict=True):
            about = {"made_from_file": str(path)}
            if name == "generated":
                about["warning"] = NOT_FOR_DIAGNOSIS
            added.append(
                self._viewer.add_image(
                    part.copy(), rgb=True, name=f"{title} · {name}", metadata={KEY: about}
                )
            )
        self._viewer.fit_to_view(layers=added)

    def _refresh(self) -> None:
        """Allow what is possible now."""
        idle, folder = not self.job.running, path_in(self.output)
        self.job.start.enabled = idle and self._run is None
        self.job.resume.enabled = idle and self._run is not None and not self._run.finished
        self.fresh.visible = idle and self._run is not None
        self.settings.allow(changes=idle and self._run is None)
        self.dataset.enabled = self.output.enabled = idle
        self.use.enabled = folder is not None and is_there(folder, FAITHFUL)
        self.layers.enabled = bool(self.course.samples.paths)

    def _parent_changed(self, parent: object) -> None:
        if parent is None and self.job.running:
            show_info("The training stops; its checkpoint stays, to resume from.")
        super()._parent_changed(parent)
