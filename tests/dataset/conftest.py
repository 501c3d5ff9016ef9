"""Small photos with the structure of tissue, and a folder of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter

from napari_medrefine.dataset import Recipe, prepare_steps
from napari_medrefine.photos import write_image
from napari_medrefine.progress import finish

Pixels = npt.NDArray[np.uint8]


def textured(seed: int, height: int = 280, width: int = 400) -> Pixels:
    """Return a photo with structure at every scale on a light ground."""
    rng = np.random.default_rng(seed)
    structure = sum(
        sigma * gaussian_filter(rng.normal(size=(height, width)), sigma) for sigma in (1, 3, 9)
    )
    colour = np.array([18.0, 30.0, 16.0])
    return np.clip(190 + structure[..., None] * colour, 0, 250).astype(np.uint8)


@pytest.fixture(scope="session")
def photo() -> Callable[..., Pixels]:
    return textured


@pytest.fixture(scope="session")
def small() -> Recipe:
    """Return a recipe of 2 x 3 tiles of 64 pixels for photos of 280 x 400."""
    return Recipe(tile=64, reduce=2)


@pytest.fixture(scope="session")
def _photos_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("once") / "photos"
    folder.mkdir()
    for slide in range(1, 5):
        write_image(folder / f"slide{slide}_4x.png", textured(slide))
        write_image(folder / f"slide{slide}_40x_1.png", textured(10 + slide), pixel_um=0.125)
    return folder


@pytest.fixture(scope="session")
def _dataset_once(_photos_once: Path, small: Recipe) -> Path:
    finish(prepare_steps(_photos_once, _photos_once.parent / "dataset", small))
    return _photos_once.parent / "dataset"


@pytest.fixture
def photos(_photos_once: Path, tmp_path: Path) -> Path:
    """Return a folder with four slides: an overview and a field of each."""
    return shutil.copytree(_photos_once, tmp_path / "photos")


@pytest.fixture
def prepared(_dataset_once: Path, tmp_path: Path) -> Path:
    """Return the dataset of `photos`."""
    return shutil.copytree(_dataset_once, tmp_path / "prepared")
