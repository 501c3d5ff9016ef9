"""Questions about paths that have an answer for every path: rings of links, endless names."""

from __future__ import annotations

import os
from pathlib import Path


def real(path: Path) -> Path:
    """Return `path` without links on the way; as far as that goes where they form a ring."""
    return Path(os.path.realpath(path))


def is_file(path: Path) -> bool:
    """Return whether a file is there; none is under a name that cannot be."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Return whether a folder is there; none is under a name that cannot be."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
