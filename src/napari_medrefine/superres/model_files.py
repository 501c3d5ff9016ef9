"""What a weight file says of itself, read without torch, so that a window may ask at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from napari_medrefine._atomic import cannot
from napari_medrefine._paths import open_file
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.cards import ModelCard, Task, parse_card
from napari_medrefine.superres.foreign_files import container_of, scale_in, task_of
from napari_medrefine.superres.run_folder import FAITHFUL

# For photos whose objective blurs about a pixel; it ships, see `models.list_models`.
FOR_PHOTOS = "photo-faithful"
PHOTOS = Path(__file__).parent / "weights" / f"{FOR_PHOTOS}.safetensors"
_LONGEST = 10_000_000  # bytes of a header; ours have a few thousand


@dataclass(frozen=True, slots=True)
class Seen:
    """What a weight file says without being loaded.

    Attributes
    ----------
    task : {"magnify", "sharpen"} or None
        What its network is for; None where only running it will tell.
    foreign : bool
        Whether others made it.
    scale : int or None
        Of a network of others, its enlargement as far as it is known.
    """

    task: Task | None
    foreign: bool = False
    scale: int | None = None


def look_at(path: Path) -> Seen:
    """Return what the weight file `path` is for, ours or others'.

    Raises
    ------
    MedRefineError
        If it is missing, damaged, or holds no weights.
    """
    if container_of(path) is None:
        return Seen(read_card(path).task)
    scale = scale_in(path)
    return Seen(None if scale is None else task_of(scale), foreign=True, scale=scale)


def read_card(path: Path) -> ModelCard:
    """Return the model card in a weight file; the weights themselves are checked when they run.

    Parameters
    ----------
    path : Path
        Of a ``.safetensors`` file.

    Raises
    ------
    MedRefineError
        If it is missing, damaged, or holds no model of ours.
    """
    try:
        with open_file(path) as file:
            length = int.from_bytes(file.read(8), "little")
            header = file.read(length) if length <= _LONGEST else b""
    except OSError as error:
        raise MedRefineError(cannot("read", path, error)) from error
    try:
        text = json.loads(header)["__metadata__"]["card"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MedRefineError(
            f"Cannot use {path}: it is damaged, or no weight file (ours, or of others as "
            ".safetensors, .pth, .pt or .ckpt)."
        ) from error
    return parse_card(path, str(text))


def model_of(file: Path) -> str:
    """Return what to hand to `magnify` and `sharpen` for a weight file: of ours, its name."""
    return file.stem if file.parent == PHOTOS.parent else str(file)


def weights_in(path: Path) -> Path:
    """Return the weight file that `path` stands for: itself, or the faithful one of a run's folder.

    Raises
    ------
    MedRefineError
        If the folder has none.
    """
    if not path.is_dir():
        return path
    if not (path / FAITHFUL).is_file():
        raise MedRefineError(f"There are no weights in {path}; each training leaves {FAITHFUL}.")
    return path / FAITHFUL
