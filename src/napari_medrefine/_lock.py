"""Locks between processes, and between jobs of one, that no killed process leaves behind."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from napari_medrefine._atomic import PART, cannot
from napari_medrefine._paths import is_there, real
from napari_medrefine.errors import MedRefineError

# The system's locks are between processes: within this one, the names of those that it holds.
_OURS: set[Path] = set()
_LOOKING = threading.Lock()


@contextmanager
def making(folder: Path) -> Iterator[None]:
    """Keep all others from making the result in `folder`; the folders above it are made.

    If there is no `folder` afterwards, those above it that were made are gone, too.

    Raises
    ------
    MedRefineError
        If another process, or another job of this one, is making it, or there is no place for it.
    """
    above = [one for one in real(folder).parents if not is_there(one)]
    try:
        _make(above, folder)
        with writing(folder):
            yield
    finally:
        if not is_there(folder):
            for one in above:
                with suppress(OSError, ValueError):  # others found it useful
                    one.rmdir()


def _make(above: list[Path], folder: Path) -> None:
    """Make the folders above; what is wrong with `folder` is told before the work, not after it."""
    try:
        for one in reversed(above):
            one.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            folder.lstat()
    except OSError as error:
        raise MedRefineError(cannot("make the folder", folder, error)) from error
    except ValueError as error:
        raise MedRefineError(f"{str(folder)!r} cannot be the name of a folder.") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Keep all others from writing the result at `path`; afterwards no lock is left.

    Raises
    ------
    MedRefineError
        If another process, or another job of this one, is writing it.
    """
    place = real(path)  # whatever links lead there
    with _within_this_process(place), _between_processes(place):
        yield


@contextmanager
def _within_this_process(place: Path) -> Iterator[None]:
    with _LOOKING:
        if place in _OURS:
            raise _busy(place)
        _OURS.add(place)
    try:
        yield
    finally:
        with _LOOKING:
            _OURS.discard(place)


@contextmanager
def _between_processes(place: Path) -> Iterator[None]:
    # Beside it, and not derived from the name as it is: that may be as long as names may be.
    name = hashlib.sha256(os.fsencode(place.name)).hexdigest()[:16]
    lock = place.parent / f"{PART}{name}.lock"
    file = _held(place, lock)
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


def _busy(place: Path) -> MedRefineError:
    return MedRefineError(
        f"{place} is being written already, by another job or another process; wait until it has "
        "ended, or choose another name."
    )


def _held(place: Path, lock: Path) -> IO[bytes] | None:
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
            raise _busy(place) from error
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
