"""What there is to do for a dataset: photos that are new, changed, or whose tiles are gone."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from napari_medrefine._hashing import digest
from napari_medrefine.dataset._cut import CutPhoto
from napari_medrefine.dataset._journal import Before, Done, look
from napari_medrefine.dataset._parallel import in_order
from napari_medrefine.dataset.manifest import LeftOut
from napari_medrefine.dataset.recipe import Recipe
from napari_medrefine.dataset.sources import find_sources, name_photos
from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step

INSTEAD = "choose another folder, or say that what is there may be replaced."


@dataclass(frozen=True, slots=True)
class Plan:
    """What is there, and what is to be done.

    Attributes
    ----------
    sources : dict
        Photos by their path inside the folder of photos, in order.
    digests, names : dict
        Their files' SHA-256, and their names in the dataset.
    done : dict
        What needs no work, by source.
    jobs : list of str
        The sources to cut.
    tiles : frozenset of str
        Tile files of the dataset that was in the output folder.
    complete : bool
        Whether there is nothing to do at all.
    """

    sources: dict[str, Path]
    digests: dict[str, str]
    names: dict[str, str]
    done: dict[str, Done]
    jobs: list[str]
    tiles: frozenset[str]
    complete: bool


def make_plan(
    photos: Path, output: Path, recipe: Recipe, pool: ThreadPoolExecutor, *, overwrite: bool
) -> Generator[Step, None, Plan]:
    """Look at the photos and the output folder; a job, see `progress`.

    Raises
    ------
    MedRefineError
        If there are no photos, or the output folder holds something else and not `overwrite`.
    """
    sources = find_sources(photos, output)
    total = len(sources)
    found = yield from in_order(
        pool, _digest, list(sources.values()), lambda _, p: Step(0, total, f"looking at {p.name}")
    )
    digests = {s: one for s, one in zip(sources, found, strict=True) if isinstance(one, str)}
    done: dict[str, Done] = {
        s: LeftOut(source=s, sha256=None, reason=f"it cannot be read ({one.strerror})")
        for s, one in zip(sources, found, strict=True)
        if isinstance(one, OSError)
    }
    done |= _same_files(digests)
    before = look(output)
    if not overwrite:
        refuse_other(output, before, recipe, {s: digests.get(s) for s in sources})
    names = name_photos(sources)
    if before.recipe == recipe:
        kept = [one for s, one in before.done.items() if s in digests and s not in done]
        if {s: one.sha256 for s, one in before.done.items()} != {
            s: digests.get(s) for s in sources
        }:
            # Which photo is the copy of which depends on all of them.
            kept = [one for one in kept if isinstance(one, CutPhoto) or one.copy_of is None]
        good = yield from in_order(
            pool,
            lambda one: _is_good(one, before, digests, names, output),
            kept,
            lambda n, one: Step(n, total, f"checking {one.source}"),
        )
        done |= {one.source: one for one, ok in zip(kept, good, strict=True) if ok}
    jobs = [source for source in sources if source not in done]
    same = before.finished and before.recipe == recipe and before.done == done
    return Plan(sources, digests, names, done, jobs, before.tiles, complete=same and not jobs)


def refuse_other(
    output: Path, before: Before, recipe: Recipe, digests: dict[str, str | None]
) -> None:
    """Refuse to touch a folder that holds something else than (a part of) this dataset.

    Raises
    ------
    MedRefineError
        Saying what it holds.
    """
    if before.recipe is None:
        if output.is_dir() and any(not path.name.startswith(".") for path in output.iterdir()):
            raise MedRefineError(f"{output} is not empty and holds no dataset; {INSTEAD}")
        if output.exists() and not output.is_dir():
            raise MedRefineError(f"{output} is a file; choose a folder for the dataset.")
        return
    if before.recipe != recipe:
        raise MedRefineError(f"{output} holds a dataset made with another recipe; {INSTEAD}")
    old = {source: one.sha256 for source, one in before.done.items()}
    new, gone = len(digests.keys() - old.keys()), len(old.keys() - digests.keys())
    changed = sum(old[source] != digests[source] for source in old.keys() & digests.keys())
    if before.finished and (changed or gone):  # new ones may come: nothing is lost by that
        raise MedRefineError(
            f"{output} holds a dataset of other photos ({new} new, {changed} changed, {gone} "
            f"gone); {INSTEAD}"
        )


def _digest(path: Path) -> str | OSError:
    try:
        return digest(path)
    except OSError as error:
        return error


def _same_files(digests: dict[str, str]) -> dict[str, Done]:
    """Return the photos whose file is the same, byte for byte, as one before."""
    first: dict[str, str] = {}
    copies: dict[str, Done] = {}
    for source, sha256 in digests.items():
        original = first.setdefault(sha256, source)
        if original != source:
            copies[source] = LeftOut(
                source=source, sha256=sha256, reason=f"a copy of {original}", copy_of=original
            )
    return copies


def _is_good(
    one: Done, before: Before, digests: dict[str, str], names: dict[str, str], output: Path
) -> bool:
    """Say whether what was done with a photo still holds."""
    if one.sha256 != digests[one.source]:
        return False
    if isinstance(one, LeftOut):
        original = before.done.get(one.copy_of) if one.copy_of else one
        return original is not None and original.sha256 == digests.get(original.source)
    if one.photo.name != names[one.source]:
        return False
    try:
        return all(digest(output / tile.file) == tile.sha256 for tile in one.tiles)
    except OSError:
        return False
