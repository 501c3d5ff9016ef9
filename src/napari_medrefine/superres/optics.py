"""How an objective and a camera degrade what is on the slide: training pairs and test tracks.

Blur and sampling are separable and linear, so each degradation is one small matrix applied to
rows and columns; noise, JPEG and rounding follow. Images are ``(..., H, W, 3)``, white at 1.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from napari_medrefine._resample import (
    area_taps,
    cubic_taps,
    gaussian_taps,
    linear_taps,
)

Floats = npt.NDArray[np.float32]
Sampling = Literal["area", "bicubic"]
Enlarging = Literal["bicubic", "bilinear"]

# Ruifrok & Johnston 2001: optical densities (R, G, B) of haematoxylin, eosin and DAB.
_HED = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_BLACK = 1 / 255
# The blur (sigma, in camera pixels) of a 10x/0.25 at 1 um per pixel is 0.46, at 0.5 um 0.9; of a
# 4x/0.10 at 2.5 um 0.5, at 1.25 um 1.
OBJECTIVES = 0.33, 1.0


@dataclass(frozen=True, slots=True)
class Degradation:
    """One way from the sharp image to the one the camera gives.

    Attributes
    ----------
    factor : float
        Sharp pixels per camera pixel (side), >= 1.
    sigma : float
        Gaussian blur before sampling, in sharp pixels.
    sampling : {"area", "bicubic"}
        How a camera pixel collects light; bicubic is antialiased.
    noise : float
        Standard deviation of the camera noise, in grey levels of 255.
    jpeg : int or None
        JPEG quality.
    same_size : bool
        Whether the result is interpolated back to the size of the sharp image (for sharpening).
    enlarging : {"bicubic", "bilinear"}
        How it is interpolated back.
    """

    factor: float = 4.0
    sigma: float = 0.0
    sampling: Sampling = "area"
    noise: float = 0.0
    jpeg: int | None = None
    same_size: bool = False
    enlarging: Enlarging = "bicubic"

    def matrix(self, n: int) -> Floats:
        """Return the matrix that takes `n` sharp samples to the camera's."""
        reduced = max(1, round(n / self.factor))
        taps = cubic_taps if self.sampling == "bicubic" else area_taps
        matrix = np.eye(n) if reduced == n else taps(n, reduced).dense()
        if self.sigma > 0:
            matrix = matrix @ gaussian_taps(n, self.sigma).dense()
        if self.same_size and reduced != n:
            taps = cubic_taps if self.enlarging == "bicubic" else linear_taps
            matrix = taps(reduced, n).dense() @ matrix
        return matrix.astype(np.float32)


def blur_sigma(
    na: float, pixel_um: float, *, reference_na: float | None = None, wavelength_um: float = 0.55
) -> float:
    """Return the Gaussian sigma, in pixels, of an objective's blur.

    The Gaussian nearest to the paraxial wide-field spot has sigma 0.225 wavelength / NA (Zhang,
    Zerubia & Olivo-Marin 2007). With `reference_na`, what must be added to an image taken with
    that (larger) aperture.
    """
    spread = 0.225 * wavelength_um / na
    already = 0.0 if reference_na is None else 0.225 * wavelength_um / reference_na
    return float(np.sqrt(max(0.0, spread**2 - already**2)) / pixel_um)


def project(image: Floats, rows: Floats, columns: Floats) -> Floats:
    """Apply `rows` to the rows and `columns` to the columns of ``(..., H, W, 3)``."""
    high = np.einsum("ij,...jkc->...ikc", rows, image, optimize=True)
    return np.asarray(np.einsum("ij,...kjc->...kic", columns, high, optimize=True), np.float32)


def defocus(image: Floats, sigma: float) -> Floats:
    """Return `image` blurred by a Gaussian of `sigma` pixels."""
    rows, columns = (gaussian_taps(n, sigma).dense().astype(np.float32) for n in image.shape[-3:-1])
    return project(image, rows, columns)


def degrade(sharp: Floats, how: Degradation, rng: np.random.Generator) -> Floats:
    """Return `sharp` as the camera would give it: clipped, rounded to 255 levels, white at 1."""
    seen = project(sharp, how.matrix(sharp.shape[-3]), how.matrix(sharp.shape[-2]))
    return expose(seen, how, rng)


