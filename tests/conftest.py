"""Where tests find the real photos, and the loud skip where these are missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("MEDREFINE_DATA", Path(__file__).parents[2] / "shared" / "data"))


def _folder(name: str) -> Path:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(
            f"REAL PHOTOS MISSING: {name} is not in {DATA}; set MEDREFINE_DATA to its folder"
        )
    return folder


@pytest.fixture(scope="session")
def photos44() -> Path:
    """Folder of the 44 real photos with exact truth (truth.json)."""
    return _folder("photos44")


@pytest.fixture(scope="session")
def fields_dir() -> Path:
    """Folder of the real super-resolution fields, `train/` and `test/` by slide."""
    return _folder("fields")
