"""The controls that say how to train: task and epochs, and what is folded away."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, SpinBox
from pydantic import ValidationError

from napari_medrefine._records import first_problem
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.events import TrainingConfig
from napari_medrefine.widgets._fold import Fold

TASKS = [("magnify (x2, x3, x4)", "magnify"), ("sharpen, same size", "sharpen")]
USUAL = TrainingConfig()


class TrainingSettings:
    """A `TrainingConfig` as controls; `widgets` in the order to show them."""

    def __init__(self) -> None:
        self.task = ComboBox(
            label="Task", choices=TASKS,
            tooltip="Magnify: more pixels, one network for 2, 3 and 4 times. Sharpen: as many "
            "pixels, less blur",
        )  # fmt: skip
        self.epochs = SpinBox(
            label="Epochs", value=USUAL.epochs, min=1, max=100_000,
            tooltip="How many times about all pixels of the training tiles are seen",
        )  # fmt: skip
        self._make_folded()
        self.widgets = (self.task, self.epochs)

    def _make_folded(self) -> None:
        self.gan = CheckBox(
            text="GAN in the last third", value=True,
            tooltip="Train the last third of the epochs against a discriminator: natural texture, "
            "for a realism above 0. The faithful weights are kept beside it",
        )  # fmt: skip
        self.steps = _or_usual(
            FloatSpinBox(
                label="Steps per epoch", value=0, min=0, max=10_000_000,
                tooltip="Batches in an epoch; 'automatic': as many as show each pixel about once",
            )
        )  # fmt: skip
        self.batch = _or_usual(
            FloatSpinBox(
                label="Batch", value=0, min=0, max=4096,
                tooltip="Crops per step; fewer need less memory (automatic: 16; sharpen: 8)",
            )
        )  # fmt: skip
        self.crop = _or_usual(
            FloatSpinBox(
                label="Crop", value=0, min=0, max=4096, step=8,
                tooltip="Side of a crop in pixels of the input, even, at least 8 (automatic: 48; "
                "sharpen: 128)",
            )
        )  # fmt: skip
        self.rate = FloatSpinBox(
            label="Learning rate", value=USUAL.learning_rate, min=1e-6, max=1, step=1e-4,
            tooltip="The highest of the first stage; the second begins with a tenth",
        )  # fmt: skip
        self.rate.native.setDecimals(6)
        self.patience = SpinBox(
            label="Patience", value=USUAL.patience, min=1, max=100_000,
            tooltip="The first stage ends after so many epochs in a row without a better "
            "validation loss",
        )  # fmt: skip
        self.held_out = FloatSpinBox(
            label="Held out", value=USUAL.held_out, min=0.01, max=0.99, step=0.05,
            tooltip="Share of the slides that only judge, where a folder of photos is not split; "
            "a prepared dataset has a split of its own",
        )  # fmt: skip
        self.seed = SpinBox(
            label="Seed", value=USUAL.seed, min=0, max=2**31 - 1,
            tooltip="Of the first weights, of the crops, and of which slides are held out",
        )  # fmt: skip
        self.precision = ComboBox(
            label="Precision", choices=["auto", "float32", "bfloat16"],
            tooltip="Of the arithmetic; auto is what a short measurement finds fastest here",
        )  # fmt: skip
        self.folded = Fold(
            "Advanced", "Show or hide the settings that seldom need a change",
            (
                self.gan, self.steps, self.batch, self.crop, self.rate, self.patience,
                self.held_out, self.seed, self.precision,
            ),
        )  # fmt: skip

    def config(self) -> TrainingConfig:
        """Return what the controls say.

        Raises
        ------
        MedRefineError
            If that is impossible.
        """
        settings: dict[str, Any] = {
            "task": self.task.value,
            "epochs": self.epochs.value,
            "adversarial": USUAL.adversarial if self.gan.value else 0.0,
            "steps_per_epoch": round(self.steps.value) or None,
            "batch": round(self.batch.value) or None,
            "crop": round(self.crop.value) or None,
            "learning_rate": self.rate.value,
            "patience": self.patience.value,
            "held_out": self.held_out.value,
            "seed": self.seed.value,
            "precision": self.precision.value,
        }
        try:
            return TrainingConfig(**settings)
        except ValidationError as error:
            raise MedRefineError(
                f"These settings are impossible: {first_problem(error)}."
            ) from error

    def show(self, config: TrainingConfig) -> None:
        """Show the settings of a training."""
        self.task.value, self.epochs.value = config.task, config.epochs
        self.gan.value = config.adversarial > 0
        self.steps.value = config.steps_per_epoch or 0
        self.batch.value, self.crop.value = config.batch or 0, config.crop or 0
        self.rate.value, self.patience.value = config.learning_rate, config.patience
        self.held_out.value, self.seed.value = config.held_out, config.seed
        self.precision.value = config.precision

    def allow(self, *, changes: bool) -> None:
        """Let the controls be changed, or not: a training keeps the settings it began with."""
        for control in (self.task, self.epochs, *self.folded.controls):
            control.enabled = changes


def _or_usual(box: FloatSpinBox) -> FloatSpinBox:
    """Let a box say 'automatic' in place of 0, which magicgui's box for whole numbers cannot."""
    box.native.setSpecialValueText("automatic")
    box.native.setDecimals(0)
    return box
