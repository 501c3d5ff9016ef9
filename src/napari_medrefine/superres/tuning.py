"""One fine-tuning from the shipped weights: a batch at a time, and its running mean."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.generator import Trunk
from napari_medrefine.superres.learning_events import LearningConfig
from napari_medrefine.superres.photo_pairs import CONTEXT, Crop, PhotoPair, enlarged

_WARM = 20  # batches over which the learning rate rises
_SLOWEST = 0.97  # of the running mean: about the last 30 batches
_CLIP = 0.5
_SMALLER = 0.3  # weight of the errors at the smaller scales beside that at the largest
_BETAS = (0.9, 0.99)


class Tuning:
    """A network that is being fine-tuned.

    The squared error is what PSNR measures. All scales are learned at once, of one pass of the
    trunk: otherwise the heads that are not trained would no longer fit to it.

    Parameters
    ----------
    start : Trunk
        The weights to begin with; they stay as they are.
    config : LearningConfig
        Crops, learning rate and seed.
    pairs : sequence of PhotoPair
        To learn from.
    """

    def __init__(self, start: Trunk, config: LearningConfig, pairs: Sequence[PhotoPair]) -> None:
        self.config, self.pairs, self.step = config, pairs, 0
        self.network = copy.deepcopy(start).float().requires_grad_(requires_grad=True)
        self.average = copy.deepcopy(start).float().requires_grad_(requires_grad=False)
        self.optimiser = torch.optim.Adam(self.network.parameters(), betas=_BETAS)

    def batch(self) -> Iterator[None]:
        """Learn from one batch; between its crops it may be left, as if it had not begun."""
        rng = np.random.default_rng((self.config.seed, self.step))
        self.optimiser.zero_grad()
        for _ in range(self.config.batch):
            pair = self.pairs[int(rng.integers(len(self.pairs)))]
            crop = pair.crop(self.config.crop, self.network.scales, rng)
            (self._loss(crop) / self.config.batch).backward()
            yield
        self._take_step()

    def _loss(self, crop: Crop) -> Tensor:
        outputs = enlarged(self.network, crop.given, self.network.scales)
        largest = max(outputs)
        total = crop.given.new_zeros(())
        for scale, output in outputs.items():
            edge = CONTEXT * scale
            error = (output[..., edge:-edge, edge:-edge] - crop.truths[scale]) ** 2
            mask = crop.mask.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
            mean = (error * mask).sum() / (3 * mask.sum()).clamp_min(1)
            total = total + (1.0 if scale == largest else _SMALLER) * mean
        return total

    def _take_step(self) -> None:
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP)
        if not math.isfinite(norm.item()):
            raise MedRefineError(
                "The fine-tuning has come apart (the loss is no longer a number), and nothing was "
                "kept; try a smaller learning rate."
            )
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * min(1.0, (self.step + 1) / _WARM)
        self.optimiser.step()
        self.step += 1
        keep = min(_SLOWEST, self.step / (10 + self.step))
        with torch.no_grad():
            both = zip(self.average.parameters(), self.network.parameters(), strict=True)
            for mean, new in both:
                mean.lerp_(new, 1 - keep)

    def state(self) -> dict[str, Any]:
        """Return all that a checkpoint needs."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the `state` of a checkpoint."""
        self.step = int(state["step"])
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
