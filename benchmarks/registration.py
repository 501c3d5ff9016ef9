"""Registration beside OpenCV, scikit-image and the study's method, in one run.

usage: python benchmarks/registration.py ../shared/data/photos44 [--hard N] [--mismatch] [--slow]

Prints the README's tables: how many fields are found, how far off they are, what they cost (each
as a share of ORB's time per 40x field, SIFT's time per overview), how often the truth lies within
two standard errors, how many wrong pairs are accepted. Needs opencv-python-headless.
"""

from __future__ import annotations

import argparse
import json
import resource
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from hard_set import NOMINAL, Case, hard_cases
from napari_medrefine import Overview
from peers import Answer, Keypoints, Template

ANY = (-180.0, 180.0)


class Ours:
    """The spiral pyramid, or the study's brute-force spiral."""

    def __init__(self, name: str = "ours", method: str = "pyramid") -> None:
        self.name, self._method = name, method

    def prepare(self, overview: np.ndarray) -> Overview:
        return Overview(overview)

    def place(self, prepared: Overview, image: np.ndarray, ratio: float, angle=None) -> Answer:
        place = prepared.register(image, ratio=ratio, angle=angle, method=self._method)
        self.error = place.standard_error
        return Answer(place.to_overview, place.accepted)


@dataclass
class Row:
    """What one way of registering achieved."""

    errors: list[float] = field(default_factory=list)
    said: list[bool] = field(default_factory=list)
    within: list[bool] = field(default_factory=list)
    overview: list[float] = field(default_factory=list)
    times: dict[str, list[float]] = field(default_factory=dict)
    wrong: int = 0
    pairs: int = 0

    def take(self, case: Case, answer: Answer, spent: float, kind: str) -> None:
        error = case.error(answer.to_overview(case.here)) if answer.to_overview else np.inf
        self.errors.append(error)
        self.said.append(answer.accepted)
        self.times.setdefault(kind, []).append(spent)


def timed(function, *arguments, **options):
    start = time.perf_counter()
    result = function(*arguments, **options)
    return result, time.perf_counter() - start


def plain_cases(folder: Path) -> Iterator[Case]:
    """Yield the photos as they are, those of one overview together."""
    rows = json.loads((folder / "truth.json").read_text())["photos"]
    overview, name = np.empty(0), ""
    for row in sorted(rows, key=lambda row: row["overview"]):
        if row["overview"] != name:
            name = row["overview"]
            overview = np.asarray(Image.open(folder / name))
        yield Case(
            row["field"],
            "plain",
            row["objective"],
            overview,
            np.asarray(Image.open(folder / row["field"])),
            NOMINAL[row["objective"]],
            (-15.0, 15.0),
            np.array(row["field_points"]),
            np.array(row["overview_points"]),
        )


def run(cases: Iterator[Case], ways: list, slow: list, few: int) -> dict[str, Row]:
    """Let every way place every case; the `slow` ones only a `few`."""
    rows: dict[str, Row] = {way.name: Row() for way in [*ways, *slow]}
    prepared: dict[str, tuple] = {}
    for number, case in enumerate(cases):
        for way in [*ways, *(slow if number < few else [])]:
            known = prepared.get(way.name)
            if known is None or known[0] is not case.overview:
                ready, spent = timed(way.prepare, case.overview)
                rows[way.name].overview.append(spent)
                prepared[way.name] = known = (case.overview, ready)
            options = {"angle": case.angle} if way.name == "ours" else {}
            answer, spent = timed(way.place, known[1], case.field, case.ratio, **options)
            rows[way.name].take(case, answer, spent, case.objective)
            if way.name == "ours":
                off = rows["ours"].errors[-1]
                rows["ours"].within.append(off <= 2 * way.error)
                if case.kind == "plain" and number % 4 == 2:
                    _, spent = timed(way.place, known[1], case.field, case.ratio, angle=ANY)
                    rows["ours"].times.setdefault("any angle", []).append(spent)
        show_case(case, rows)
    return rows


