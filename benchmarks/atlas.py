"""The box of photos sorted out, against exact truth: which overview, where, and in what time.

python benchmarks/atlas.py PHOTOS [--unknown] [--drop]

PHOTOS is a folder with truth.json (see ../shared/data/README.md). The photos are shuffled and given
without names; only the order of their objectives (or, with --unknown, nothing) is told. With --drop
each overview in turn is left out of the box: all its fields must be refused. The time is without
reading the files, and beside it that of SIFT + RANSAC for the same job: every field on every
overview, the one with most matches taken (needs OpenCV).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from napari_medrefine.photos import read_photo
from napari_medrefine.registration.box import Arrangement, BoxPhoto, arrange
from peers import Keypoints

RIGHT = 1.0  # overview pixels by which a field that is right may be off
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--unknown", action="store_true", help="objectives are not told")
    parser.add_argument("--drop", action="store_true", help="leave out each overview in turn")
    parser.add_argument("--peer", action="store_true", help="time SIFT on the same job")
    arguments = parser.parse_args()
    truth = {
        row["field"]: row
        for row in json.loads((arguments.photos / "truth.json").read_text())["photos"]
    }
    overviews = sorted({row["overview"] for row in truth.values()})
    names = [*overviews, *truth]
    np.random.default_rng(SEED).shuffle(names)
    started = time.perf_counter()
    images = {name: read_photo(arguments.photos / name).image for name in names}
    print(f"{len(names)} photos, read in {time.perf_counter() - started:.1f} s")
    objective = {name: float(truth[name]["objective"].rstrip("x")) for name in truth}
    objective |= dict.fromkeys(overviews, 4.0)
    for gone in [None, *overviews] if arguments.drop else [None]:
        box = [name for name in names if name != gone]
        photos = [
            BoxPhoto(images[name], None if arguments.unknown else objective[name]) for name in box
        ]
        started = time.perf_counter()
        arranged = arrange(photos)
        print(f"without {gone}: " if gone else "all: ", end="")
        print(report(arranged, box, truth, gone), f"{time.perf_counter() - started:.1f} s")
    if arguments.peer:
        started = time.perf_counter()
        right = by_sift(images, overviews, truth, objective)
        print(f"SIFT + RANSAC: {right} right, {time.perf_counter() - started:.1f} s")


def report(arranged: Arrangement, box: list[str], truth: dict, gone: str | None) -> str:
    found = sorted(box[number] for number in arranged.overviews)
    right = wrong = refused = orphans = 0
    errors = []
    for number, entry in arranged.entries.items():
        row = truth.get(box[number])
        if entry.overview is None:
            refused += 1
            orphans += row is not None and row["overview"] == gone
            continue
        error = rms(entry.placement.to_overview, row) if row else np.inf
        good = row is not None and box[entry.overview] == row["overview"] and error < RIGHT
        right, wrong = right + good, wrong + (not good)
        errors += [error] if good else []
    text = f"{len(found)} overviews, {right} right (median {np.median(errors):.3f} px, largest "
    text += f"{max(errors):.3f}), {wrong} wrong, {refused} refused"
    return text + (f" ({orphans} of them for want of it)" if gone else "")


def rms(to_overview, row: dict) -> float:
    off = to_overview(np.array(row["field_points"], float)) - row["overview_points"]
    return float(np.sqrt((off**2).sum(1).mean()))


def by_sift(images: dict, overviews: list[str], truth: dict, objective: dict) -> int:
    """Return how many fields SIFT puts within a pixel of their place on the right overview."""
    sift = Keypoints("SIFT")
    prepared = {name: sift.prepare(images[name]) for name in overviews}
    right = 0
    for name, row in truth.items():
        ratio = objective[name] / 4
        found = {other: sift.place(prepared[other], images[name], ratio) for other in overviews}
        best = max(found, key=lambda other: found[other].inliers)
        answer = found[best]
        if best == row["overview"] and answer.to_overview is not None:
            right += rms(answer.to_overview, row) < RIGHT
    return right


if __name__ == "__main__":
    main()
