"""Files that are whole or not there at all: write beside, sync, rename."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from napari_medrefine.errors import MedRefineError

PART = ".medrefine-"  # how the names of files that are still being written begin


@contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` once the block has ended well.

    Whatever happens before, `path` stays as it was: absent, or the old file. Without `sync` that is
    so if the process is killed, but not if the machine loses its power.

    Raises
    ------
    MedRefineError
        If the folder is missing or read-only, the disk is full, or `path` is a folder.
    """
    # A name of its own, not one derived from `path`: that may already be as long as names may be.
    part = path.parent / f"{PART}{secrets.token_hex(8)}.part"
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise MedRefineError(cannot("write", path, error)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Write `content` to `path`, whole or not at all (see `replacing`)."""
    with replacing(path, sync=sync) as file:
        file.write(content)


def cannot(do: str, path: Path, error: OSError) -> str:
    """Return the sentence that says why `path` could not be read or written."""
    return f"Cannot {do} {path}: {error.strerror or error}."
