"""Magnifying pictures of any size: throughput and memory beside a plain call of the network.

usage: python benchmarks/slides.py [--side 1024] [--memory 20000] [--plain]

Throughput is a ratio: the whole job (tiles, conversions, copies) beside the network on all of the
picture at once, and beside the network with what makes its result consistent, timed in turn, again
and again; the least of each counts. The first pixels are those of one 512 x 512 tile of the result,
as *the view, wherever it goes* makes them. With `--memory`: the peak of a process that writes so
many pixels a side to disk; with `--plain` too, of one that calls the network on all of the picture.
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
from napari_medrefine.progress import finish, stoppable
from napari_medrefine.slides import magnify_slide_steps
from napari_medrefine.superres import magnify_steps
from napari_medrefine.superres.magnified import Magnified
from napari_medrefine.superres.ready import ready_generator
from napari_medrefine.superres.recipe import Recipe

ROUNDS = 6
RECIPE = Recipe("magnify", 4.0)
PLAIN = "the network, all of it at once"


class Slide:
    """A picture that nobody holds in memory."""

    dtype = np.dtype(np.uint8)
    _tile = immunohistochemistry()

    def __init__(self, side: int) -> None:
        self.shape = (side, side, 3)

    def render(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        rows, columns = ((a + np.arange(n)) % 512 for a, n in ((top, height), (left, width)))
        return self._tile[np.ix_(rows, columns)]


def timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def longest_wait(image: np.ndarray) -> float:
    """Return the most seconds between two looks at whether the job is to stop."""
    times = [time.perf_counter()]
    with stoppable(lambda: bool(times.append(time.perf_counter()))):
        finish(magnify_steps(image, 4), lambda _: times.append(time.perf_counter()))
    return float(np.diff(times)[1:].max())


def speed(side: int) -> None:
    image = Slide(side).render(0, 0, side, side)
    chain = RECIPE.chain(image.shape, *RECIPE.origin(image.shape, image))
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    generator, picture = ready_generator("magnify"), Magnified(image, RECIPE)

    def one_tile() -> None:
        with torch.inference_mode():
            chain(tensor)

    def network() -> None:
        with torch.inference_mode():
            generator(tensor, 4)

    jobs = {
        PLAIN: (network, side**2),
        "the same, and consistent with the photo": (one_tile, side**2),
        "the whole call": (lambda: finish(magnify_steps(image, 4)), side**2),
        "to disk, as napari and the terminal do": (lambda: disk(image), side**2),
        "first pixels: one tile of 512": (lambda: picture[1024:1536, 1024:1536], 128**2),
    }
    rounds = [{name: timed(run) for name, (run, _) in jobs.items()} for _ in range(ROUNDS)]
    best = {name: min(one[name] for one in rounds) for name in jobs}  # others use the machine, too
    rate = {name: 16 * jobs[name][1] / seconds / 1e6 for name, seconds in best.items()}
    reference = rate[PLAIN]
    print(f"{side} x {side} pixels, x4, {torch.get_num_threads()} threads, least of {ROUNDS}")
    for name, seconds in best.items():
        print(f"{name:42s} {seconds:7.2f} s {rate[name]:6.1f} Mpx/s {rate[name] / reference:5.2f}")
    print(f"longest wait for Cancel in the whole call: {longest_wait(image):.2f} s")


def disk(image: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        picture = Magnified(image, RECIPE)
        finish(write_ome_zarr(Path(folder, "x.zarr"), picture, pixel_um=1.0, block=2048))


def memory(side: int, *, plain: bool) -> None:
    seconds = timed(lambda: (at_once if plain else to_disk)(side // 4))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    how = PLAIN if plain else "to disk"
    print(f"{side:,} x {side:,} pixels, {how}: {peak:.2f} GiB at the most, {seconds:.0f} s")


def to_disk(side: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "slide.ome.zarr"), Path(folder, "x4.ome.zarr")
        finish(write_ome_zarr(source, Slide(side), pixel_um=1.0))
        finish(magnify_slide_steps(source, out, RECIPE))


def at_once(side: int) -> None:
    image = Slide(side).render(0, 0, side, side)
    with torch.inference_mode():
        ready_generator("magnify")(torch.from_numpy(image).permute(2, 0, 1)[None] / 255, 4)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--memory", type=int)
    parser.add_argument("--plain", action="store_true")
    given = parser.parse_args()
    if given.memory:
        memory(given.memory, plain=given.plain)
    else:
        speed(given.side)
