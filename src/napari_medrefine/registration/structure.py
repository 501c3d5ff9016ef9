"""How large the structures of a photo are, in pixels: what tells its magnification from nothing.

Nuclei are the strongest blobs of stained tissue, and about as large everywhere on a slide, so that
a photo of ten times the magnification shows them ten times as large. Blobs are the maxima of
differences of Gaussians over their scales (Lindeberg, Feature detection with automatic scale
selection, 1998), in optical density, of the red channel, which haematoxylin absorbs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medrefine.images import check_image, white_of_parts
from napari_medrefine.registration.pyramid import Floats, block_mean, optical_density
from napari_medrefine.registration.window import UNKNOWN

SIDE, PER_SIDE = 480, 3  # samples that stand for the photo: their side in pixels, how many
SIGMAS = (1.0, 2**0.5)  # at every level of a pyramid of halves
WIDER = 1.6  # a difference of Gaussians closest to their Laplacian (Marr and Hildreth, 1980)
LEAST = 24  # pixels of a level's side at which blobs are still looked for
STRONG = 99.5  # percentile of the blobs' contrast that speaks for a scale: the nuclei, not the rest
FAINT = 0.02  # optical density below which the strongest blobs are noise on a blank photo
MISLED = (0.7, 3.0)  # a ratio is this many times that of the structures: a 4x photo blurs them
FINER = 4.0  # times finer than the smallest sigma that an overview's structures may still be


def structure_size(image: Any) -> float:
    """Return the sigma, in pixels, of the Gaussian that the strongest dark blobs resemble most.

    NaN where nothing stands out.

    Parameters
    ----------
    image : array-like
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``, brightfield; of a lazy one samples are read.
    """
    contrasts: dict[float, list[Floats]] = {}
    for sample in _samples(image):
        density, factor = sample, 1
        while min(density.shape) >= LEAST:
            for sigma in SIGMAS:
                contrasts.setdefault(sigma * factor, []).append(_blobs(density, sigma))
            density, factor = block_mean(density, 2), 2 * factor
    sigmas = np.array(sorted(contrasts))
    found = [np.concatenate([*contrasts[sigma], [0]]) for sigma in sigmas]
    strong = np.array([np.percentile(values, STRONG) for values in found])
    if not len(strong) or strong.max() < FAINT:
        return float("nan")
    return _peak(np.log(sigmas), strong)


def likely_ratios(overview: float, field: float) -> tuple[float, float]:
    """Return the range of a field's ratio to an overview, from the sizes of their structures.

    Of structures no larger than the smallest sigma nobody knows how small they are: a camera with
    large pixels shows the nuclei of a 4x photo as single ones.
    """
    low, high = MISLED[0] * field / overview, MISLED[1] * field / overview
    if overview <= SIGMAS[0]:
        high = max(high, min(FINER * high, UNKNOWN[1]))
    return low, high


def _samples(image: Any) -> list[Floats]:
    shape = image.shape[:2]
    side = min(SIDE, *shape)
    corners = [np.unique(np.linspace(0, n - side, PER_SIDE).astype(int)) for n in shape]
    parts = [
        check_image(np.asarray(image[row : row + side, col : col + side]))
        for row in corners[0]
        for col in corners[1]
    ]
    reds = [part if part.ndim == 2 else part[..., 0] for part in parts]
    white = white_of_parts(parts)
    return [optical_density(np.asarray(red, np.float32) / np.float32(white)) for red in reds]


def _blobs(density: Floats, sigma: float) -> Floats:
    """Return the contrasts of dark blobs about as large as `sigma`."""
    apart = ndimage.gaussian_filter(density, sigma)
    apart -= ndimage.gaussian_filter(density, sigma * WIDER)
    highest = ndimage.maximum_filter(apart, 2 * int(np.ceil(1.5 * sigma)) + 1)
    return np.asarray(apart[(apart == highest) & (apart > 0)])


def _peak(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    """Return e to the `x` at which `y` is highest, between its samples."""
    at = int(np.argmax(y))
    if not 0 < at < len(x) - 1 or not (y[at - 1 : at + 2] > 0).all():
        return float(np.exp(x[at]))
    before, here, after = np.log(y[at - 1 : at + 2])
    bend = before - 2 * here + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(np.exp(x[at] + shift * (x[at] - x[at - 1])))
