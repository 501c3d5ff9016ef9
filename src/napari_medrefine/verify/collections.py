"""Datasets and atlases: every file that they name, and what they say of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from pathlib import Path

import numpy as np

from napari_medrefine._hashing import sha256_of_file
from napari_medrefine._words import counted
from napari_medrefine.atlas.folder import looked_at_steps
from napari_medrefine.atlas.layers import photos_folder
from napari_medrefine.atlas.record import PLACEMENTS, Atlas, PhotoRecord, load_placement
from napari_medrefine.dataset import TiledDataset
from napari_medrefine.dataset.again import CutAgain, cut_again_steps
from napari_medrefine.dataset.manifest import Manifest
from napari_medrefine.dataset.sources import find_sources
from napari_medrefine.dataset.split import split_photos
from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step
from napari_medrefine.registration import Placement
from napari_medrefine.verify.inputs import Folders
from napari_medrefine.verify.placements import verify_placement
from napari_medrefine.verify.report import Report
from napari_medrefine.verify.tables import verify_tables

SAMPLE = 3  # placements of an atlas that are searched for again, unless all are asked for
NAMED = 5  # files that are named in a sentence
OF_A_FILE = {"name": "name", "sha256": "hash", "shape": "size", "pixel_um": "pixel size"}


def verify_dataset(
    dataset: TiledDataset, folders: Folders, report: Report
) -> Generator[Step, None, None]:
    """Compare every tile, and every photo that is found and cut again, with the manifest."""
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
    _compare_parts(dataset.manifest, report)
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
        report.remarks.append(
            f"{absent} photos were not looked for, or not found (--inputs): their tiles were not "
            "cut again."
        )
    if count := len(dataset.manifest.left_out):
        report.remarks.append(
            f"Why {counted(count, 'photo')} did not become tiles was not looked at again."
        )
    paths = {name: path for name, path in found.items() if path is not None and there.get(name)}
    _compare_cuts((yield from cut_again_steps(dataset, paths)), changed, report)


def _compare_parts(manifest: Manifest, report: Report) -> None:
    """Deal the photos out again: a network that was tested on what it learned is not tested."""
    if any(photo.layer is not None for photo in manifest.photos):
        report.remarks.append("The parts are those that layers of napari had: not dealt again.")
        return
    sizes = Counter(tile.photo for tile in manifest.tiles)
    slides = {photo.name: photo.slide for photo in manifest.photos}
    by, parts = split_photos(slides, sizes, manifest.recipe)
    other = [photo.source for photo in manifest.photos if photo.split != parts[photo.name]]
    if other or by != manifest.split_by:
        report.problems.append(
            f"Training, validation and test are not as its recipe deals them out, by {by} "
            f"({_some(other)})."
        )
    else:
        report.confirmed.append("Training, validation and test are as its recipe deals them out.")


def _compare_cuts(cuts: list[CutAgain], changed: list[str], report: Report) -> None:
    """Report what is otherwise when photos are cut again, but for tiles that are named already."""
    for cut in cuts:
        if cut.wrong:
            words = [field.replace("_", " ") for field in cut.wrong]
            report.problems.append(f"Of {cut.source} it notes another {_and(words)} than is so.")
        if other := [file for file in cut.tiles if file not in changed]:
            report.problems.append(
                f"{len(other)} tiles of {cut.source} do not hold what it has there "
                f"({_some(other)})."
            )
        if cut.lacking:
            report.problems.append(f"{cut.lacking} tiles of {cut.source} are not named.")
    if cuts and not any(cut.wrong or cut.tiles or cut.lacking for cut in cuts):
        report.confirmed.append(f"Cut again, {len(cuts)} photos give what it notes, and the tiles.")


def verify_atlas(
    folder: Path, atlas: Atlas, report: Report, *, everything: bool, seed: int = 0
) -> Generator[Step, None, None]:
    """Compare every photo with what the atlas says, and search for some fields again."""
    photos = photos_folder(folder, atlas)
    paths = find_sources(photos, folder)
    now = yield from looked_at_steps(paths, atlas)
    known = [photo for photo in atlas.photos if photo.sha256 is not None]
    changed = [x.source for x in known if x.source not in now or now[x.source].sha256 != x.sha256]
    _say(report, len(known), changed, "photos")
    same = [photo for photo in atlas.photos if photo.source in now and photo.source not in changed]
    _compare_records([(photo, now[photo.source]) for photo in same], report)
    if new := sorted(paths.keys() - {photo.source for photo in atlas.photos}):
        report.remarks.append(
            f"{len(new)} photos are there that the atlas does not name ({_some(new)})."
        )
    places = _places(folder, atlas, report)
    fields = [photo for photo in atlas.photos if photo.role == "field"]
    if not everything and len(fields) > SAMPLE:
        chosen = np.random.default_rng(seed).choice(len(fields), SAMPLE, replace=False)
        report.remarks.append(
            f"A sample of {SAMPLE} of {len(fields)} fields was searched for again (--all: all)."
        )
        fields = [fields[number] for number in sorted(chosen)]
    for photo in fields:
        if photo.placement is not None and photo.source in places:
            file, place = folder / photo.placement, places[photo.source]
            yield from verify_placement(file, place, Folders((photos,)), report)
    if not report.problems:  # else what the tables were compared with is not true
        verify_tables(folder, atlas, report)


def _compare_records(records: list[tuple[PhotoRecord, PhotoRecord]], report: Report) -> None:
    """Compare what the atlas says of photos with what it would say of their files now."""
    for then, now in records:
        if wrong := [words for name, words in OF_A_FILE.items() if _differ(then, now, name)]:
            report.problems.append(f"Of {then.source} it notes another {_and(wrong)} than is so.")
    given = [then.source for then, now in records if _differ(then, now, "objective")]
    if given:
        report.remarks.append(
            f"{len(given)} objectives are not from the photos, but were told ({_some(given)}): "
            "whether they are so is not known."
        )


def _places(folder: Path, atlas: Atlas, report: Report) -> dict[str, Placement]:
    """Return the placements by photo, and compare them with what the atlas says of them."""
    places = {}
    for photo in atlas.photos:
        try:
            place = load_placement(folder, photo)
        except MedRefineError as error:
            report.problems.append(str(error))
            continue
        if place is None:
            continue
        places[photo.source] = place
        told = {
            "photo": place.field_name == photo.source,
            "overview": place.overview_name == photo.overview,
            "reason": place.reason == photo.reason,
            "role": place.accepted == (photo.role == "field"),
        }
        if wrong := [words for words, same in told.items() if not same]:
            report.problems.append(
                f"Of {photo.source} it notes another {_and(wrong)} than {photo.placement} does."
            )
    named = {photo.placement for photo in atlas.photos}
    there = sorted(f"{PLACEMENTS}/{path.name}" for path in (folder / PLACEMENTS).glob("[!.]*.json"))
    if unnamed := [file for file in there if file not in named]:
        report.problems.append(f"{len(unnamed)} placements are of no photo ({_some(unnamed)}).")
    return places


def _differ(one: PhotoRecord, other: PhotoRecord, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


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
