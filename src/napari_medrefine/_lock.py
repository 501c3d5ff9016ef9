"""Locks between processes that the system itself lifts when a process dies."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from napari_medrefine._atomic import PART
from napari_medrefine.errors import MedRefineError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Keep other processes from writing the result at `path`; afterwards no lock is left.

    Raises
    ------
    MedRefineError
        If another process is writing it.
    """
    # Beside it, and not derived from the name as it is: that may be as long as names may be.
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    lock = path.with_name(f"{PART}{name}.lock")
    file = _held(lock, f"{path} is being written by another process")
    try:
        yield
    finally:
        if file is not None:
            with suppress(OSError):  # before we let go: nobody else may hold it yet
                lock.unlink()
            file.close()
            if sys.platform == "win32":  # which removes nothing that is open
                with suppress(OSError):
                    lock.unlink(missing_ok=True)


def _held(lock: Path, who: str) -> IO[bytes] | None:
    """Return a file that is locked; None where there can be none, as in read-only folders."""
    while True:
        try:
            file = lock.open("ab")
        except OSError:
            return None  # what is written next says why, if it cannot be written either
        try:
            take(file)
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                return file
        except (BlockingIOError, PermissionError) as error:
            file.close()
            raise MedRefineError(
                f"{who}; wait until it has ended, or choose another name."
            ) from error
        except FileNotFoundError:
            pass  # whoever held it has just removed it: it is another file now
        except OSError:
            return file  # a file system without locks: better unguarded than not at all
        file.close()


if sys.platform == "win32":
    import msvcrt

    def take(file: IO[bytes]) -> None:
        """Lock a file; `PermissionError` if another process has."""
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def take(file: IO[bytes]) -> None:
        """Lock a file; `BlockingIOError` or `PermissionError` if another process has."""
        # lockf, not flock: a forked worker process must not go on holding it.
        fcntl.lockf(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
