"""A folder that remembers what it was filled with, so that this may be replaced unasked.

What somebody put there or changed since is not replaced: it has another hash.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from napari_medrefine._atomic import cannot, write_bytes
from napari_medrefine._hashing import digest
from napari_medrefine._paths import read_file
from napari_medrefine.errors import MedRefineError

RECORD = "made-by-medrefine.json"


class OwnFiles:
    """The files of a folder that were made here.

    Parameters
    ----------
    folder : Path
        The folder; it is made.

    Raises
    ------
    MedRefineError
        If it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MedRefineError(cannot("make the folder", folder, error)) from error
        self._known: dict[str, str] = _read(folder / RECORD)

    def foreign(self, patterns: Iterable[str]) -> list[Path]:
        """Return the files called like one of `patterns` that are not as they were made here."""
        named = sorted({path for one in patterns for path in self._folder.glob(one)})
        return [path for path in named if self._known.get(path.name) != _hash(path)]

    def made(self, path: Path) -> None:
        """Note a file as soon as it is written: the next may never be."""
        self._known[path.name] = digest(path)
        write_bytes(self._folder / RECORD, json.dumps(self._known, indent=1).encode(), sync=False)


def _read(path: Path) -> dict[str, str]:
    """Return names and hashes; none where nothing or something else is noted."""
    with suppress(OSError, ValueError):
        found = json.loads(read_file(path))
        if isinstance(found, dict):
            return {str(name): str(one) for name, one in found.items()}
    return {}


def _hash(path: Path) -> str:
    with suppress(OSError):
        return digest(path)
    return "unreadable"
