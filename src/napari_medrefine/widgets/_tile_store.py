"""Tiles that were magnified for the view, kept on disk for other sessions, up to a size.

An entry holds what it is checked by: a damaged one counts as none. Whoever deletes the folder loses
time only.
"""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from napari_medrefine._atomic import cannot, write_bytes
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image

FOLDER = "medrefine-tiles"  # of our own, inside the one that is named
SUFFIX = ".npz"
LIMIT = 2**31  # bytes of all entries
_LEFT = 0.9  # of the limit, after making room
_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


class TileStore:
    """Arrays under keys, those used last; other processes may use the same folder.

    Parameters
    ----------
    folder : Path
        Made if missing.
    limit : int
        Bytes of all entries together.

    Raises
    ------
    MedRefineError
        If the folder cannot be made.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.folder, self.limit = Path(folder).expanduser() / FOLDER, limit
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MedRefineError(cannot("keep tiles in", self.folder, error)) from error
        self._size = sum(size for _, size, _ in self._entries())

    def get(self, key: str) -> Image | None:
        """Return what is kept under `key`, if it is there and whole."""
        path = self._path(key)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                tile: Image = kept["tile"]
            os.utime(path)
        except _DAMAGED:
            return None
        return tile

    def put(self, key: str, tile: Image) -> None:
        """Keep `tile` under `key`; if the disk does not want it, it is not kept."""
        content = io.BytesIO()
        np.savez_compressed(content, tile=tile)
        path = self._path(key)
        with suppress(OSError, MedRefineError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content.getvalue(), sync=False)
            self._size += len(content.getvalue())
        if self._size > self.limit:
            self._make_room()

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}{SUFFIX}"

    def _make_room(self) -> None:
        """Remove what was used longest ago."""
        entries = sorted(self._entries())
        self._size = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if self._size <= _LEFT * self.limit:
                return
            with suppress(OSError):
                path.unlink(missing_ok=True)
            self._size -= size

    def _entries(self) -> list[tuple[float, int, Path]]:
        """Return when each was used, its bytes, and its path."""
        found = []
        for path in self.folder.glob(f"*/*{SUFFIX}"):
            with suppress(OSError):  # removed by another process
                state = path.stat()
                found.append((state.st_mtime, state.st_size, path))
        return found
