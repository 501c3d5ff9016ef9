"""Learning from some fields of a slide: how much nearer it comes to the others, at x10.

usage: python benchmarks/learn.py ../shared/data/photos44 [--slides 1 2] [--steps N] [--gan]
    [--middle] [-o FOLDER]

For each slide: the 40x fields are registered on the 4x; those with odd numbers are learned from
(which of them choose when to stop is the learning's own business), those with even numbers are
looked at once, at the end. Printed: PSNR against the real 40x photo, resampled onto the magnified
overview and brought to its intensities (`compare.measure_steps`), of bicubic interpolation, the
shipped weights, those for photos and the learned ones (with --gan also those of realism 1); and
whether they were kept. --middle looks at the middle of each field only, half of it along each side:
a quarter of the time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_medrefine import Overview, magnify
from napari_medrefine.compare.intensity import fit_match
from napari_medrefine.compare.metrics import psnr_of
from napari_medrefine.compare.placed import Grid, Placed, sampled
from napari_medrefine.learning import LearnField, learn_steps
from napari_medrefine.photos import read_photo
from napari_medrefine.progress import Step, finish
from napari_medrefine.superres.learning_events import LearningConfig

SCALE, MARGIN = 10, 40
WAYS = ("bicubic", "shipped", "photo", "learned", "GAN", "GAN learned")


def registered(folder: Path, slide: str) -> tuple[np.ndarray, list[LearnField]]:
    """Return the overview and its registered 40x fields."""
    image = read_photo(folder / f"{slide}_4x.jpg").image
    overview, fields = Overview(image), []
    for path in sorted(folder.glob(f"{slide}_40x_*.jpg")):
        field = read_photo(path).image
        fields.append(LearnField(path.stem, field, overview.register(field, ratio=SCALE)))
    return image, fields


def scores(
    overview: np.ndarray, field: LearnField, model: Path | None, *, gan: bool, middle: bool
) -> dict[str, float]:
    """Return the PSNR of each way at x10 against the real field."""
    place = field.placement
    outline = place.outline()
    low = np.maximum(np.ceil(outline.min(0)).astype(int), 0)
    high = np.minimum(np.floor(outline.max(0)).astype(int) + 1, overview.shape[:2])
    if middle:
        quarter = (high - low) // 4
        low, high = low + quarter, high - quarter
    part = tuple(int(n) for n in high - low)
    first = (int(low[0]), int(low[1]))
    placed = Placed(field.name, field.image, place.to_field)
    small, there = sampled(placed, Grid(first, part, part))
    below = overview[low[0] : high[0], low[1] : high[1]] / np.float32(255)
    match = fit_match(small, below, there, "shading", first)
    grid = Grid(first, part, (SCALE * part[0], SCALE * part[1]))
    truth, mask = sampled(placed, grid)
    truth = np.clip(match.apply(truth, *grid.lines()), 0, 1) * 255
    edge = np.maximum(low - MARGIN, 0)
    patch = overview[edge[0] : high[0] + MARGIN, edge[1] : high[1] + MARGIN]
    inside = tuple(
        slice(int(a) * SCALE, (int(a) + n) * SCALE) for a, n in zip(low - edge, part, strict=True)
    )
    options: dict[str, dict[str, object]] = {
        "bicubic": {"strength": 0.0},
        "shipped": {},
        "photo": {"model": "photo-faithful"},
    }
    if gan:
        options["GAN"] = {"realism": 1.0}
    if model is not None:
        options["learned"] = {"model": model}
        if gan:
            options["GAN learned"] = {"model": model, "realism": 1.0}
    found = {}
    for name, how in options.items():
        made = magnify(patch, SCALE, **how)[inside].astype(np.float32)
        error = (made - truth)[mask] ** 2
        found[name] = psnr_of(float(error.mean(dtype=np.float64)))
    return found


def table(rows: dict[str, dict[str, float]]) -> None:
    ways = [way for way in WAYS if way in next(iter(rows.values()))]
    print("| field | " + " | ".join(ways) + " | learned - shipped |")
    print("|---|" + "---|" * (len(ways) + 1))
    rows = {**rows, "mean": {w: float(np.mean([r[w] for r in rows.values()])) for w in ways}}
    for name, row in rows.items():
        gain = f"{row['learned'] - row['shipped']:+.2f} dB" if "learned" in row else "-"
        print(f"| {name} | " + " | ".join(f"{row[w]:.2f}" for w in ways) + f" | {gain} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slides", nargs="+", default=["1", "2", "3", "4"])
    parser.add_argument("--steps", type=int, default=LearningConfig().steps)
    parser.add_argument("--gan", action="store_true", help="also realism 1")
    parser.add_argument("--middle", action="store_true", help="the middle of each field only")
    parser.add_argument("-o", "--output", type=Path, help="where the runs go, to be kept")
    arguments = parser.parse_args()
    for number in arguments.slides:
        slide, began = f"slide{number}", time.perf_counter()
        overview, fields = registered(arguments.folder, slide)
        learned, others = fields[::2], fields[1::2]
        with tempfile.TemporaryDirectory() as temporary:
            run = (arguments.output or Path(temporary)) / slide
            config = LearningConfig(steps=arguments.steps)
            told: list[str] = []

            def tell(step: Step, told: list[str] = told) -> None:
                if "dB" in step.text and step.text.split(";")[1:2] != told:
                    told[:] = step.text.split(";")[1:2]
                    print(f"  {step.done} of {step.total}: {told[0]}", flush=True)

            job = learn_steps(overview, learned, run, config, name=f"{slide}_4x")
            result = finish(job, tell)
            print(f"\n{slide}: {result.sentence} ({time.perf_counter() - began:.0f} s)", flush=True)
            for score in result.scores:
                print(f"  held out: {score.name} {score.before:.2f} -> {score.after:.2f} dB at x4")
            how = {"gan": arguments.gan, "middle": arguments.middle}
            table({f.name: scores(overview, f, result.weights, **how) for f in others})
            print(flush=True)


if __name__ == "__main__":
    main()
