"""How far two images of one place are apart. All are taken on 0-255, per pixel and channel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from scipy import ndimage
from skimage import color
from skimage import metrics as skmetrics

from napari_medrefine.compare.filters import enlarge
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image, white_level

Doubles = npt.NDArray[np.float64]


def mse(image: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the mean squared error per pixel and channel on 0-255; lower is better.

    Raises
    ------
    MedRefineError
        If the images differ in shape, dtype or range: such an error would mean nothing. All other
        functions of this module do likewise.
    """
    a, b = _comparable(image, truth)
    return float(skmetrics.mean_squared_error(b, a))


def psnr(image: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the peak signal-to-noise ratio in dB; higher is better, infinite if equal."""
    a, b = _comparable(image, truth)
    if np.array_equal(a, b):
        return float("inf")  # scikit-image divides by zero here
    return float(skmetrics.peak_signal_noise_ratio(b, a, data_range=255))


def ssim(image: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the structural similarity (Wang et al. 2004, Gaussian of sigma 1.5); 1 is equal."""
    a, b = _comparable(image, truth)
    if min(a.shape[:2]) < 11:
        raise MedRefineError("SSIM needs images of at least 11 x 11 pixels.")
    return float(
        skmetrics.structural_similarity(
            a,
            b,
            data_range=255,
            channel_axis=2 if a.ndim == 3 else None,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def high_frequency_ratio(image: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the energy of fine detail as a share of the truth's; 1 is right, below 1 is soft.

    Fine detail is the grey image less its Gaussian blur of sigma 1.5.
    """
    a, b = _comparable(image, truth)
    energy = _fine_energy(b)
    if energy == 0:
        raise MedRefineError("The truth has no fine detail to compare with.")
    return _fine_energy(a) / energy


def colour_difference(image: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the mean CIEDE2000 colour difference; lower is better, below 1 is hardly visible."""
    a, b = _comparable(image, truth)
    if a.ndim != 3:
        raise MedRefineError("A colour difference needs RGB images.")
    lab = [color.rgb2lab(x[..., :3] / 255) for x in (a, b)]
    return float(np.mean(color.deltaE_ciede2000(*lab)))


def consistency(image: npt.ArrayLike, original: npt.ArrayLike) -> float:
    """Return how far an enlarged image, reduced again by area, is from its original.

    Mean absolute difference in grey levels of 255; lower is better.
    """
    large, small = check_image(image), check_image(original)
    scale = small.shape[0] / large.shape[0]
    reduced = enlarge(_on_255(large).astype(np.float32), scale, Pillow.Resampling.BOX)
    if reduced.shape != small.shape:
        raise MedRefineError(f"{large.shape} is no enlargement of {small.shape}.")
    return float(np.mean(np.abs(np.asarray(reduced, np.float64) - _on_255(small))))


METRICS: dict[str, tuple[Callable[[npt.ArrayLike, npt.ArrayLike], float], str]] = {
    "MSE": (mse, "mean squared error per pixel on 0-255; lower is better"),
    "PSNR": (psnr, "peak signal-to-noise ratio in dB; higher is better"),
    "SSIM": (ssim, "structural similarity; higher is better, 1 is equal"),
    "HF": (high_frequency_ratio, "energy of fine detail as a share of the truth's; 1 is right"),
    "dE": (colour_difference, "mean CIEDE2000 colour difference; lower is better"),
}
"""Every metric of an image against its truth, and what it means."""


def _comparable(image: npt.ArrayLike, truth: npt.ArrayLike) -> tuple[Doubles, Doubles]:
    a, b = check_image(image, "image"), check_image(truth, "truth")
    if a.shape != b.shape:
        raise MedRefineError(f"Images of shapes {a.shape} and {b.shape} cannot be compared.")
    if a.dtype != b.dtype:
        raise MedRefineError(f"{a.dtype} and {b.dtype} cannot be compared; convert one first.")
    if white_level(a) != white_level(b):
        raise MedRefineError(
            f"One image runs to {white_level(a):g} and the other to {white_level(b):g}; their "
            "difference would mean nothing."
        )
    return _on_255(a), _on_255(b)


def _on_255(image: Image) -> Doubles:
    return np.asarray(image, np.float64) * (255 / white_level(image))


def _fine_energy(image: Doubles) -> float:
    grey = image.mean(-1) if image.ndim == 3 else image
    return float((grey - ndimage.gaussian_filter(grey, 1.5)).var())
