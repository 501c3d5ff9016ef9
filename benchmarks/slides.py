"""Magnifying pictures of any size: throughput beside one large tile, memory, first pixels, Cancel.

usage: python benchmarks/slides.py [--side 1536] [--memory]

Throughput is a ratio: the whole job (tiles, conversions, copies) beside the same chain on one large
tile, timed in turn. The first pixels are those of one 512 x 512 tile of the result, as *the view,
wherever it goes* makes them. With `--memory`: the peak of a process that writes 20,000 x 20,000
pixels to disk.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from skimage.data import immunohistochemistry

from napari_medrefine.io.ome_zarr import write_ome_zarr
from napari_medrefine.progress import finish
from napari_medrefine.slides import magnify_slide_steps
from napari_medrefine.superres import magnify_steps
from napari_medrefine.superres.magnified import Magnified
from napari_medrefine.superres.ready import ready_generator
from napari_medrefine.superres.recipe import Recipe

ROUNDS = 5
LARGE = 1024  # input pixels of the one large tile
RECIPE = Recipe("magnify", 4.0)


class Slide:
    """A picture of 5,000 x 5,000 pixels that nobody holds in memory."""

    shape, dtype = (5000, 5000, 3), np.dtype(np.uint8)
    _tile = immunohistochemistry()

    def render(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        rows, columns = ((a + np.arange(n)) % 512 for a, n in ((top, height), (left, width)))
        return self._tile[np.ix_(rows, columns)]


def timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def longest_step(image: np.ndarray) -> float:
    """Return the most seconds between two steps, which is how long Cancel may take."""
    times = [time.perf_counter()]
    finish(magnify_steps(image, 4), lambda _: times.append(time.perf_counter()))
    return float(np.diff(times)[1:].max())


def speed(side: int) -> None:
    image = Slide().render(0, 0, side, side)
    chain = RECIPE.chain(image.shape, *RECIPE.origin(image.shape, image))
    tensor = torch.rand(1, 3, LARGE, LARGE)
    generator, picture = ready_generator("magnify"), Magnified(image, RECIPE)

    def one_tile() -> None:
        with torch.inference_mode():
            chain(tensor)

    def network() -> None:
        with torch.inference_mode():
            generator.sub_pixels(tensor - 1, 4)

    jobs = {
        "the network, one large tile": (network, LARGE**2),
        "network and consistency, one large tile": (one_tile, LARGE**2),
        "the whole call": (lambda: finish(magnify_steps(image, 4)), side**2),
        "to disk, as napari and the terminal do": (lambda: disk(image), side**2),
        "first pixels: one tile of 512": (lambda: picture[1024:1536, 1024:1536], 128**2),
    }
    best = {name: min(timed(run) for _ in range(ROUNDS)) for name, (run, _) in jobs.items()}
    rate = {name: 16 * jobs[name][1] / seconds / 1e6 for name, seconds in best.items()}
    reference = rate["the network, one large tile"]
    print(f"{side} x {side} pixels, x4, {torch.get_num_threads()} threads, least of {ROUNDS}")
    for name, seconds in best.items():
        print(f"{name:42s} {seconds:7.2f} s {rate[name]:6.1f} Mpx/s {rate[name] / reference:5.2f}")
    print(f"longest wait for Cancel in the whole call: {longest_step(image):.2f} s")


def disk(image: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        picture = Magnified(image, RECIPE)
        finish(write_ome_zarr(Path(folder, "x.zarr"), picture, pixel_um=1.0, block=2048))


def memory() -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "slide.ome.zarr"), Path(folder, "x4.ome.zarr")
        finish(write_ome_zarr(source, Slide(), pixel_um=1.0))
        seconds = timed(lambda: finish(magnify_slide_steps(source, out, RECIPE)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"20,000 x 20,000 pixels to disk: {peak:.2f} GiB at the most, {seconds:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=1536)
    parser.add_argument("--memory", action="store_true")
    given = parser.parse_args()
    if given.memory:
        memory()
    else:
        speed(given.side)
