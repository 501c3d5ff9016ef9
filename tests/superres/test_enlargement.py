"""What was reduced and enlarged again is recognised, and sharpened to what gives the small back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy import ndimage as ndi
from skimage.data import coffee

from napari_medrefine._resample import cubic_taps
from napari_medrefine.photos import read_photo
from napari_medrefine.progress import finish
from napari_medrefine.superres.api import sharpen
from napari_medrefine.superres.chain import Chain
from napari_medrefine.superres.consistency import Reduction
from napari_medrefine.superres.enlargement import KERNELS, Enlargement, Kernel
from napari_medrefine.superres.inference import run_steps
from napari_medrefine.superres.origin import enlargement_of
from napari_medrefine.superres.ready import ready_generator


def averaged(image: np.ndarray) -> np.ndarray:
    h, w = image.shape[0] // 2, image.shape[1] // 2
    return image[: 2 * h, : 2 * w].astype(np.float32).reshape(h, 2, w, 2, 3).mean((1, 3))


def enlarged(small: np.ndarray, kernel: Kernel) -> np.ndarray:
    def matrix(n: int) -> np.ndarray:
        return cubic_taps(n, 2 * n, sharpness=-0.75 if kernel == "bicubic" else -0.5).dense()

    rows, columns = (matrix(n) for n in small.shape[:2])
    return np.einsum("ij,jkc,lk->ilc", rows, small, columns)


@pytest.fixture(scope="module")
def sharp() -> np.ndarray:
    return coffee()[:192, :256]


@pytest.mark.parametrize("kernel", KERNELS)
def test_it_is_recognised_and_gains(sharp: np.ndarray, kernel: Kernel) -> None:
    small = averaged(sharp)
    blurred = np.clip(np.rint(enlarged(small, kernel)), 0, 255).astype(np.uint8)
    found = enlargement_of(blurred, ready_generator("sharpen"))
    assert found is not None
    assert found.kernel == kernel
    held, plain = (sharpen(blurred, consistency=way) for way in (None, False))
    assert error(held, sharp) < 1.05 * error(plain, sharp)
    assert error(held, sharp) < 0.9 * error(blurred, sharp)


@pytest.mark.parametrize("realism", [0.0, 1.0])
def test_the_result_gives_the_small_image_back(sharp: np.ndarray, realism: float) -> None:
    small = np.rint(averaged(sharp))
    result = sharpen(enlarged(small, "bicubic").astype(np.float32), realism=realism)
    assert np.abs(averaged(result) - small)[4:-4, 4:-4].mean() <= 0.05


@pytest.mark.photos
@pytest.mark.parametrize("sigma", [0.0, 0.7, 1.4])
def test_a_soft_photo_is_sharpened_no_more_than_it_bears_out(
    fields_dir: Path, sigma: float
) -> None:
    """Left to the network alone, it would come out up to 26 times worse than it was."""
    for slide in ("giardia", "keloid-scar"):
        file = sorted((fields_dir / "train" / slide).glob("*.jpg"))[1]
        field = np.asarray(read_photo(file).image, np.float32)[:256, :256, :3]
        sharp = np.rint(ndi.gaussian_filter(field, (sigma, sigma, 0)))
        small = Pillow.fromarray(np.rint(averaged(sharp)).astype(np.uint8))
        blurred = np.asarray(small.resize((256, 256), Pillow.Resampling.BICUBIC))
        assert error(sharpen(blurred), sharp) < 0.8 * error(blurred, sharp)


def test_pillow_enlarges_so(sharp: np.ndarray) -> None:
    small = Pillow.fromarray(np.rint(averaged(sharp)).astype(np.uint8))
    blurred = np.asarray(small.resize((256, 192), Pillow.Resampling.BICUBIC))
    found = enlargement_of(blurred, ready_generator("sharpen"))
    assert found is not None
    assert found.kernel == "softer bicubic"


def test_other_blur_is_left_to_the_network(sharp: np.ndarray) -> None:
    network = ready_generator("sharpen")
    blurred = ndi.gaussian_filter(sharp.astype(np.float32), (1.2, 1.2, 0))
    noisy = blurred + np.random.default_rng(0).normal(0, 1, blurred.shape)
    for image in (sharp, np.rint(noisy).clip(0, 255).astype(np.uint8)):
        assert enlargement_of(image, network) is None
        np.testing.assert_array_equal(sharpen(image), sharpen(image, consistency=False))


@pytest.mark.parametrize("kernel", KERNELS)
def test_tiles_join(sharp: np.ndarray, kernel: Kernel) -> None:
    image = enlarged(averaged(sharp), kernel).astype(np.float32)[:, :250]
    chain = Chain(
        ready_generator("sharpen"), (1,), enlargement=Enlargement(kernel, Reduction("bicubic", 2))
    )
    whole = finish(run_steps(image, image.shape[:2], chain, tile=10_000))
    tiled = finish(run_steps(image, image.shape[:2], chain, tile=130))
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=2e-4)


def error(image: np.ndarray, sharp: np.ndarray) -> float:
    return float(((image.astype(np.float32) - sharp) ** 2).mean())
