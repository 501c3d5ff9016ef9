"""Where networks run and in what precision.

A training may take what a short measurement shows to be fastest; magnifying and sharpening go by
what the processor says of itself, so that an image has the same result on every run.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from napari_medrefine.errors import MedRefineError

Dtype = Literal["float32", "bfloat16"]
Wanted = Literal["auto", "float32", "bfloat16"]
Device = Literal["automatic", "cpu", "cuda", "mps"]
M = TypeVar("M", bound=nn.Module)
_device: Device = "automatic"
_AMPERE = 8  # the first GPUs with bfloat16 are of compute capability 8.0
_CPU_TESTS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # none of them is public
_ROUNDS = 5
_WORTH_IT = 0.9  # bf16 loses three digits: it must save a tenth of the time at least


@dataclass(frozen=True, slots=True)
class Precision:
    """A device, the dtype of its convolutions, and the order of values in memory."""

    device: str = "cpu"
    dtype: Dtype = "float32"
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


def choose_precision(wanted: Wanted = "auto") -> Precision:
    """Return what is fastest here, on a CPU by about 50 ms of measuring; never float16 there.

    Parameters
    ----------
    wanted : {"auto", "float32", "bfloat16"}
        A dtype, where the result must not depend on how busy the machine happens to be.
    """
    if torch.cuda.is_available():
        dtype: Dtype = "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
        return Precision("cuda", dtype if wanted == "auto" else wanted, channels_last=True)
    if torch.backends.mps.is_available():
        return Precision("mps", "float32" if wanted == "auto" else wanted)
    if wanted != "auto":
        return Precision(dtype=wanted, channels_last=True)
    return _measured()


def use_device(name: Device) -> None:
    """Let trained generators run on this device from now on; "automatic": on the fastest one.

    Raises
    ------
    MedRefineError
        If there is none.
    """
    there = {
        "automatic": True,
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(name, False):
        raise MedRefineError(
            f"The networks cannot run on '{name}': PyTorch finds no such device here; choose "
            "another in napari's preferences."
        )
    global _device  # noqa: PLW0603 - of the process, as the devices are
    _device = name


def use_threads(count: int) -> None:
    """Let networks that are run from the present thread use so many processor cores."""
    torch.set_num_threads(count)


def inference_precision() -> Precision:
    """Return where and in what dtype a trained generator runs here; never float16 on a CPU.

    On the fastest device, or the one chosen with `use_device`. bfloat16 where the processor
    computes in it, as told by torch (a version that does not know counts as no); float32 elsewhere,
    where bfloat16 would be emulated and slower.
    """
    if _device in ("automatic", "cuda") and torch.cuda.is_available():
        built_in = torch.cuda.get_device_capability()[0] >= _AMPERE
        return Precision("cuda", "bfloat16" if built_in else "float32", channels_last=True)
    if _device in ("automatic", "mps") and torch.backends.mps.is_available():
        return Precision("mps", channels_last=True)
    return Precision("cpu", "bfloat16" if _cpu_has_bfloat16() else "float32", channels_last=True)


def _cpu_has_bfloat16() -> bool:
    tests = (getattr(torch.cpu, name, None) for name in _CPU_TESTS)
    return torch.backends.mkldnn.is_available() and any(test() for test in tests if test)


def _measured() -> Precision:
    choices = (
        Precision(),
        Precision(channels_last=True),
        Precision(dtype="bfloat16", channels_last=True),
    )
    with torch.random.fork_rng(devices=[]):
        trials = [_Trial(choice) for choice in choices]
    for _ in range(_ROUNDS):  # in turn: another process' burst then slows all of them
        for trial in trials:
            trial.run()
    plain, ordered, half = (trial.seconds for trial in trials)
    if half < _WORTH_IT * min(plain, ordered):
        return choices[2]
    return choices[1] if ordered < plain else choices[0]


def available(precision: Precision) -> Precision:
    """Return `precision` itself, or on another machine than it was chosen for, a new choice."""
    there = {"cpu": True, "cuda": torch.cuda.is_available()}
    if there.get(precision.device, torch.backends.mps.is_available()):
        return precision
    return choose_precision()


class _Trial:
    """A little network like ours, forwards and backwards; the fastest of its runs."""

    def __init__(self, precision: Precision) -> None:
        layers = [nn.Conv2d(48, 48, 3, padding=1, bias=False) for _ in range(3)]
        self.precision, self.seconds = precision, float("inf")
        self.network = precision.network(nn.Sequential(*layers))
        self.images = precision.tensor(torch.full((1, 48, 32, 32), 0.5))

    def run(self) -> None:
        began = time.perf_counter()
        with self.precision.autocast():
            result = self.network(self.images)
        result.float().square().mean().backward()
        self.seconds = min(self.seconds, time.perf_counter() - began)
