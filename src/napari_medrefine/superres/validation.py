"""The held-out slides' verdict on a generator, on the same crops after every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from napari_medrefine.superres import losses
from napari_medrefine.superres.data import Batch, MagnifyPairs, SharpenPairs, Tile
from napari_medrefine.superres.events import TrainingConfig
from napari_medrefine.superres.generator import Generator, interpolate
from napari_medrefine.superres.precision import Precision
from napari_medrefine.superres.samples import save_sample

_OTHER_SEED = 1_000_003  # held-out crops are drawn apart from those trained on
_SHOWN = 3


def make_pairs(
    tiles: Sequence[Tile], config: TrainingConfig, *, batch: int, steps: int, seed: int
) -> MagnifyPairs:
    """Return `steps` batches of `batch` crops of `tiles` for the task of `config`."""
    kind = SharpenPairs if config.task == "sharpen" else MagnifyPairs
    return kind(tiles, config.enlargements, batch, config.crops[1], seed, steps)


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over the held-out crops: Charbonnier loss, and PSNR in dB with and without network."""

    loss: float
    psnr: float
    plain_psnr: float


class Validation:
    """Held-out batches, kept ready.

    Parameters
    ----------
    tiles : sequence of Tile
        Of slides that are not trained on.
    config : TrainingConfig
        Decides task, crops and seed.
    precision : Precision
        Where to compute; always in float32.
    """

    def __init__(self, tiles: Sequence[Tile], config: TrainingConfig, precision: Precision) -> None:
        self.precision = precision
        steps, batch = config.validation_steps, min(8, config.crops[0])
        pairs = make_pairs(tiles, config, batch=batch, steps=steps, seed=config.seed + _OTHER_SEED)
        self.batches: list[Batch] = [pairs[step] for step in range(steps)]

    @torch.no_grad()
    def scores(self, generator: Generator) -> Scores:
        """Return how near `generator` comes to the held-out crops."""
        loss, psnr, plain = [], [], []
        for batch in self.batches:
            blurred = self.precision.tensor(batch.blurred)
            sharp = self.precision.tensor(batch.sharp)
            output = generator(blurred, batch.scale)
            loss.append(losses.charbonnier(output, sharp))
            psnr.append(_psnr(output, sharp))
            plain.append(_psnr(interpolate(blurred, batch.scale), sharp))
        means = (torch.stack(part).mean().item() for part in (loss, psnr, plain))
        return Scores(*means)

    @torch.no_grad()
    def save_sample(self, generator: Generator, path: Path) -> None:
        """Write a picture of the first crops of the greatest scale: input, generated, sharp."""
        batch = max(self.batches, key=lambda each: each.scale)
        blurred = self.precision.tensor(batch.blurred[:_SHOWN])
        save_sample(path, blurred, generator(blurred, batch.scale), batch.sharp[:_SHOWN])


def _psnr(image: Tensor, sharp: Tensor) -> Tensor:
    error = (image.clamp(0, 1) - sharp).square().flatten(1).mean(1)
    return (-10 * torch.log10(error.clamp_min(1e-10))).mean()
