"""Questions about paths that have an answer for every path: rings of links, endless names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def real(path: Path) -> Path:
    """Return `path` without links on the way; as far as that goes where they form a ring."""
    return Path(os.path.realpath(path))


def is_file(path: Path) -> bool:
    """Return whether a file is there; none is under a name that cannot be."""
    return _answered(path.is_file)


def is_folder(path: Path) -> bool:
    """Return whether a folder is there; none is under a name that cannot be."""
    return _answered(path.is_dir)


def _answered(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except (OSError, ValueError):
        return False
