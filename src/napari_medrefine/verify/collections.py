"""Datasets and atlases: every file that they name, by its hash."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np

from napari_medrefine._hashing import sha256_of_file
from napari_medrefine.atlas.layers import photos_folder
from napari_medrefine.atlas.record import Atlas, load_placement
from napari_medrefine.dataset import TiledDataset
from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step
from napari_medrefine.verify.inputs import Folders
from napari_medrefine.verify.placements import verify_placement
from napari_medrefine.verify.report import Report

SAMPLE = 3  # placements of an atlas that are searched for again, unless all are asked for
NAMED = 5  # files that are named in a sentence


def verify_dataset(
    dataset: TiledDataset, folders: Folders, report: Report
) -> Generator[Step, None, None]:
    """Compare every tile, and every photo that is found, with what the manifest says."""
    differences = dataset.differences()
    for names, what in ((differences.missing, "are missing"), (differences.extra, "are too many")):
        if names:
            report.problems.append(f"{len(names)} tiles {what} ({_some(names)}).")
    tiles = [tile for tile in dataset.manifest.tiles if tile.file not in differences.missing]
    changed = []
    for done, tile in enumerate(tiles):
        yield Step(done, len(tiles), "Reading tiles")
        if sha256_of_file(dataset.folder / tile.file) != tile.sha256:
            changed.append(tile.file)
    _say(report, len(tiles), changed, "tiles")
    found = {p.source: next(folders.called(p.source), None) for p in dataset.manifest.photos}
    there = {
        photo.source: sha256_of_file(path) == photo.sha256
        for photo in dataset.manifest.photos
        if photo.layer is None and (path := found[photo.source]) is not None
    }
    if there:
        _say(report, len(there), [name for name, same in there.items() if not same], "photos")
    absent = len(dataset.manifest.photos) - len(there)
    if absent:
        report.remarks.append(f"{absent} photos were not looked for, or not found (--inputs).")
    report.remarks.append("The tiles were not cut again from their photos.")


def verify_atlas(
    folder: Path, atlas: Atlas, report: Report, *, everything: bool, seed: int = 0
) -> Generator[Step, None, None]:
    """Compare every photo with what the atlas says, and search for some fields again."""
    photos = photos_folder(folder, atlas)
    known = [photo for photo in atlas.photos if photo.sha256 is not None]
    changed = []
    for done, photo in enumerate(known):
        yield Step(done, len(known), "Reading photos")
        path = photos / photo.source
        if not path.is_file() or sha256_of_file(path) != photo.sha256:
            changed.append(photo.source)
    _say(report, len(known), changed, "photos")
    fields = [photo for photo in atlas.photos if photo.role == "field"]
    if not everything and len(fields) > SAMPLE:
        chosen = np.random.default_rng(seed).choice(len(fields), SAMPLE, replace=False)
        report.remarks.append(
            f"A sample of {SAMPLE} of {len(fields)} fields was searched for again (--all: all)."
        )
        fields = [fields[number] for number in sorted(chosen)]
    for photo in fields:
        try:
            place = load_placement(folder, photo)
        except MedRefineError as error:
            report.problems.append(str(error))
            continue
        if place is not None:
            yield from verify_placement(Path(photo.source), place, Folders((photos,)), report)


def _say(report: Report, count: int, changed: list[str], what: str) -> None:
    if changed:
        report.problems.append(
            f"{len(changed)} of {count} {what} are gone or others than they were "
            f"({_some(changed)})."
        )
    elif count:
        report.confirmed.append(f"All {count} {what} are those that they were.")


def _some(names: list[str] | tuple[str, ...]) -> str:
    more = ", ..." if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
