"""What magnifying costs beside a plain call of the network; the generators, their limit, bfloat16.

usage: python benchmarks/inference.py [--full]
       python benchmarks/inference.py --generators [--side 256] [--seconds 50] [--busy]
       python benchmarks/inference.py --photos ../shared/data/fields/train/giardia

The first prints throughput, memory, first pixels, Cancel and how long napari stands still, each
from a process of its own (slides.py, gui.py; the latter needs a display), in three minutes; with
`--full` memory is that of 20,000 x 20,000 pixels, in ten.

With `--generators`: their speed as a multiple of their arithmetic limit. The limit is the time of
the network's convolutions (their operations counted as it runs) at the rate of one 3x3 convolution
of 48 channels in the same dtype, measured in the same run. Everything is timed in turn, again and
again, and the least of the times counts: others use the machine too. With `--busy`, for a machine
that is never idle: one thread, its processor time, not the clock's.
With `--photos`: the PSNR of what is enlarged and sharpened, in both dtypes, against the truth.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch.nn import functional as nnf
from torch.utils.flop_counter import FlopCounterMode

from napari_medrefine import magnify, sharpen
from napari_medrefine._resample import area_taps
from napari_medrefine.compare.metrics import psnr
from napari_medrefine.images import Image
from napari_medrefine.photos import SUFFIXES, read_photo
from napari_medrefine.superres import ready
from napari_medrefine.superres.generator import Generator
from napari_medrefine.superres.precision import Dtype, Precision, inference_precision

DTYPES: tuple[Dtype, ...] = ("bfloat16", "float32")
SCALES = (4, 3, 2, 1)  # 1: the U-Net
_CHANNELS = 48
LARGEST, MODEST = 20_000, 8_000  # pixels of the result a side whose memory is measured


@dataclass
class Job:
    """Something to time; `seconds` is the least so far."""

    run: Callable[[], object]
    seconds: float = field(default=float("inf"))

    def again(self, clock: Callable[[], float]) -> None:
        with torch.inference_mode():
            began = clock()
            self.run()
            self.seconds = min(self.seconds, clock() - began)


def precision(dtype: Dtype) -> Precision:
    return Precision(inference_precision().device, dtype, channels_last=True)


def enlarged(image: Image, scale: int, dtype: Dtype) -> Image:
    """Return what a user gets, but in `dtype` whatever the processor has."""
    with mock.patch.object(ready, "inference_precision", return_value=precision(dtype)):
        return sharpen(image) if scale == 1 else magnify(image, scale)


def generator_for(scale: int, dtype: Dtype) -> Generator:
    with mock.patch.object(ready, "inference_precision", return_value=precision(dtype)):
        return ready.ready_generator("sharpen" if scale == 1 else "magnify")


def operations(scale: int, side: int) -> int:
    """Return how many additions and multiplications the network's own convolutions take."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        generator_for(scale, "float32").residual(torch.zeros(1, 3, side, side), scale)
    return int(counter.get_total_flops())


def jobs_of(dtype: Dtype, image: Image) -> tuple[Job, dict[int, Job], dict[int, Job]]:
    """Return one convolution, the generators alone, and the whole calls by scale."""
    kind = getattr(torch, dtype)
    ordered = {"memory_format": torch.channels_last}
    side = len(image)
    tensor = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]
    features = torch.rand(1, _CHANNELS, side, side).to(kind).to(**ordered)
    weight = torch.rand(_CHANNELS, _CHANNELS, 3, 3).to(kind).to(**ordered)
    networks = {scale: generator_for(scale, dtype) for scale in SCALES}
    return (
        Job(lambda: nnf.conv2d(features, weight, padding=1)),
        {scale: Job(lambda s=scale: networks[s](tensor, s)) for scale in SCALES},
        {scale: Job(lambda s=scale: enlarged(image, s, dtype)) for scale in SCALES},
    )


def speed(side: int, seconds: float, *, busy: bool) -> None:
    if busy:
        torch.set_num_threads(1)
    clock = time.thread_time if busy else time.perf_counter
    rng = np.random.default_rng(0)
    image = rng.integers(40, 255, (side, side, 3), np.uint8)
    jobs = {dtype: jobs_of(dtype, image) for dtype in DTYPES}
    every = [
        job
        for one, alone, whole in jobs.values()
        for job in (one, *alone.values(), *whole.values())
    ]
    until = time.perf_counter() + seconds
    rounds = 0
    while time.perf_counter() < until or rounds < 3:
        rounds += 1
        for job in every:
            job.again(clock)
    print(f"{side} x {side} pixels, {torch.get_num_threads()} threads, least of {rounds} times")
    print("dtype     what     GFLOP  limit ms | alone ms  x limit  Mpx/s | call ms  x limit  Mpx/s")
    for dtype, (one, alone, whole) in jobs.items():
        rate = 2 * 9 * (_CHANNELS * side) ** 2 / one.seconds
        for scale in SCALES:
            flops = operations(scale, side)
            limit, pixels = flops / rate, (scale * side) ** 2 / 1e6
            columns = " |".join(
                f"{1e3 * job.seconds:9.1f} {job.seconds / limit:8.2f} {pixels / job.seconds:6.1f}"
                for job in (alone[scale], whole[scale])
            )
            name = "sharpen" if scale == 1 else f"x{scale}"
            print(f"{dtype:9s} {name:7s} {flops / 1e9:6.1f} {1e3 * limit:9.1f} |{columns}")
        print(f"{dtype:9s} one convolution of {_CHANNELS} channels: {rate / 1e12:.3f} TFLOP/s")


def price(folder: Path) -> None:
    found: dict[tuple[int, Dtype], list[float]] = {key: [] for key in product((4, 2, 1), DTYPES)}
    for path in sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES):
        sharp = read_photo(path).image
        sharp = sharp[: len(sharp) // 8 * 8, : sharp.shape[1] // 8 * 8, :3]
        for scale, dtype in found:
            given = reduced(sharp, scale)
            if scale == 1:  # the study halved its photos and enlarged them again
                given = magnify(reduced(sharp, 2), 2, strength=0)
            found[scale, dtype].append(psnr(enlarged(given, scale, dtype), sharp))
    for scale in (4, 2, 1):
        exact, rounded = (np.array(found[scale, dtype]) for dtype in ("float32", "bfloat16"))
        lost = exact - rounded
        print(
            f"{'sharpen' if scale == 1 else f'x{scale}':7s} {len(lost)} photos: "
            f"float32 {exact.mean():.3f} dB, bfloat16 {rounded.mean():.3f} dB; "
            f"lost {lost.mean():.4f} dB, at most {lost.max():.4f} dB"
        )


def reduced(sharp: Image, scale: int) -> Image:
    matrices = [area_taps(n, n // scale).dense() for n in sharp.shape[:2]]
    unit = np.einsum("ij,jkc,lk->ilc", matrices[0], sharp.astype(float), matrices[1], optimize=True)
    return np.rint(unit).astype(np.uint8)


def whole(side: int) -> None:
    here = Path(__file__).parent
    for command in (
        ("slides.py",),
        ("slides.py", "--memory", str(side)),
        ("slides.py", "--memory", str(MODEST), "--plain"),
        ("gui.py",),
    ):
        print(f"--- {' '.join(command)}", flush=True)
        run = [sys.executable, str(here / command[0]), *command[1:]]
        subprocess.run(run, check=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--generators", action="store_true")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=50)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--photos", type=Path)
    given = parser.parse_args()
    if given.photos:
        price(given.photos)
    elif given.generators:
        speed(given.side, given.seconds, busy=given.busy)
    else:
        whole(LARGEST if given.full else MODEST)
