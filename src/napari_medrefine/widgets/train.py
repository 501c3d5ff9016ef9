"""The *Train* widget: a network of one's own, trained while one goes on working in napari."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from magicgui.widgets import Container, FileEdit, PushButton
from napari.utils.notifications import show_info
from PIL import Image as Pillow
from qtpy.QtWidgets import QWidget

from napari_medrefine.dataset import MANIFEST
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.background import Failed, Outcome, Stopped
from napari_medrefine.superres.events import TrainingConfig, TrainingEvent
from napari_medrefine.superres.run_folder import (
    FAITHFUL,
    RECORD,
    RunRecord,
    read_log,
    read_run,
    samples_in,
    split_sample,
)
from napari_medrefine.widgets._generating import NOT_FOR_DIAGNOSIS
from napari_medrefine.widgets._layers import KEY
from napari_medrefine.widgets._model_choice import shelf_of
from napari_medrefine.widgets._panel import Panel, keep_low, row, wrapped_label
from napari_medrefine.widgets._train_chart import Chart
from napari_medrefine.widgets._train_history import History
from napari_medrefine.widgets._train_job import TrainingPanel
from napari_medrefine.widgets._train_samples import COLUMNS, Samples, epoch_of
from napari_medrefine.widgets._train_settings import TrainingSettings

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
        self._history = History()
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
                self.settings.more,
                *self.settings.folded,
                self.job,
                self.job.message,
                row(self.use, self.layers),
                self.views,
            ]
        )
        keep_low(self.job.message, MESSAGE)
        self.body.native.layout().addStretch()  # or what is there would spread over the panel
        self.native.setMinimumWidth(WIDTH)
        self._connect()
        self._refresh()
        self.job.say(CHOOSE)

    def _make_choices(self) -> None:
        self.dataset = FileEdit(label="Dataset", mode="d", tooltip=CHOOSE)
        self.found = wrapped_label("What is taken for training")
        self.settings = TrainingSettings()
        self.output = FileEdit(
            label="Run folder", mode="d",
            tooltip="Where weights, samples, log and checkpoint go; choose the folder of an "
            "earlier training to look at it, use it or resume it",
        )  # fmt: skip
        for edit in (self.dataset, self.output):
            edit.choose_btn.text, edit.choose_btn.tooltip = "Choose…", edit.tooltip
        self.state = wrapped_label("What is in the run folder")
        self.fresh = PushButton(
            text="New run folder", visible=False,
            tooltip="Propose a folder that does not exist yet, for another training",
        )  # fmt: skip
        self.job = TrainingPanel()

    def _make_views(self) -> None:
        self.loss = Chart(
            "Loss", 4, "adversarial",
            "Mean error of the training crops and of held-out slides, per epoch; the pale line is "
            "within epochs. Lower is better",
        )  # fmt: skip
        self.quality = Chart(
            "PSNR, dB", 2, "",
            "Of held-out slides, with the network and with interpolation alone. Higher is better",
        )  # fmt: skip
        self.samples = Samples()
        self.views = _stacked(self.loss, self.quality, self.samples)
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
        path = _path_in(self.dataset)
        self.found.value = "" if path is None else describe_source(path)
        moved = self._run is not None and not self._run.dataset.exists()
        if self._run is not None and path != self._run.dataset and not moved:
            self._new_folder()  # another dataset, another training
        else:
            self._suggest()

    def _suggest(self) -> None:
        """Propose a new run folder, unless the user has chosen one."""
        dataset, there = _path_in(self.dataset), self.output.line_edit.value.strip()
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
        folder = _path_in(self.output)
        self._run, problem = None, ""
        epochs = []
        if folder is not None and _is_there(folder, RECORD):
            try:
                self._run, epochs = read_run(folder), read_log(folder)
            except MedRefineError as error:
                problem = str(error)
        if self._run is not None:
            self._take_over(self._run)
        self._history = History.of(epochs, self._run.config.epochs if self._run else 0)
        self.state.value = problem or self._describe_state(folder)
        self._show_course()
        self._refresh()

    def _take_over(self, run: RunRecord) -> None:
        with self.dataset.changed.blocked(), self.settings.task.changed.blocked():
            self.settings.show(run.config)
            if run.dataset.exists() or _path_in(self.dataset) is None:
                self.dataset.value = run.dataset
        path = _path_in(self.dataset)
        self.found.value = "" if path is None else describe_source(path)

    def _describe_state(self, folder: Path | None) -> str:
        if folder is None:
            return ""
        if self._run is None:
            return _describe_new(folder)
        done, planned = len(self._history.epochs), self._history.planned
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
        self._history = History(planned=config.epochs)
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
        self.state.value = "The training writes to this folder."
        self._show_course()
        self._refresh()

    def _paths(self) -> tuple[Path, Path]:
        dataset, folder = _path_in(self.dataset), _path_in(self.output)
        if dataset is None:
            raise MedRefineError(CHOOSE)
        if folder is None:
            raise MedRefineError("Choose a run folder first: weights and samples go there.")
        return dataset, folder

    def _take(self, events: list[TrainingEvent]) -> None:
        folder = _path_in(self.output)
        for event in events:
            if not event.losses and folder is not None:  # it has just begun
                self._history = History.of(read_log(folder), event.epochs)
                self._history.begin_at(event)
            self._history.take(event)
        self._show_curves()
        if any(not event.losses or event.sample for event in events):
            self._show_samples()
            self._refresh()

    def _show_course(self) -> None:
        self._show_curves()
        self._show_samples()

    def _show_curves(self) -> None:
        history = self._history
        planned, mark = history.planned, history.adversarial_from
        self.loss.show_curves(history.losses(), planned, mark)
        self.quality.show_curves(history.quality(), planned, mark)
        self.quality.setVisible(bool(history.epochs))
        self.views.visible = self.job.running or bool(history.epochs)

    def _show_samples(self) -> None:
        folder, known = _path_in(self.output), self._run is not None or self.job.running
        self.samples.offer(samples_in(folder) if folder and known else [])
        self.samples.setVisible(bool(self.samples.paths))

    def _ended(self, outcome: Outcome) -> None:
        self._folder_chosen()
        if isinstance(outcome, Failed):
            self.job.say(outcome.sentence, problem=True)
        elif isinstance(outcome, Stopped):
            self.job.say(self._describe_stop())
        else:
            self.job.say(describe_result(self._history))

    def _describe_stop(self) -> str:
        if self._run is None:
            return "Stopped before the training had begun; nothing was written."
        return (
            f"Stopped after epoch {len(self._history.epochs)} of {self._history.planned}. A "
            f"checkpoint is kept in {self.output.value}: press 'Resume' to go on, now or after "
            "napari was closed."
        )

    def use_model(self) -> None:
        """Let *Magnify & sharpen* run the weights of the run folder, and show that widget."""
        folder = _path_in(self.output)
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
        self.job.say(f"'{MAGNIFY}' now runs the network '{folder.name}'.")

    def open_layers(self) -> None:
        """Add the sample picture in sight as layers on the same place, to compare by blinking."""
        path = self.samples.shown
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
        idle, folder = not self.job.running, _path_in(self.output)
        self.job.start.enabled = idle and self._run is None
        self.job.resume.enabled = idle and self._run is not None and not self._run.finished
        self.fresh.visible = idle and self._run is not None
        self.settings.allow(changes=idle and self._run is None)
        self.dataset.enabled = self.output.enabled = idle
        self.use.enabled = folder is not None and _is_there(folder, FAITHFUL)
        self.layers.enabled = bool(self.samples.paths)

    def _parent_changed(self, parent: object) -> None:
        if parent is None and self.job.running:
            show_info("The training stops; its checkpoint stays, to resume from.")
        super()._parent_changed(parent)


def free_folder(dataset: Path, task: str) -> Path:
    """Return a folder beside `dataset` that does not exist yet."""
    beside = dataset.parent if dataset.is_file() else dataset
    number = 1
    while (folder := beside.with_name(f"{beside.name}-{task}-{number}")).exists():
        number += 1
    return folder


def describe_source(path: Path) -> str:
    """Say in a line what would be trained on."""
    if path.is_file() or _is_there(path, MANIFEST):
        return "A prepared dataset, with a split of its own."
    try:
        with os.scandir(path) as entries:
            slides = sum(entry.is_dir() for entry in entries)
    except OSError:
        return "There is no such folder."
    if slides < 2:
        return "This is no prepared dataset, and has no sub-folders of photos, one per slide."
    return f"Not a prepared dataset: its {slides} sub-folders are taken for slides."


def _describe_new(folder: Path) -> str:
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        return f"This folder cannot be read: {error.strerror}."
    if taken:
        return "Something else is in this folder; choose another one."
    return "A new folder."


def describe_result(history: History) -> str:
    """Say what came of a finished training."""
    best = history.chosen
    said = f"Finished: {len(history.epochs)} epochs."
    if best is None:
        return said
    gain = best.psnr - best.plain_psnr
    said += (
        f" Best is epoch {best.epoch}: {best.psnr:.2f} dB on held-out slides, {abs(gain):.2f} dB "
        f"{'more' if gain >= 0 else 'LESS'} than interpolation alone."
    )
    more = "Train for more epochs, or on more slides." if gain < 0 else "Press 'Use this model'."
    return f"{said} {more}"


def _stacked(*widgets: QWidget) -> Container:
    container = Container(labels=False)
    container.margins = (0, 0, 0, 0)
    for widget in widgets:
        container.native.layout().addWidget(widget)
    return container


def _path_in(edit: FileEdit) -> Path | None:
    text = edit.line_edit.value.strip()
    return Path(text).expanduser() if text else None


def _is_there(folder: Path, name: str) -> bool:
    try:
        return (folder / name).is_file()
    except OSError:  # such as a name that is too long
        return False
