"""Start, Stop and Resume for a training in a process of its own, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from magicgui.widgets import PushButton
from qtpy.QtCore import QTimer

from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import say_duration
from napari_medrefine.superres.background import BackgroundTraining, Outcome, Ready
from napari_medrefine.superres.events import TrainingConfig, TrainingEvent
from napari_medrefine.widgets._panel import wrapped_label
from napari_medrefine.widgets._progress_panel import ProgressPanel

EVERY = 100  # milliseconds between two looks at what the training reports
STOPPING = "Stopping after the current step; a checkpoint is kept ..."


class TrainingPanel(ProgressPanel):
    """The buttons and the progress of a training."""

    def __init__(self) -> None:
        self._training: BackgroundTraining | None = None
        self.start = PushButton(
            text="Start", tooltip="Train in the background; napari can be used meanwhile"
        )
        self.cancel = PushButton(
            text="Stop", enabled=False,
            tooltip="Stop after the current step; a checkpoint is kept, to resume from",
        )  # fmt: skip
        self.resume = PushButton(
            text="Resume", enabled=False,
            tooltip="Go on with the training in the run folder, to the same result as if it had "
            "never stopped",
        )  # fmt: skip
        self.progress = wrapped_label("Where the training is, and how long it still takes")
        buttons = (self.start, self.cancel, self.resume)
        super().__init__(buttons, "How much of the training is done", [self.progress])
        self.progress.visible = False
        self.cancel.changed.connect(self.stop)
        self._timer = QTimer(self.native)
        self._timer.setInterval(EVERY)
        self._timer.timeout.connect(self._look)

    @property
    def running(self) -> bool:
        """Whether a training is under way."""
        return self._training is not None

    def run(
        self,
        dataset: Path,
        folder: Path,
        config: TrainingConfig | None,
        *,
        on_events: Callable[[list[TrainingEvent]], object],
        on_end: Callable[[Outcome], object],
    ) -> None:
        """Start a training, or with no `config` resume the one in `folder`.

        Parameters
        ----------
        dataset, folder, config
            As for `BackgroundTraining`.
        on_events : callable
            Gets what was reported since the last call, several times a second at most.
        on_end : callable
            Gets how it ended; not when the widget is gone by then.
        """
        if self.running:
            return
        try:
            training = BackgroundTraining(dataset, folder, config, resume=config is None)
        except MedRefineError as error:
            self.say(str(error), problem=True)
            return
        self._training, self._on_events, self._on_end = training, on_events, on_end
        self.start.enabled, self.resume.enabled, self.cancel.enabled = False, False, True
        self.bar.min, self.bar.max = 0, 0  # busy, until the first step is done
        self.bar.visible = self.progress.visible = True
        self.progress.value = "Loading the network and the tiles ..."
        self.message.value = ""
        self._timer.start()

    def stop(self) -> None:
        """Ask the running training to stop at its next step; it does so though nobody waits."""
        if self._training is not None and self.alive and self.cancel.enabled:
            self.cancel.enabled = False
            self.progress.value = STOPPING
            self._training.stop()

    def _look(self) -> None:
        training = self._training
        if training is None:
            return
        events = []
        for report in training.poll():
            if isinstance(report, Ready):
                self.say(report.text)
            else:
                events.append(report)
        if events:
            self._tell(events[-1])
            self._on_events(events)
        if training.outcome is not None:
            self._ended(training.outcome)

    def _tell(self, event: TrainingEvent) -> None:
        self.bar.max, self.bar.value = max(1, event.total), min(event.done, event.total)
        if not self.cancel.enabled:
            return  # it says that it is stopping
        left = "" if event.seconds_left is None else f" · {say_duration(event.seconds_left)} left"
        stage = ", adversarial" if event.stage == "adversarial" else ""
        self.progress.value = f"Epoch {max(1, event.epoch)} of {event.epochs}{stage}{left}"

    def _ended(self, outcome: Outcome) -> None:
        self._timer.stop()
        self._training = None
        self.cancel.enabled = False
        self.bar.visible = self.progress.visible = False
        self._on_end(outcome)

    def _forget(self) -> None:
        super()._forget()
        if self._training is not None:
            self._training.stop()
            self._training = None
