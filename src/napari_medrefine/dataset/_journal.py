"""What has been done so far, while a dataset is being made: an interrupted job goes on from here.

``medrefine-dataset.journal`` has one JSON object a line: first the recipe and the tiles of an
earlier dataset that are to go, then each photo once its tiles are on disk. It is there from the
first tile until the manifest is; a folder with a journal is a dataset in the making.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_medrefine._atomic import cannot, write_bytes
from napari_medrefine._paths import read_file
from napari_medrefine.dataset._cut import CutPhoto
from napari_medrefine.dataset.manifest import (
    MANIFEST,
    LeftOut,
    Manifest,
    TilePath,
    load_manifest,
)
from napari_medrefine.dataset.recipe import Recipe
from napari_medrefine.errors import MedRefineError

JOURNAL = "medrefine-dataset.journal"
Done = CutPhoto | LeftOut


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid")
    recipe: Recipe
    stale: tuple[TilePath, ...]


@dataclass(frozen=True, slots=True)
class Before:
    """What lies in the output folder before the job.

    Attributes
    ----------
    recipe : Recipe or None
        Of the finished or unfinished dataset there, if any.
    done : dict
        Source to what was done with it.
    tiles : frozenset of str
        All tile files that belong to it.
    finished : bool
        Whether there is a manifest.
    """

    recipe: Recipe | None = None
    done: dict[str, Done] = field(default_factory=dict)
    tiles: frozenset[str] = frozenset()
    finished: bool = False


def look(output: Path) -> Before:
    """Return what lies in `output`.

    Raises
    ------
    MedRefineError
        If there is a manifest that cannot be read.
    """
    if (output / JOURNAL).exists():
        return _read_journal(output / JOURNAL)
    if (output / MANIFEST).exists():
        return _from_manifest(load_manifest(output))
    return Before()


def start(output: Path, recipe: Recipe, done: list[Done], stale: frozenset[str]) -> None:
    """Write a journal with what is `done` already, and take an older manifest away.

    From here on the folder is a dataset in the making: its tiles may change.
    """
    header = _Header(recipe=recipe, stale=tuple(sorted(stale)))
    lines = [header.model_dump_json(), *(_line(one) for one in done)]
    write_bytes(output / JOURNAL, "".join(f"{line}\n" for line in lines).encode())
    _take_away(output / MANIFEST)


def add(output: Path, done: Done) -> None:
    """Append one photo, synced to the disk.

    Raises
    ------
    MedRefineError
        If that is impossible; also if the journal is gone: then the tiles are, too.
    """
    path = output / JOURNAL
    try:
        with path.open("r+b") as file:  # "ab" would make a new one, without its first line
            file.seek(0, os.SEEK_END)
            file.write(f"{_line(done)}\n".encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise MedRefineError(cannot("write", path, error)) from error


def end(output: Path) -> None:
    """Take the journal away: the manifest is there."""
    _take_away(output / JOURNAL)


def _take_away(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise MedRefineError(cannot("remove", path, error)) from error


def _line(done: Done) -> str:
    kind = "photo" if isinstance(done, CutPhoto) else "left_out"
    return json.dumps({kind: done.model_dump(mode="json")}, ensure_ascii=False)


def _read_journal(path: Path) -> Before:
    try:
        header, *lines = read_file(path).splitlines() or [b""]
        first = _Header.model_validate_json(header)
    except OSError as error:
        raise MedRefineError(cannot("read", path, error)) from error
    except ValidationError as error:
        raise MedRefineError(f"Cannot read {path}: it is damaged; delete it.") from error
    done = [one for line in lines if (one := _parse(line)) is not None]
    tiles = {t.file for one in done if isinstance(one, CutPhoto) for t in one.tiles}
    return Before(
        first.recipe, {one.source: one for one in done}, frozenset(tiles | set(first.stale))
    )


def _parse(line: bytes) -> Done | None:
    """Return what a line says, None if it was cut off in the middle."""
    try:
        data: dict[str, Any] = json.loads(line)
        if "photo" in data:
            return CutPhoto.model_validate(data["photo"])
        return LeftOut.model_validate(data["left_out"])
    except (ValueError, KeyError, TypeError):
        return None


def _from_manifest(manifest: Manifest) -> Before:
    done: dict[str, Done] = {entry.source: entry for entry in manifest.left_out}
    for photo in manifest.photos:
        if tiles := tuple(manifest.tiles_of(photo.name)):
            done[photo.source] = CutPhoto(photo=photo, tiles=tiles)
    files = frozenset(tile.file for tile in manifest.tiles)
    return Before(manifest.recipe, done, files, finished=True)
