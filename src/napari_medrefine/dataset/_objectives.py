"""Which photos do not say through which objective they were taken."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from napari_medrefine.dataset._journal import look
from napari_medrefine.dataset._parallel import in_order, threads
from napari_medrefine.dataset.recipe import Recipe
from napari_medrefine.dataset.sources import find_sources
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import read_header
from napari_medrefine.progress import Step


def unknown_objectives_steps(
    photos_folder: str | Path, output_folder: str | Path
) -> Generator[Step, None, list[str]]:
    """Return the photos (paths inside the folder) whose objective must be told; a job.

    Neither their name nor their metadata nor their folder's name says it. Photos that cannot be
    read are not among them.

    Raises
    ------
    MedRefineError
        If there are no photos; see `prepare_steps`.
    """
    sources = find_sources(Path(photos_folder), Path(output_folder))
    names = list(sources)

    def step(finished: int, source: str) -> Step:
        return Step(finished, len(names), f"looking at {source}")

    with threads(None) as pool:
        silent = yield from in_order(pool, lambda source: _is_silent(sources[source]), names, step)
    return [source for source, unknown in zip(names, silent, strict=True) if unknown]


def recipe_of(output_folder: str | Path) -> Recipe | None:
    """Return the recipe of the finished or unfinished dataset in a folder, None if there is none.

    Raises
    ------
    MedRefineError
        If there is one that cannot be read.
    """
    return look(Path(output_folder)).recipe


def _is_silent(path: Path) -> bool:
    try:
        return read_header(path).objective is None
    except MedRefineError:
        return False
