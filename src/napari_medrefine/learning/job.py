"""Learning from registered fields, from photos to verdict: pairs, a process, weights or none."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_medrefine._atomic import cannot
from napari_medrefine.dataset.pair_files import PAIRS, Refused, Source, read_pairs
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import sha256_of
from napari_medrefine.learning.pair_folder import write_pairs
from napari_medrefine.learning.pairing import LearnField, pairs_steps, sha256_of_overview
from napari_medrefine.progress import Step
from napari_medrefine.registration import Placement
from napari_medrefine.superres.background import BackgroundLearning, Failed, Stopped
from napari_medrefine.superres.learning_events import (
    PAIR_FOLDER,
    LearningConfig,
    LearningResult,
)

__all__ = ["LearnField", "learn_steps", "refused_in"]
_LOOK = 0.1  # seconds between two looks at what the process reports
_NO_MOVE = 1e-6  # overview pixels
_NET = 9  # points a side of a field at which places are compared


def learn_steps(
    overview: Any,
    fields: Sequence[LearnField],
    folder: str | Path,
    config: LearningConfig | None = None,
    *,
    name: str = "overview",
    pixel_um: float | None = None,
) -> Generator[Step, None, LearningResult]:
    """Fine-tune the shipped weights on the registered fields of an overview, if that helps.

    Whoever closes the generator stops it within a second; the same call with the same `folder` goes
    on where it stopped, to the same result (to the bit with the same number of threads).

    Parameters
    ----------
    overview : array
        As for `pairs_steps`.
    fields : sequence of LearnField
        Two at least that can be learned from.
    folder : str or Path
        Of the run: new, empty, or that of an earlier call with the same photos and settings.
    config : LearningConfig, optional
        The settings.
    name : str
        Of the overview.
    pixel_um : float, optional
        Of the overview.

    Returns
    -------
    LearningResult
        `kept` says whether ``folder`` now holds weights for ``magnify(..., model=folder)``.

    Raises
    ------
    MedRefineError
        If fewer than two fields can be learned from (it says why), or `folder` holds something
        else.
    """
    target = Path(folder)
    yield from _pairs(overview, fields, target, name, pixel_um)
    return (yield from _fine_tuned(target, config or LearningConfig()))


def check_unused(folder: Path) -> None:
    """Raise a `MedRefineError` where `folder` holds something else than what this job makes."""
    begun = (folder / PAIR_FOLDER).is_dir()
    if not begun and folder.is_dir() and any(folder.iterdir()):
        raise MedRefineError(f"Something else is in {folder}; choose a new folder.")


def _pairs(
    overview: Any, fields: Sequence[LearnField], folder: Path, name: str, pixel_um: float | None
) -> Generator[Step, None, None]:
    """Make the pairs, unless they are there already."""
    where = folder / PAIR_FOLDER
    if where.is_dir():
        _check_same(where, overview, fields)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_unused(folder)
    except OSError as error:
        raise MedRefineError(cannot("make", folder, error)) from error
    paired = yield from pairs_steps(overview, fields, name=name, pixel_um=pixel_um)
    yield from write_pairs(paired, where)


def _check_same(where: Path, overview: Any, fields: Sequence[LearnField]) -> None:
    """Refuse pairs that were made of other photos, or at other places."""
    manifest = read_pairs(where)
    known = {p.field for p in manifest.pairs} | {r.field for r in manifest.refused}
    here = {Source(name=f.name, sha256=sha256_of(np.asarray(f.image))) for f in fields}
    same = known == here and manifest.overview.sha256 == sha256_of_overview(overview, fields)
    places = {field.name: field.placement for field in fields}
    for pair in manifest.pairs if same else ():
        placement = Placement.load(where / pair.folder / "placement.json")
        same = same and _same_place(placement, places[pair.field.name])
    if not same:
        raise MedRefineError(
            f"The pairs in {where.parent} were made of other photos, or at other places; choose a "
            "new folder."
        )


def _same_place(one: Placement, other: Placement) -> bool:
    """Say whether two placements put a field on the same pixels, lens distortion included."""
    rows, cols = (np.linspace(0, length - 1, _NET) for length in one.field_shape)
    points = np.stack(np.meshgrid(rows, cols, indexing="ij"), -1).reshape(-1, 2)
    moved = np.abs(one.to_overview(points) - other.to_overview(points)).max()
    return bool(moved <= _NO_MOVE)


def _fine_tuned(folder: Path, config: LearningConfig) -> Generator[Step, None, LearningResult]:
    """Fine-tune in a process of its own; closing this stops it, with a checkpoint."""
    yield Step(0, 1, "loading the network")
    process = BackgroundLearning(folder, config)
    last: Step = Step(0, 1, "loading the network")
    try:
        while process.running:
            for report in process.poll():
                last = report if isinstance(report, Step) else last
            yield last
            time.sleep(_LOOK)
    finally:
        process.stop()
    outcome = process.outcome
    if isinstance(outcome, Failed):
        raise MedRefineError(outcome.sentence)
    if outcome is None or isinstance(outcome, Stopped):
        raise MedRefineError(f"The fine-tuning in {folder} was stopped; start it again to go on.")
    return outcome


def refused_in(folder: Path) -> tuple[Refused, ...]:
    """Return the fields that the run in `folder` could not learn from, and why; none if no run."""
    where = folder / PAIR_FOLDER
    return read_pairs(where).refused if (where / PAIRS).is_file() else ()
