"""Files that are whole or not there at all: write beside, sync, rename, sync the folder."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from napari_medrefine._paths import is_folder
from napari_medrefine.errors import MedRefineError

PART = ".medrefine-"  # how the names of files that are still being written begin
_PART = re.compile(r"\.medrefine-\w{8,16}\.part")  # files, and folders
_WINDOWS = os.name == "nt"
_AGAIN = ", and start again."
_DEAD_S = 24 * 3600  # seconds after which nobody writes to an untouched part any more
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def replacing(path: Path, *, sync: bool = True, size: int | None = None) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` once the block has ended well.

    Whatever happens before, `path` stays as it was: absent, or the old file. Without `sync` that is
    so if the process is killed, but not if the machine loses its power. With `size`, the bytes of
    the whole file, the sentence on a full disk says how many are missing.

    Raises
    ------
    MedRefineError
        If the folder is missing or read-only, the disk is full, or `path` is a folder.
    """
    part = part_beside(path)
    try:
        if sync:
            remove_dead(path.parent)
        with part.open("xb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        move(part, path)
        if sync:
            sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):  # now: what it took is free again
            part.unlink(missing_ok=True)
        raise MedRefineError(cannot("write", path, error, size)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Write `content` to `path`, whole or not at all (see `replacing`)."""
    with replacing(path, sync=sync, size=len(content)) as file:
        file.write(content)


def move(new: Path, path: Path) -> None:
    """Put `new` in the place of `path`.

    On Windows a virus scanner or an indexer may have either open for a moment: we wait for it.
    """
    for wait in (0.05, 0.1, 0.2, 0.4, None):
        try:
            new.replace(path)
        except PermissionError:
            if wait is None or not _WINDOWS:
                raise
            time.sleep(wait)
        else:
            return


def part_beside(path: Path) -> Path:
    """Return a new name for what will be `path`, in the same folder."""
    # A name of its own, not one derived from `path`: that may already be as long as names may be.
    return path.parent / f"{PART}{secrets.token_hex(8)}.part"


def sync_folder(folder: Path) -> None:
    """Have the names in `folder` on the disk, too: else a new file may be lost with the power."""
    if _WINDOWS:
        return  # Windows opens no folders, and has renamed on the disk when it says so
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return  # a folder that may be written to, and not be listed
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network drives cannot
            raise
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Have all files below `folder`, and their names, on the disk."""
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        else:
            sync_file(path)
    sync_folder(folder)


def sync_file(path: Path) -> None:
    """Have the content of a file on the disk."""
    with path.open("r+b") as file:  # Windows syncs only what is open for writing
        os.fsync(file.fileno())


def cannot(do: str, path: Path, error: OSError, size: int | None = None) -> str:
    """Return the sentence that says why `path` could not be read or written, and what to do.

    `size` is how many bytes it would have, if that is known.
    """
    folder = path if is_folder(path) else path.parent
    if error.errno in _FULL:
        return f"Cannot {do} {path}: {full(folder, _missing(folder, size))}{_AGAIN}"
    if error.errno == errno.EFBIG:
        why = "its disk takes no files as large as this (FAT32?); choose another one"
    elif error.errno == errno.ENOENT and do != "read" and not is_folder(path.parent):
        why = (
            f"the folder {path.parent} is not there; bring it back (is its drive plugged in?), or "
            "choose another one, and start again"
        )
    else:
        why = error.strerror or str(error)
        if _WINDOWS and isinstance(error, PermissionError):
            why += " (close any other program that has it open)"
    return f"Cannot {do} {path}: {why}."


def _missing(folder: Path, size: int | None) -> int | None:
    try:
        return None if size is None else max(1, size - shutil.disk_usage(folder).free)
    except OSError:
        return size


def full(folder: Path, needed: int | None = None) -> str:
    """Return what to do about a disk that is full; `needed` bytes are missing, if that is known."""
    if needed is None:
        with suppress(OSError):
            left = shutil.disk_usage(folder).free
            return f"the disk is full ({left / 1e6:,.1f} MB are left); free some space"
        return "the disk is full; free some space"
    return f"the disk is full; free about {max(1, -(-needed // 1_000_000)):,} MB"


def is_full(error: BaseException | None) -> bool:
    """Say whether `error`, or what caused it, is that a disk is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False


@contextmanager
def going_on(folder: Path, again: str = "start again") -> Iterator[list[float]]:
    """Say, when the disk gets full, how much is missing, and that the job goes on where it was.

    Whoever is in the block keeps in the list which share of the job is done, 0 to 1; 0 if it does
    not know.

    Raises
    ------
    MedRefineError
        In place of any error that says that the disk is full.
    """
    done = [0.0]  # mutable, for the block
    try:
        yield done
    except (MedRefineError, OSError) as error:
        if not is_full(error):
            raise
        used, share = size_of(folder), done[0]
        said = f"Cannot write {folder}: {full(folder)}"
        if share > 0:
            said = f"Cannot write {folder}: {full(folder, int(used * (1 - share) / share))}"
        elif isinstance(error, MedRefineError):
            said = str(error).removesuffix(_AGAIN)
        raise MedRefineError(f"{said}, and {again}: it goes on where it was.") from error


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # it may be going just now
            total += path.stat().st_size if path.is_file() else 0
    return total


@lru_cache(maxsize=64)  # once for every folder: it may hold thousands of files
def remove_dead(folder: Path) -> None:
    """Remove, a day later, what killed processes left half-written or half-removed in `folder`."""
    try:
        parts = [path for path in folder.iterdir() if _PART.fullmatch(path.name)]
    except PermissionError:  # it may be written to, and not be listed
        return
    for part in parts:
        with suppress(OSError):
            # Of a folder, the time of what is written last in it counts.
            last = max(path.stat().st_mtime for path in (part, *part.rglob("*")))
            if time.time() - last > _DEAD_S:
                shutil.rmtree(part) if part.is_dir() else part.unlink()