def show_case(case: Case, rows: dict[str, Row]) -> None:
    parts = [
        f"{name} {row.errors[-1]:.3f}{'' if row.said[-1] else ' refused'}"
        for name, row in rows.items()
        if row.errors
    ]
    print(f"  {case.name:32}", ", ".join(parts), flush=True)


def mismatches(folder: Path, ways: list, rows: dict[str, Row]) -> None:
    """Let every way place every field on the overviews of other slides, and mirrored on its own."""
    cases = list(plain_cases(folder))
    names = {id(case.overview): case.overview for case in cases}
    for way in ways:
        ready = {key: way.prepare(overview) for key, overview in names.items()}
        for case in cases:
            for key in names:
                own = key == id(case.overview)
                image = np.ascontiguousarray(case.field[:, ::-1]) if own else case.field
                rows[way.name].wrong += way.place(ready[key], image, case.ratio).accepted
                rows[way.name].pairs += 1


def table(rows: dict[str, Row], title: str) -> None:
    """Print what all ways achieved, times as shares of OpenCV's in this run."""
    sift = np.median(rows["SIFT"].overview)
    orb = np.median(rows["ORB"].times["40x"])
    print(f"\n## {title}\n")
    print(
        "| | found | right and accepted | median px | overview / SIFT's | 40x / ORB's "
        "| any angle / ORB's | 10x / ORB's | wrong pairs accepted |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        if not row.errors:
            continue
        errors, said = np.array(row.errors), np.array(row.said)
        right = errors < 1
        middle = f"{np.median(errors[right]):.3f}" if right.any() else "-"
        shares = [f"{np.median(row.overview) / sift:.2f}"]
        for kind in ("40x", "any angle", "10x"):
            spent = row.times.get(kind)
            shares.append(f"{np.median(spent) / orb:.2f}" if spent else "-")
        wrong = f"{row.wrong} of {row.pairs}" if row.pairs else "-"
        print(
            f"| {name} | {right.sum()} of {len(errors)} | {(right & said).sum()} | {middle} | "
            + " | ".join(shares)
            + f" | {wrong} |"
        )
        if (said & ~right).any():
            print(f"| {name}: wrong and accepted | {(said & ~right).sum()} | | | | | | | |")
    ours = rows["ours"]
    right = np.array(ours.errors) < 1
    share = np.mean(np.array(ours.within)[right])
    print(
        f"\nThe truth lies within two standard errors in {share:.0%} of {right.sum()} placements."
    )
    print(f"(SIFT's overview took {sift:.2f} s, ORB's 40x field {orb:.2f} s in this run.)")


def memory(folder: Path) -> None:
    """Print what one overview and one field of each objective take above the images."""
    cases = {case.objective: case for case in islice(plain_cases(folder), 3)}
    peak = [_resident()]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            peak.append(_resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    for case in cases.values():
        Overview(case.overview).register(case.field, ratio=case.ratio, angle=ANY)
    over.set()
    watcher.join()
    print(f"peak memory above the images: {(max(peak) - peak[0]) / 2**20:.0f} MiB")


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hard", type=int, default=0, help="cases of the hard set")
    parser.add_argument("--mismatch", action="store_true", help="also all wrong pairs")
    parser.add_argument("--slow", type=int, default=0, help="fields for the slow ways")
    options = parser.parse_args()
    memory(options.folder)
    ways = [Ours(), Keypoints("SIFT"), Keypoints("ORB"), Template("cv2.matchTemplate")]
    slow = [Template("skimage.match_template"), Ours("the study's spiral", "spiral")]
    rows = run(plain_cases(options.folder), ways, slow, options.slow)
    if options.mismatch:
        mismatches(options.folder, ways[:2], rows)
    table(rows, "Photos as they are")
    if options.hard:
        table(run(hard_cases(options.folder, options.hard), ways[:3], [], 0), "The hard set")


if __name__ == "__main__":
    main()
