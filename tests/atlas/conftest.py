"""Photos of two procedural slides under names that mean nothing, and the atlas of them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from napari_medrefine.atlas import atlas_steps
from napari_medrefine.photos import write_image
from napari_medrefine.progress import finish
from napari_medrefine.samples import SlidePhoto, demo_photos

NAMES = {0: ("k", "c", "m", "a", "q"), 3: ("d", "x", "b", "y", "e")}  # the overview's first


@dataclass(frozen=True)
class Shot:
    """A photo, and the name of its overview (its own, if it is one)."""

    photo: SlidePhoto
    overview: str


@pytest.fixture(scope="session")
def shots(sample_photos: tuple[SlidePhoto, list[SlidePhoto]]) -> dict[str, Shot]:
    """Return the photos by the names of their files."""
    found = {}
    for seed, names in NAMES.items():
        overview, fields = demo_photos(seed) if seed else sample_photos
        for name, photo in zip(names, (overview, *fields), strict=True):
            found[f"{name}.png"] = Shot(photo, f"{names[0]}.png")
    return found


@pytest.fixture(scope="session")
def _photos_once(shots: dict[str, Shot], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("once") / "photos"
    folder.mkdir()
    for name, shot in shots.items():
        write_image(folder / name, shot.photo.image)
    (folder / "notes.png").write_bytes(b"this is no photo")
    return folder


@pytest.fixture(scope="session")
def objectives(shots: dict[str, Shot]) -> dict[str, float]:
    return {name: float(shot.photo.objective) for name, shot in shots.items()}


@pytest.fixture(scope="session")
def _atlas_once(_photos_once: Path, objectives: dict[str, float]) -> Path:
    output = _photos_once.parent / "atlas"
    finish(atlas_steps(_photos_once, output, objectives=objectives))
    return output


@pytest.fixture
def photos(_photos_once: Path, tmp_path: Path) -> Path:
    """Return a folder with ten photos and a file that is none."""
    return shutil.copytree(_photos_once, tmp_path / "photos")


@pytest.fixture
def made(photos: Path, _atlas_once: Path) -> Path:
    """Return the atlas of `photos`, beside them."""
    return shutil.copytree(_atlas_once, photos.parent / "atlas")
