"""Where a training runs and in what precision: measured on a CPU, known on a GPU."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)
_WORTH_IT = 0.9  # bf16 loses three digits: it must save a tenth of the time at least


@dataclass(frozen=True, slots=True)
class Precision:
    """A device, the dtype of its convolutions, and the order of values in memory."""

    device: str = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = False

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context to run the networks in."""
        enabled = self.dtype == "bfloat16"
        return torch.autocast(self.device, torch.bfloat16, enabled=enabled)

    def network(self, network: M) -> M:
        """Return `network` on the device, its weights in order."""
        moved: M = network.to(device=self.device)
        return moved.to(memory_format=self._format)  # type: ignore[no-any-return, call-overload]

    def tensor(self, images: Tensor) -> Tensor:
        """Return `images` ``(N, C, H, W)`` on the device, in order."""
        return images.to(self.device).contiguous(memory_format=self._format)

    @property
    def _format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format


def choose_precision() -> Precision:
    """Return what is fastest here; on a CPU by about 50 ms of measuring, never float16."""
    if torch.cuda.is_available():
        return Precision("cuda", "bfloat16" if torch.cuda.is_bf16_supported() else "float32", True)
    if torch.backends.mps.is_available():
        return Precision("mps")
    plain, ordered, half = (
        (choice, _seconds(choice))
        for choice in (
            Precision(),
            Precision(channels_last=True),
            Precision(dtype="bfloat16", channels_last=True),
        )
    )
    best, seconds = min(plain, ordered, key=lambda pair: pair[1])
    return half[0] if half[1] < _WORTH_IT * seconds else best


def available(precision: Precision) -> Precision:
    """Return `precision` itself, or on another machine than it was chosen for, a new choice."""
    there = {"cpu": True, "cuda": torch.cuda.is_available()}
    if there.get(precision.device, torch.backends.mps.is_available()):
        return precision
    return choose_precision()


def _seconds(precision: Precision, repeats: int = 3) -> float:
    with torch.random.fork_rng(devices=[]):
        network = precision.network(nn.Conv2d(48, 48, 3, padding=1, bias=False))
        images = precision.tensor(torch.randn(2, 48, 64, 64)).requires_grad_()
    seconds = []
    for _ in range(repeats + 1):  # the first one warms up
        began = time.perf_counter()
        with precision.autocast():
            result = network(images)
        result.float().square().mean().backward()
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])
