"""The course of a training in sight: two charts, and the sample pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from magicgui.widgets import Container
from qtpy.QtWidgets import QWidget

from napari_medrefine.superres.events import TrainingEvent
from napari_medrefine.superres.run_folder import read_log, samples_in
from napari_medrefine.widgets._train_chart import Chart
from napari_medrefine.widgets._train_history import History
from napari_medrefine.widgets._train_samples import Samples


class Course:
    """Follows one training at a time; `widget` is what to show."""

    def __init__(self) -> None:
        self.history = History()
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
        self.widget = _stacked(self.loss, self.quality, self.samples)
        self.clear()

    def clear(self) -> None:
        """Show nothing, and take no room."""
        self.expect(0)
        self.widget.visible = False

    def expect(self, epochs: int) -> None:
        """Make ready for a new training of so many epochs."""
        self.history = History(planned=epochs)
        self._show_curves()
        self._offer([])
        self.widget.visible = True

    def read(self, folder: Path, planned: int) -> None:
        """Show what the folder of a run tells.

        Raises
        ------
        MedRefineError
            If its log is damaged.
        """
        self.history = History.of(read_log(folder), planned)
        self._show_curves()
        self._offer(samples_in(folder))
        self.widget.visible = bool(self.history.epochs)

    def take(self, events: Sequence[TrainingEvent], folder: Path) -> None:
        """Add what the training in `folder` reported.

        Raises
        ------
        MedRefineError
            If its log is damaged.
        """
        for event in events:
            if not event.losses:  # it has just begun, or goes on
                self.read(folder, event.epochs)
                self.history.begin_at(event)
                self.widget.visible = True
            self.history.take(event)
        self._show_curves()
        if any(event.sample for event in events):
            self._offer(samples_in(folder))

    def _show_curves(self) -> None:
        history = self.history
        self.loss.show_curves(history.losses(), history.planned, history.adversarial_from)
        self.quality.show_curves(history.quality(), history.planned, history.adversarial_from)
        self.quality.setVisible(bool(history.epochs))

    def _offer(self, samples: Sequence[Path]) -> None:
        self.samples.offer(samples)
        self.samples.setVisible(bool(samples))


def _stacked(*widgets: QWidget) -> Container:
    container = Container(labels=False)
    container.margins = (0, 0, 0, 0)
    for widget in widgets:
        container.native.layout().addWidget(widget)
    return container
