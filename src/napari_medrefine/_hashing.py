"""The SHA-256 of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from napari_medrefine._atomic import cannot
from napari_medrefine._paths import open_file
from napari_medrefine.errors import MedRefineError


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal text.

    Raises
    ------
    OSError
        If it cannot be read: for those who go on without it.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal text.

    Raises
    ------
    MedRefineError
        If it cannot be read.
    """
    try:
        return digest(path)
    except OSError as error:
        raise MedRefineError(cannot("read", path, error)) from error
