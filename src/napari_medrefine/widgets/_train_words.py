"""What the Train widget says of datasets, run folders and results."""

from __future__ import annotations

import os
from pathlib import Path

from napari_medrefine.dataset import MANIFEST
from napari_medrefine.superres.run_folder import CHECKPOINT
from napari_medrefine.widgets._train_history import History


def free_folder(dataset: Path, task: str) -> Path:
    """Return a folder beside `dataset` that does not exist yet."""
    beside = dataset.parent if dataset.is_file() else dataset
    stem, number = beside.name or "dataset", 1  # a whole drive has no name
    while (folder := beside.parent / f"{stem}-{task}-{number}").exists():
        number += 1
    return folder


def describe_source(path: Path) -> tuple[str, bool]:
    """Say in a line what would be trained on, and whether it seems to be something for that."""
    if path.is_file() or is_there(path, MANIFEST):
        return "A prepared dataset, with a split of its own.", True
    try:
        with os.scandir(path) as entries:
            slides = sum(entry.is_dir() for entry in entries)
    except OSError:
        return "There is no such folder.", False
    if slides < 2:
        return (
            "This is no prepared dataset, and has no sub-folders of photos, one per slide.",
            False,
        )
    return f"Not a prepared dataset: its {slides} sub-folders are taken for slides.", True


def describe_new(folder: Path) -> str:
    """Say in a line what a training in `folder` would meet."""
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        return f"This folder cannot be read: {error.strerror}."
    if is_there(folder, CHECKPOINT):
        return (
            "A training that does not name its dataset: resume it with 'medrefine train DATASET "
            "-o RUN --resume'."
        )
    if taken:
        return "Something else is in this folder; choose another one."
    return "A new folder."


def describe_result(history: History) -> str:
    """Say what came of a finished training."""
    best = history.chosen
    said = f"Finished: {len(history.epochs)} epochs."
    if best is None:
        return said
    gain = best.psnr - best.plain_psnr
    said += (
        f" Best is epoch {best.epoch}: {best.psnr:.2f} dB on held-out slides, {abs(gain):.2f} dB "
        f"{'more' if gain >= 0 else 'LESS'} than interpolation alone."
    )
    more = "Train for more epochs, or on more slides." if gain < 0 else "Press 'Use this model'."
    return f"{said} {more}"


def describe_use(name: str, history: History) -> str:
    """Say that a network is in use, and what its training showed where that speaks against it."""
    said, best = f"'Magnify & sharpen' now runs the network '{name}'.", history.chosen
    gain = 0.0 if best is None else best.psnr - best.plain_psnr
    if gain >= 0:
        return said
    return (
        f"{said} But on held-out slides it came out {-gain:.2f} dB WORSE than interpolation alone: "
        "the shipped one does better. Train for more epochs, or on more slides."
    )


def is_there(folder: Path, name: str) -> bool:
    """Return whether `folder` has a file of that name."""
    try:
        return (folder / name).is_file()
    except OSError:  # such as a name that is too long
        return False
