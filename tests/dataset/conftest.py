"""Small photos with the structure of tissue, and a folder of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter

from napari_medrefine.dataset import Recipe
from napari_medrefine.photos import write_image

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


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder with four slides: an overview and a field of each."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for slide in range(1, 5):
        write_image(folder / f"slide{slide}_4x.png", textured(slide))
        write_image(folder / f"slide{slide}_40x_1.png", textured(10 + slide), pixel_um=0.125)
    return folder
