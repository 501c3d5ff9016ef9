"""A folder of photos into a tiled dataset.

Tiles first, then contact sheets and summary, the manifest last, each file whole or not at all; a
journal (`_journal`) remembers the photos that are done, so that the job, whatever stopped it, goes
on where it was. The same photos and recipe give the same bytes.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path

from napari_medrefine._atomic import PART, cannot, going_on
from napari_medrefine._lock import making
from napari_medrefine.dataset import _journal as journal
from napari_medrefine.dataset._copies import find_copies
from napari_medrefine.dataset._cut import TILES, CutPhoto, cut_photo
from napari_medrefine.dataset._overview import is_right, write_overview
from napari_medrefine.dataset._parallel import in_order, threads
from napari_medrefine.dataset._plan import Plan, make_plan
from napari_medrefine.dataset._syncing import syncing
from napari_medrefine.dataset._thumbnails import Thumbnails
from napari_medrefine.dataset.manifest import (
    LeftOut,
    Manifest,
    PhotoEntry,
    TileEntry,
    load_manifest,
    save_manifest,
)
from napari_medrefine.dataset.recipe import Recipe
from napari_medrefine.dataset.split import slide_of, split_photos
from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step, retold


def prepare_steps(
    photos_folder: str | Path,
    output_folder: str | Path,
    recipe: Recipe | None = None,
    *,
    overwrite: bool = False,
    workers: int | None = None,
) -> Generator[Step, None, Manifest]:
    """Clean, crop, reduce, cut and split the photos of a folder; a job, see `progress`.

    Run again, it does only what is missing; photos that came since are added, and the split is
    dealt anew from all. Photos are never changed; those left out are in the manifest with the
    reason. Beside the manifest lie contact sheets (``contact-sheet.jpg``) and ``summary.html``.

    Parameters
    ----------
    photos_folder : path
        JPEG, PNG, TIFF and BMP photos; sub-folders are looked into.
    output_folder : path
        Where the dataset goes; made if missing.
    recipe : Recipe, optional
        How; the study's by default.
    overwrite : bool
        Replace a dataset of another recipe, or of photos that have changed or are gone.
    workers : int, optional
        Threads; as many as there are processors (at most 8) by default.

    Returns
    -------
    Manifest

    Raises
    ------
    MedRefineError
        If there are no usable photos, the folder holds something else, another job is writing into
        it, or the disk is full. What was finished stays, and the job goes on from there when it is
        run again.
    """
    photos, output, recipe = Path(photos_folder), Path(output_folder), recipe or Recipe()
    with making(output), threads(workers) as pool:
        plan = yield from make_plan(photos, output, recipe, pool, overwrite=overwrite)
        thumbnails = Thumbnails(recipe, plan.sources, output)
        if plan.complete:
            manifest = load_manifest(output)
            if not is_right(output, manifest):
                yield from write_overview(output, manifest, plan.done, thumbnails, pool)
            return manifest
        with going_on(output) as share:
            job = _make(plan, output, recipe, thumbnails, pool)
            return (yield from retold(job, partial(_noted, share=share)))


def _noted(step: Step, share: list[float]) -> Step:
    share[0] = step.done / max(step.total, 1)
    return step


def _make(
    plan: Plan, output: Path, recipe: Recipe, thumbnails: Thumbnails, pool: ThreadPoolExecutor
) -> Generator[Step, None, Manifest]:
    """Do what is to be done; the journal is there before the first tile, or nobody knows whose."""
    _make_folder(output)
    journal.start(output, recipe, list(plan.done.values()), plan.tiles)
    _make_folder(output / TILES)
    made = yield from _cut(plan, output, recipe, thumbnails, pool)
    done = plan.done | {one.source: one for one in made}
    manifest, done = _decide(plan, done, output, recipe)
    yield from write_overview(output, manifest, done, thumbnails, pool)
    save_manifest(output, manifest)
    written = {tile.file for one in made if isinstance(one, CutPhoto) for tile in one.tiles}
    _remove(output, plan.tiles.union(written).difference(t.file for t in manifest.tiles))
    journal.end(output)
    return manifest


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MedRefineError(cannot("make the folder", folder, error)) from error


def changed_parts(before: Manifest, after: Manifest) -> list[str]:
    """Return the sources of the photos that are in another part than before."""
    part = {photo.source: photo.split for photo in before.photos}
    return [
        photo.source for photo in after.photos if part.get(photo.source, photo.split) != photo.split
    ]


def _cut(
    plan: Plan, output: Path, recipe: Recipe, thumbnails: Thumbnails, pool: ThreadPoolExecutor
) -> Generator[Step, None, list[journal.Done]]:
    def work(source: str) -> journal.Done:
        path, name, sha256 = plan.sources[source], plan.names[source], plan.digests[source]
        show = partial(thumbnails.keep, sha256)
        return cut_photo(path, source, name, sha256, recipe, output, show=show)

    def step(finished: int, source: str) -> Step:
        return Step(len(plan.done) + finished, len(plan.sources), source)

    with syncing() as disk:

        def then(done: journal.Done) -> None:
            journal.add(output, done)
            if isinstance(done, CutPhoto):
                disk.add(output / tile.file for tile in done.tiles)

        made = yield from in_order(pool, work, plan.jobs, step, then)
        yield from disk.finish(Step(len(plan.sources), len(plan.sources), "waiting for the disk"))
    return made


def _decide(
    plan: Plan, done: dict[str, journal.Done], output: Path, recipe: Recipe
) -> tuple[Manifest, dict[str, journal.Done]]:
    """Find the copies among what is `done`; return the manifest, and `done` without them."""
    cut = [one for source in plan.sources if isinstance(one := done[source], CutPhoto)]
    if recipe.cleaning.duplicates:
        done = {**done, **find_copies(cut, output)}
    cut = [one for one in cut if done[one.source] is one]
    left_out = [one for source in plan.sources if isinstance(one := done[source], LeftOut)]
    if not cut:
        reasons = "; ".join(f"{one.source}: {one.reason}" for one in left_out[:3])
        raise MedRefineError(f"No photo can be used ({reasons}).")
    return _manifest(cut, left_out, recipe), done


def _manifest(cut: list[CutPhoto], left_out: list[LeftOut], recipe: Recipe) -> Manifest:
    # Not as noted when they were cut: an earlier version may have told slides apart otherwise.
    slides = {one.photo.name: slide_of(one.source) for one in cut}
    sizes = {one.photo.name: len(one.tiles) for one in cut}
    by, part = split_photos(slides, sizes, recipe)
    return Manifest(
        software=f"napari-medrefine {version('napari-medrefine')}",
        recipe=recipe,
        split_by=by,
        photos=tuple(
            PhotoEntry(**{**dict(photo), "slide": slides[photo.name], "split": part[photo.name]})
            for photo in (one.photo for one in cut)
        ),
        left_out=tuple(left_out),
        tiles=tuple(
            TileEntry(**{**dict(tile), "split": part[tile.photo]})
            for one in cut
            for tile in one.tiles
        ),
    )


def _remove(output: Path, files: frozenset[str]) -> None:
    """Remove tiles of ours that are of no use any more, and what a kill left half-written."""
    folders = {(output / file).parent for file in files} | {output}
    folders |= {path for path in (output / TILES).iterdir() if path.is_dir()}
    parts = [part for folder in folders for part in folder.glob(f"{PART}*.part")]
    for path in [*(output / file for file in files), *parts]:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    for folder in folders - {output}:
        with suppress(OSError):  # it holds something else: that stays
            folder.rmdir()
