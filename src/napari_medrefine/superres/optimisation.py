"""The networks of a training and one optimisation step of each stage."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres import losses
from napari_medrefine.superres.data import Batch
from napari_medrefine.superres.discriminator import Discriminator
from napari_medrefine.superres.events import TrainingConfig
from napari_medrefine.superres.generator import Generator, Trunk, UNet
from napari_medrefine.superres.precision import Precision

_CLIP = 0.5
_BETAS = (0.9, 0.99)
# Weights of the second stage beside the pixel loss (squared there, as PSNR is) and the consistency
# (1). The amplitude gives outputs the photos' high-frequency energy at the least cost in PSNR; the
# adversarial loss decides what that energy looks like. With three times the last three the same
# energy cost 0.1 dB more, with thirty times 0.7 dB, and the PSNR fell below back-projection's.
_SQUARED, _AMPLITUDE, _PERCEPTUAL, _FEATURES, _ADVERSARIAL = 12.0, 0.05, 0.01, 0.001, 0.0001
_REPETITION = 30.0  # a grid is seen long before it shows in a pixel loss


class Optimisation:
    """Generator, its running mean, discriminator and their optimisers.

    Parameters
    ----------
    config : TrainingConfig
        Its seed decides the first weights.
    precision : Precision
        Where and how the networks run.
    """

    def __init__(self, config: TrainingConfig, precision: Precision) -> None:
        self.config, self.precision = config, precision
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.generator = precision.network(new_generator(config))
            self.discriminator = precision.network(Discriminator())
            self.perceptual = precision.network(losses.RandomPyramid())
        self.average = copy.deepcopy(self.generator).requires_grad_(requires_grad=False)
        self.faithful = copy.deepcopy(self.average)
        self._restart_optimisers()

    def _restart_optimisers(self) -> None:
        self.of_generator = torch.optim.Adam(self.generator.parameters(), betas=_BETAS)
        self.of_discriminator = torch.optim.Adam(self.discriminator.parameters(), betas=_BETAS)

    def begin_adversarial(self, faithful: dict[str, Tensor]) -> None:
        """Go on from the `faithful` weights with fresh optimisers."""
        self.remember(faithful)
        self.generator.load_state_dict(faithful)
        self.average.load_state_dict(faithful)
        self._restart_optimisers()

    def remember(self, faithful: dict[str, Tensor]) -> None:
        """Take these weights as the faithful ones, which the second stage is measured by."""
        self.faithful.load_state_dict(faithful)

    def pixel_step(self, batch: Batch, done: int, planned: int) -> dict[str, float]:
        """Take one step of the first stage, the pixel loss alone; return the losses.

        Parameters
        ----------
        batch : Batch
            What to learn from.
        done, planned : int
            Steps of this stage before this one, and in all.

        Raises
        ------
        MedRefineError
            If a loss or a gradient is not a finite number; the weights then stay as they were.
        """
        rate = self.config.learning_rate * warm_cosine(done, planned)
        output, truth = self._generate(batch)
        loss = losses.charbonnier(output, truth)
        self._descend(loss, self.of_generator, self.generator, rate)
        self._follow(done, 0.999)
        return {"pixel": loss.item()}

    def adversarial_step(self, batch: Batch, done: int, planned: int) -> dict[str, float]:
        """Take one step of the second stage; see `pixel_step`."""
        rate = self.config.learning_rate / 10 * warm_hold_fall(done, planned)
        output, truth = self._generate(batch)
        judged = self._discriminator_step(output.detach(), truth, 2 * rate)
        self.discriminator.requires_grad_(requires_grad=False)
        parts = self._generator_losses(output, truth, batch)
        self.discriminator.requires_grad_(requires_grad=True)
        total = (
            _SQUARED * parts["squared"]
            + parts["consistency"]
            + _AMPLITUDE * parts["amplitude"]
            + _PERCEPTUAL * parts["perceptual"]
            + _FEATURES * parts["features"]
            + _ADVERSARIAL * parts["adversarial"]
            + _REPETITION * parts["repetition"]
        )
        self._descend(total, self.of_generator, self.generator, rate)
        self._follow(done, 0.995)
        return {name: part.item() for name, part in parts.items()} | {"discriminator": judged}

    def _generate(self, batch: Batch) -> tuple[Tensor, Tensor]:
        truth = self.precision.tensor(batch.sharp)
        with self.precision.autocast():
            output = self.generator(self.precision.tensor(batch.blurred), batch.scale)
        return output.float(), truth

    def _discriminator_step(self, output: Tensor, truth: Tensor, rate: float) -> float:
        with self.precision.autocast():
            of_truth, _ = self.discriminator(truth)
            of_output, _ = self.discriminator(output)
        loss = losses.adversarial(of_truth.float(), of_output.float())
        self._descend(loss, self.of_discriminator, self.discriminator, rate)
        return loss.item()

    def _generator_losses(self, output: Tensor, truth: Tensor, batch: Batch) -> dict[str, Tensor]:
        with self.precision.autocast():
            of_output, seen_output = self.discriminator(output)
            with torch.no_grad():
                of_truth, seen_truth = self.discriminator(truth)
                texture_truth = self.perceptual(truth)
                faithful = self.faithful(self.precision.tensor(batch.blurred), batch.scale)
            texture_output = self.perceptual(output)
        reduction = batch.reduction.to(output.device)
        return {
            "pixel": losses.charbonnier(output, truth),  # only told, to go on with the curve
            "squared": nnf.mse_loss(output, truth),
            "consistency": losses.consistency(output, truth, reduction),
            "amplitude": losses.amplitude(output, truth, faithful.float()),
            "repetition": losses.repetition(output, truth, batch.scale),
            "perceptual": _distance(texture_output, texture_truth),
            "features": _distance(seen_output, seen_truth),
            "adversarial": losses.adversarial(of_output.float(), of_truth.float()),
        }

    def _descend(
        self, loss: Tensor, optimiser: torch.optim.Optimizer, network: nn.Module, rate: float
    ) -> None:
        optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
        if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
            raise MedRefineError(
                "The training has come apart (the loss is no longer a number); what it learned up "
                "to the last checkpoint is kept, try a new run with a smaller learning rate."
            )
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()

    def _follow(self, done: int, slowest: float) -> None:
        keep = min(slowest, (1 + done) / (10 + done))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.generator.parameters(), strict=True)
            for mean, new in pairs:
                mean.lerp_(new, 1 - keep)

    def state(self) -> dict[str, Any]:
        """Return all that a checkpoint needs of the networks and optimisers."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the `state` of a checkpoint."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {
            "generator": self.generator,
            "average": self.average,
            "discriminator": self.discriminator,
            "of_generator": self.of_generator,
            "of_discriminator": self.of_discriminator,
        }


def new_generator(config: TrainingConfig) -> Generator:
    """Return the generator that `config` describes, with random weights."""
    if config.task == "sharpen":
        return UNet(config.channels or 32, 4 if config.blocks is None else config.blocks)
    return Trunk(config.channels or 48, config.blocks or 6, config.scales)


def warm_cosine(done: int, planned: int) -> float:
    """Return the share of the learning rate: up over the first steps, down along a cosine."""
    warm = max(1, min(200, planned // 10))
    return min(1.0, (done + 1) / warm) * 0.5 * (1 + math.cos(math.pi * done / planned)) + 1e-3


def warm_hold_fall(done: int, planned: int) -> float:
    """Return the share of the learning rate: up, level, and down over the last three tenths."""
    warm = max(1, min(50, planned // 10))
    return min(1.0, (done + 1) / warm) * min(1.0, (1 - done / planned) / 0.3) + 1e-3


def _distance(output: list[Tensor], truth: list[Tensor]) -> Tensor:
    return losses.feature_distance([f.float() for f in output], [f.float() for f in truth])
