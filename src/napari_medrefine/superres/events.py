"""What a training is asked to do, what it reports on the way, and what it leaves behind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_medrefine.progress import Step

Task = Literal["sharpen", "magnify"]
Stage = Literal["pixel", "adversarial", "done"]
Positive = Annotated[int, Field(gt=0)]
_SMALLEST = 16  # pixels a side of a generated crop: what measures its fine detail reaches 6 around


class TrainingConfig(BaseModel):
    """Everything that decides how a training comes out, besides its tiles.

    Attributes
    ----------
    task : {"sharpen", "magnify"}
        Same size (the study's U-Net), or 2, 3 and 4 times as large (the residual trunk).
    epochs : int
        Of both stages together.
    steps_per_epoch : int or None
        Batches per epoch; None: as many as show each pixel of the training tiles about once.
    batch, crop : int or None
        Crops per batch in the first stage (half of it in the second), and the side, even, of a
        crop in pixels of the *input*; None: 8 of 128 to sharpen, 16 of 48 to magnify.
    learning_rate : float
        Highest of the first stage; the second begins with a tenth.
    adversarial : float
        Share of the epochs, at the end, that train against the discriminator; 0: none.
    seed : int
        Of the weights to begin with, of the crops, and of which slides are held out.
    checkpoint_every : int
        Batches between checkpoints; each epoch ends with one, too.
    patience : int
        The first stage ends after this many epochs in a row without a better validation loss.
    validation_steps : int
        Batches of the held-out tiles, the same in every epoch.
    held_out : float
        Share of the slides to hold out, where the dataset itself is not split.
    channels, blocks : int or None
        Width and (of the trunk) depth of the generator; None: what ships.
    scales : tuple of int
        What the trunk learns to magnify by.
    precision : {"auto", "float32", "bfloat16"}
        Of the convolutions; auto is what a measurement finds fastest, so that two runs on a busy
        machine may differ in the last digits (one run and its continuation never do).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: Task = "magnify"
    epochs: Positive = 30
    steps_per_epoch: Positive | None = None
    batch: Positive | None = None
    crop: Annotated[int, Field(ge=8, multiple_of=2)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    adversarial: Annotated[float, Field(ge=0, le=0.9)] = 1 / 3
    seed: Annotated[int, Field(ge=0, lt=2**64)] = 0  # torch takes no larger one
    checkpoint_every: Positive = 100
    patience: Positive = 8
    validation_steps: Positive = 8
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2
    channels: Annotated[int, Field(ge=1, le=1024)] | None = None
    blocks: Annotated[int, Field(ge=1, le=256)] | None = None
    scales: tuple[Annotated[int, Field(ge=2, le=8)], ...] = (2, 3, 4)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.scales:
            raise ValueError("scales is empty")
        side = self.crops[1] * min(self.enlargements)
        if side < _SMALLEST:
            raise ValueError(
                f"crop is too small: its result would have {side} pixels a side, and fine detail "
                f"needs {_SMALLEST}"
            )
        return self

    @property
    def adversarial_epochs(self) -> int:
        """How many epochs, at the end, are adversarial; at least one is not."""
        return min(round(self.epochs * self.adversarial), self.epochs - 1)

    @property
    def crops(self) -> tuple[int, int]:
        """Crops per batch and their side, as chosen or by default."""
        batch, crop = (8, 128) if self.task == "sharpen" else (16, 48)
        return self.batch or batch, self.crop or crop

    @property
    def enlargements(self) -> tuple[int, ...]:
        """The scales of the generator; ``(1,)`` for sharpening."""
        return (1,) if self.task == "sharpen" else self.scales

    def steps_for(self, pixels: int) -> int:
        """Return the batches of an epoch over `pixels` pixels of sharp tiles."""
        batch, crop = self.crops
        side = crop * max(self.enlargements)
        return self.steps_per_epoch or max(1, math.ceil(pixels / (batch * side * side)))


@dataclass(frozen=True, slots=True)
class TrainingEvent(Step):
    """One report of a training: after each batch, and with `validation` after each epoch.

    Attributes
    ----------
    stage : {"pixel", "adversarial", "done"}
        The stage of the batch.
    epoch, epochs : int
        The epoch it belongs to, from 1, and how many there will be.
    losses : mapping
        By name, of the batch; at the end of an epoch their means over it.
    validation, psnr, plain_psnr : float or None
        Of the held-out slides, at the end of an epoch: Charbonnier loss, PSNR in dB, and PSNR of
        interpolation alone.
    seconds_left : float or None
        Estimated.
    sample : Path or None
        The epoch's sample picture.
    """

    stage: Stage = "pixel"
    epoch: int = 0
    epochs: int = 0
    losses: Mapping[str, float] = field(default_factory=dict)
    validation: float | None = None
    psnr: float | None = None
    plain_psnr: float | None = None
    seconds_left: float | None = None
    sample: Path | None = None


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training leaves: weights that ``magnify(..., model=path)`` takes, or ``sharpen``.

    Attributes
    ----------
    folder : Path
        Of the run: weights, samples, log, checkpoint.
    best : Path
        The faithful weights, of the epoch with the best validation loss.
    gan : Path or None
        The weights after the adversarial epochs.
    validation : float
        The best validation loss of the first stage.
    epochs : int
        That were trained (fewer than planned after an early stop).
    """

    folder: Path
    best: Path
    gan: Path | None
    validation: float
    epochs: int
