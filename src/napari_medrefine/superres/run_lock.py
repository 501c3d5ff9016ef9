"""One training per folder: a lock that the system itself lifts when its process dies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from napari_medrefine._atomic import cannot
from napari_medrefine.errors import MedRefineError

LOCK = "running.lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes from training in `folder`; the system lets go when this one dies.

    Raises
    ------
    MedRefineError
        If another process is training there, or the folder is read-only.
    """
    try:
        file = (folder / LOCK).open("ab")
    except OSError as error:
        raise MedRefineError(cannot("write", folder / LOCK, error)) from error
    with file:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError) as error:
            raise MedRefineError(
                f"Another process is training in {folder}; wait until it has ended, or choose "
                "another folder."
            ) from error
        except OSError:
            pass  # a file system without locks: better to train unguarded than not at all
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        # lockf, not flock: a forked worker process must not go on holding it.
        fcntl.lockf(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