def expose(light: Floats, how: Degradation, rng: np.random.Generator) -> Floats:
    """Add the camera's share to `light` (already blurred and sampled): noise, rounding, JPEG."""
    if how.noise > 0:
        light = light + rng.standard_normal(light.shape, np.float32) * (how.noise / 255)
    levels = np.clip(np.rint(light * 255), 0, 255)
    if how.jpeg is not None:
        levels = _through_jpeg(levels.astype(np.uint8), how.jpeg)
    return (levels / 255).astype(np.float32)


def _through_jpeg(image: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Pillow.open(buffer))


def stain_jitter(image: Floats, rng: np.random.Generator, strength: float = 0.25) -> Floats:
    """Return `image` with its stains a little stronger or weaker and turned in colour.

    Works on optical density, where stains add up (Tellez et al. 2019); white stays white.
    """
    density = -np.log(np.maximum(image, _BLACK))
    gains = np.diag(np.exp(rng.normal(0, strength, 3)))
    turned = _HED + rng.normal(0, 0.1 * strength, (3, 3))
    mix = (np.linalg.inv(_HED) @ gains @ turned).astype(np.float32)
    return np.asarray(np.clip(np.exp(-(density @ mix)), 0, 1), np.float32)


def restain(image: Floats, rng: np.random.Generator) -> Floats:
    """Return `image` as other dyes would colour it: each H&E stain gets a density at random.

    For what was never trained on: other stains, other tissue. White stays white.
    """
    density = -np.log(np.maximum(image, _BLACK))
    dyes = rng.uniform(0, 1, (3, 3)) ** 1.5 + 0.02
    dyes /= np.linalg.norm(dyes, axis=1, keepdims=True)
    dyes *= np.exp(rng.normal(0, 0.25, (3, 1)))
    mix = (np.linalg.inv(_HED) @ dyes).astype(np.float32)
    return np.asarray(np.clip(np.exp(-(density @ mix)), 0, 1), np.float32)


def random_reduction(rng: np.random.Generator, factor: float) -> Degradation:
    """Draw one degradation for magnifying by `factor`: clean, optical or rough.

    54 % are clean reductions, by area averaging or antialiased bicubic; 30 % as through a smaller
    aperture (Gaussian blur of 0.33 to 1 camera pixel, every ratio alike, area averaging, noise up
    to 2.5 grey levels, a quarter of them JPEG 75 to 95); 16 % rough (other blur, noise up to 3 grey
    levels, half of them JPEG 60 to 95).
    """
    kind = rng.random()
    sampling: Sampling = "bicubic" if rng.random() < 0.5 else "area"
    if kind < 0.54:
        return Degradation(factor, sampling=sampling)
    if kind < 0.84:
        sigma = factor * float(np.exp(rng.uniform(*np.log(OBJECTIVES))))
        quality = int(rng.integers(75, 96)) if rng.random() < 0.25 else None
        return Degradation(factor, sigma, "area", noise=rng.uniform(0, 2.5), jpeg=quality)
    quality = int(rng.integers(60, 96)) if rng.random() < 0.5 else None
    sigma = rng.uniform(0, 0.35) * factor
    return Degradation(factor, sigma, sampling, noise=rng.uniform(0, 3), jpeg=quality)


def random_blur(rng: np.random.Generator) -> Degradation:
    """Draw one degradation for sharpening: mostly the study's halve-and-enlarge, or defocus.

    65 % are halved and enlarged again (area or bicubic, enlarged by bicubic or bilinear, a third
    blurred before); 15 % out of focus (sigma 0.4 to 2.2 pixels) with noise; 20 % reduced 1.5 to 4
    times and enlarged, with blur, noise and JPEG.
    """
    kind = rng.random()
    sampling: Sampling = "bicubic" if rng.random() < 0.3 else "area"
    enlarging: Enlarging = "bilinear" if rng.random() < 0.25 else "bicubic"
    if kind < 0.65:
        sigma = rng.uniform(0, 1.2) if rng.random() < 0.35 else 0.0
        return Degradation(2.0, sigma, sampling, same_size=True, enlarging=enlarging)
    if kind < 0.8:
        return Degradation(1.0, rng.uniform(0.4, 2.2), noise=rng.uniform(0, 2), same_size=True)
    quality = int(rng.integers(60, 96)) if rng.random() < 0.3 else None
    sigma, noise = rng.uniform(0, 1), rng.uniform(0, 2)
    factor = rng.uniform(1.5, 4)
    return Degradation(factor, sigma, sampling, noise, quality, same_size=True, enlarging=enlarging)
