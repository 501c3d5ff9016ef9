"""One training per folder: a lock that the system itself lifts when its process dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_medrefine._atomic import cannot
from napari_medrefine._lock import take
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
            take(file)
        except (BlockingIOError, PermissionError) as error:
            raise MedRefineError(
                f"Another process is training in {folder}; wait until it has ended, or choose "
                "another folder."
            ) from error
        except OSError:
            pass  # a file system without locks: better to train unguarded than not at all
        yield
