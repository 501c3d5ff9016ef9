"""What `prepare` costs beside decoding the photos and encoding the tiles alone.

usage: python benchmarks/prepare.py PHOTOS [--rounds N] [--threads N]

Each round does both, one after the other, into fresh folders: (a) Pillow decodes every photo, crops
and reduces it, encodes its tiles as PNG at the same level and writes them, nothing else; (b)
`prepare`, with everything it does besides: hashes, cleaning, copies, split, journal, manifest,
contact sheet, summary. Then once more (b) on the finished dataset. Prints ratios of (b) to (a): the
median of the rounds, and their range.
"""

from __future__ import annotations

import argparse
import io
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from napari_medrefine.dataset import Recipe, prepare_steps
from napari_medrefine.dataset._cut import PNG_LEVEL
from napari_medrefine.dataset.recipe import plan_cut
from napari_medrefine.photos import find_photos
from napari_medrefine.progress import finish


def plain(path: Path, output: Path, recipe: Recipe) -> None:
    """Decode, crop, reduce, encode and write one photo, and nothing else."""
    with Image.open(path) as image:
        image.load()
        top, left, height, width = plan_cut(image.height, image.width, recipe)
        picture = image.convert("RGB").reduce(
            recipe.reduce, (left, top, left + width, top + height)
        )
    folder = output / path.stem
    folder.mkdir()
    for y in range(0, picture.height, recipe.tile):
        for x in range(0, picture.width, recipe.tile):
            buffer = io.BytesIO()
            tile = picture.crop((x, y, x + recipe.tile, y + recipe.tile))
            tile.save(buffer, "PNG", compress_level=PNG_LEVEL)
            (folder / f"r{y:05d}c{x:05d}.png").write_bytes(buffer.getvalue())


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall and the processor time (all threads) of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def one_round(photos: Path, threads: int, scratch: Path) -> dict[str, tuple[float, float]]:
    recipe, paths = Recipe(), find_photos(photos)
    (scratch / "plain").mkdir()

    def alone() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda path: plain(path, scratch / "plain", recipe), paths))

    def whole() -> None:
        finish(prepare_steps(photos, scratch / "dataset", recipe, workers=threads))

    return {"alone": spent(alone), "prepare": spent(whole), "again": spent(whole)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    ratios: dict[tuple[str, str], list[float]] = {}
    for number in range(arguments.rounds + 1):
        scratch = Path(tempfile.mkdtemp(prefix="medrefine-"))
        try:
            times = one_round(arguments.photos, arguments.threads, scratch)
        finally:
            shutil.rmtree(scratch)
        if number == 0:  # warms the caches and imports
            continue
        for what in ("prepare", "again"):
            for clock, value, base in zip(
                ("wall", "processor"), times[what], times["alone"], strict=True
            ):
                ratios.setdefault((what, clock), []).append(value / base)
        print(f"round {number}: " + ", ".join(f"{k} {w:.1f} s" for k, (w, _) in times.items()))
    for (what, clock), values in ratios.items():
        print(
            f"{what}, {clock} time: {statistics.median(values):.2f} times decoding and encoding "
            f"alone ({min(values):.2f} to {max(values):.2f})"
        )


if __name__ == "__main__":
    main()
