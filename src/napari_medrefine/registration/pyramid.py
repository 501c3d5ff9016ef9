"""What is compared: band-passed, locally normalised optical density, level by level.

Optical density makes stain additive and turns a different lamp into a constant, which the band-pass
removes together with shading; dividing by the local contrast makes faint and dark tissue count
alike, so that two objectives' pictures of one place agree although their raw RGB values do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medrefine.images import Image, to_unit

Floats = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

DARKEST = 1 / 255
LEVELS = 6
BAND = (0.7, 6.0)  # sigmas of the band-pass, in pixels of the level
NEIGHBOURHOOD = 12.0  # sigma over which contrast is made even, likewise
MODERATION = 0.25  # share of the median contrast added to the local one: noise stays small


def optical_density(image: Image) -> Floats:
    """Return the mean optical density (base e) of the channels, ``(H, W)`` float32."""
    unit = to_unit(image)
    grey = unit if unit.ndim == 2 else unit[..., :3].mean(-1)
    return np.asarray(-np.log(np.maximum(grey, DARKEST)), np.float32)


def block_mean(density: Floats, factor: int) -> Floats:
    """Return means of ``factor x factor`` blocks; incomplete ones are filled by the edge."""
    if factor == 1:
        return density
    height, width = density.shape
    padded = np.pad(density, ((0, -height % factor), (0, -width % factor)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // factor, factor, padded.shape[1] // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def reduction(factor: float) -> Matrix:
    """Return the 3x3 that takes a point to the image reduced by `factor`.

    Block means move the centres: ``r_small = (r - (factor - 1) / 2) / factor``.
    """
    matrix = np.diag([1 / factor, 1 / factor, 1.0])
    matrix[:2, 2] = -(factor - 1) / 2 / factor
    return matrix


def features(density: Floats) -> Floats:
    """Return `density` band-passed and divided by its local contrast."""
    band = ndimage.gaussian_filter(density, BAND[0]) - ndimage.gaussian_filter(density, BAND[1])
    contrast = np.sqrt(ndimage.gaussian_filter(band * band, NEIGHBOURHOOD))
    floor = MODERATION * float(np.median(contrast)) + 1e-4
    return np.asarray(band / (contrast + floor), np.float32)


@dataclass(frozen=True, eq=False)
class Level:
    """One level of a pyramid: the image reduced by `factor`."""

    factor: int
    density: Floats

    @cached_property
    def features(self) -> Floats:
        """See `features`; computed when first asked for."""
        return features(self.density)

    @cached_property
    def gradients(self) -> tuple[Floats, Floats]:
        """Derivatives of `features` along rows and columns."""
        rows, cols = np.gradient(self.features)
        return np.asarray(rows), np.asarray(cols)


def build_pyramid(density: Floats) -> tuple[Level, ...]:
    """Return `density` at factors 1, 2, 4, ..., as far as 16 pixels are left."""
    levels = [Level(1, density)]
    while len(levels) < LEVELS and min(levels[-1].density.shape) >= 32:
        levels.append(Level(2 * levels[-1].factor, block_mean(levels[-1].density, 2)))
    return tuple(levels)
