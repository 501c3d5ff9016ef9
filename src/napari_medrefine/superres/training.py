"""The training loop: two stages, resumable, one stream of events for widget and terminal.

Stage one minimises the pixel loss; its best running-mean weights (by the held-out slides) are the
faithful ones. Stage two goes on from them against a discriminator, with perceptual features and
consistency; its weights are the GAN's. Which crops batch ``i`` holds depends on the seed and ``i``
alone, and a checkpoint holds everything else, so that a resumed training ends with the same bits
(with as many threads; sums of another number of them are rounded otherwise).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack
from pathlib import Path

from napari_medrefine._atomic import PART, cannot, going_on
from napari_medrefine.dataset import MANIFEST
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.checkpoints import check_same, load_checkpoint, split_sha256
from napari_medrefine.superres.data import Sides, Tile, check_split, read_dataset, read_photos
from napari_medrefine.superres.events import TrainingConfig, TrainingEvent, TrainingResult
from napari_medrefine.superres.precision import available, choose_precision
from napari_medrefine.superres.run import Run
from napari_medrefine.superres.run_folder import CHECKPOINT, RECORD, keep_log, read_run, write_run
from napari_medrefine.superres.run_lock import LOCK, held

__all__ = [
    "TrainingConfig",
    "TrainingEvent",
    "TrainingResult",
    "read_sides",
    "stored_config",
    "train_steps",
]

MOST_WORKERS = 256  # each is a Python of its own


def read_sides(dataset: Path, config: TrainingConfig) -> Sides:
    """Return what there is to train on, and what is held out.

    Parameters
    ----------
    dataset : Path
        A prepared dataset, or a folder with one sub-folder of photos per slide.
    config : TrainingConfig
        Says which slides of such a folder are held out, and how large crops should be.

    Raises
    ------
    MedRefineError
        If there is none, it cannot be read, or it is not enough.
    """
    if not dataset.exists():
        raise MedRefineError(f"There is no dataset or folder of photos at {dataset}.")
    if dataset.is_file() or (dataset / MANIFEST).is_file():
        sides = read_dataset(dataset)
    else:
        sides = read_photos(dataset, config.held_out, config.seed)
    cautions = (sides.caution, _smaller_crops(sides.training, config))
    return sides._replace(caution="; ".join(caution for caution in cautions if caution))


def _smaller_crops(tiles: Sequence[Tile], config: TrainingConfig) -> str:
    """Return a caution where the tiles have no room for the crops that were asked for."""
    side = min(min(tile.shape[:2]) for tile in tiles)
    room = side // max(config.enlargements) // 2 * 2
    if config.crop is None or config.crop <= room:
        return ""
    return (
        f"the smallest tile, {side} pixels a side, has room for crops of {room} input pixels, not "
        f"{config.crop}"
    )


def train_steps(
    training: Sequence[Tile],
    validation: Sequence[Tile],
    config: TrainingConfig,
    folder: Path,
    *,
    resume: bool = False,
    workers: int = 0,
    source: Path | None = None,
) -> Generator[TrainingEvent, None, TrainingResult]:
    """Train a generator on `training`, judged by `validation`, and write all into `folder`.

    Closing the generator between two batches leaves a checkpoint of that very moment; a killed
    process loses what came after the last one (`TrainingConfig.checkpoint_every`).

    Parameters
    ----------
    training, validation : sequence of Tile
        Of different slides.
    config : TrainingConfig
        What to train and how.
    folder : Path
        Of the run: new or empty, unless `resume` is true.
    resume : bool
        Go on with the training in `folder`, to the same result as if it had never stopped (to the
        bit on the same machine with the same number of threads).
    workers : int
        Processes that prepare batches, at most `MOST_WORKERS`; 0: none, done between the steps.
    source : Path or None
        Where the tiles come from, noted in `folder` for whoever resumes it.

    Yields
    ------
    TrainingEvent
        After each batch; with `validation` set after each epoch.

    Returns
    -------
    TrainingResult
        Where the weights are.

    Raises
    ------
    MedRefineError
        If a slide is on both sides, the tiles are too small, the folder is taken, there is nothing
        to resume or it was started with other settings or tiles, another process is training
        there, or the loss is not a number.
    """
    if not 0 <= workers <= MOST_WORKERS:
        raise MedRefineError(f"The workers must be 0 to {MOST_WORKERS}, not {workers}.")
    check_split(training, validation)
    folder = Path(folder)
    with ExitStack() as stack:
        locked = resume and any((folder / name).is_file() for name in (CHECKPOINT, RECORD))
        if locked:
            stack.enter_context(held(folder))
        stack.enter_context(going_on(folder, "start again with Resume (--resume)"))
        run = _open(training, validation, config, folder, resume=resume)
        if not locked:
            stack.enter_context(held(folder))
        for part in folder.glob(f"{PART}*.part"):  # of a training that was killed
            part.unlink(missing_ok=True)
        if source is not None:
            # Before the first checkpoint, or what is killed between the two could not be resumed.
            write_run(folder, source, config)
        run.save()
        result = yield from _follow(run, workers)
        if source is not None:
            write_run(folder, source, config, finished=True)
    return result


def _follow(run: Run, workers: int) -> Generator[TrainingEvent, None, TrainingResult]:
    try:
        yield run.event(f"ready to train on {run.precision.device} in {run.precision.dtype}")
        while run.progress.stage != "done":
            for batch in run.batches(workers):
                yield run.step(batch)
    except GeneratorExit:
        run.save()
        raise
    return run.result()


def stored_config(folder: Path) -> TrainingConfig:
    """Return the settings of the training in `folder`.

    Raises
    ------
    MedRefineError
        If there is none to resume.
    """
    folder = Path(folder)
    return read_run(folder).config if _had_just_begun(folder) else load_checkpoint(folder).config


def _open(
    training: Sequence[Tile],
    validation: Sequence[Tile],
    config: TrainingConfig,
    folder: Path,
    *,
    resume: bool,
) -> Run:
    tiles = split_sha256(training, validation)
    begun = resume and not _had_just_begun(folder)
    saved = load_checkpoint(folder) if begun else None
    if saved is not None:
        check_same(saved, config, tiles, folder)
    elif not resume and _is_taken(folder):
        raise MedRefineError(
            f"{folder} is already there; resume the training in it (in the terminal: --resume) or "
            "choose another folder."
        )
    precision = choose_precision(config.precision) if saved is None else available(saved.precision)
    run = Run(training, validation, config, folder, tiles, precision)
    if saved is not None:
        run.restore(saved)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MedRefineError(cannot("make", folder, error)) from error
    keep_log(folder, run.progress.epoch)
    return run


def _had_just_begun(folder: Path) -> bool:
    """Say whether the training in `folder` was ended before its first checkpoint."""
    return (folder / RECORD).is_file() and not (folder / CHECKPOINT).exists()


def _is_taken(folder: Path) -> bool:
    """Say whether there is more than what a training leaves that was killed at once."""
    if not folder.is_dir():
        return folder.exists()
    return any(path.name != LOCK and not path.name.startswith(PART) for path in folder.iterdir())
