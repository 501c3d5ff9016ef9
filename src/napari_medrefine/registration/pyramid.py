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

from napari_medrefine.images import Image, white_level

Floats = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

DARKEST = 1 / 255
LEVELS = 6
BAND = (0.7, 6.0)  # sigmas of the band-pass, in pixels of the level
NEIGHBOURHOOD = 12.0  # sigma over which contrast is made even, likewise
MODERATION = 0.25  # share of the median contrast added to the local one: noise stays small


def brightness(image: Image) -> Floats:
    """Return the mean of the channels, ``(H, W)`` float32, white at 1."""
    channels = [image] if image.ndim == 2 else [image[..., c] for c in range(3)]
    total = np.zeros(image.shape[:2], np.float32)
    for channel in channels:
        total += np.asarray(channel, np.float32)
    total /= np.float32(white_level(image) * len(channels))
    return total


def optical_density(light: Floats) -> Floats:
    """Return the optical density (base e) of `light`, white at 1."""
    return np.asarray(-np.log(np.maximum(light, DARKEST)), np.float32)


def block_mean(light: Floats, factor: int) -> Floats:
    """Return means of ``factor x factor`` blocks; incomplete ones are filled by the edge.

    Light, not density, is what a coarser pixel averages.
    """
    if factor == 1:
        return light
    height, width = light.shape
    if height % factor or width % factor:
        light = np.pad(light, ((0, -height % factor), (0, -width % factor)), mode="edge")
    tall = light.reshape(light.shape[0] // factor, factor, light.shape[1]).mean(axis=1)
    return np.asarray(tall.reshape(tall.shape[0], -1, factor).mean(axis=2), np.float32)


def reduction(factor: float) -> Matrix:
    """Return the 3x3 that takes a point to the image reduced by `factor`.

    Block means move the centres: ``r_small = (r - (factor - 1) / 2) / factor``.
    """
    matrix = np.diag([1 / factor, 1 / factor, 1.0])
    matrix[:2, 2] = -(factor - 1) / 2 / factor
    return matrix


def features(density: Floats) -> Floats:
    """Return `density` band-passed and divided by its local contrast."""
    band = ndimage.gaussian_filter(density, BAND[0]) - _smooth(density, BAND[1])
    contrast = np.sqrt(_smooth(band * band, NEIGHBOURHOOD))
    floor = MODERATION * float(np.median(contrast[::4, ::4])) + 1e-4
    contrast += np.float32(floor)
    band /= contrast
    return np.asarray(band, np.float32)


def _smooth(image: Floats, sigma: float) -> Floats:
    """Return a Gaussian mean of `image`; a wide one is taken of a reduced image, in less time."""
    factor = int(sigma // 2.5)
    if factor < 2 or min(image.shape) < 8 * factor:
        return np.asarray(ndimage.gaussian_filter(image, sigma, mode="nearest"), np.float32)
    # A block mean and linear interpolation are themselves a blur, of these variances.
    rest = np.sqrt(sigma**2 - (factor**2 - 1) / 12 - factor**2 / 6) / factor
    small = ndimage.gaussian_filter(block_mean(image, factor), rest, mode="nearest")
    return _enlarge(_enlarge(small, factor, 0), factor, 1)[: image.shape[0], : image.shape[1]]


def _enlarge(image: Floats, factor: int, axis: int) -> Floats:
    """Return `image` interpolated linearly to `factor` times its length along `axis`."""
    ends = [(0, 0), (0, 0)]
    ends[axis] = (1, 1)
    padded = np.pad(image, ends, mode="edge")
    before, here, after = (np.take(padded, range(k, k + image.shape[axis]), axis) for k in range(3))
    shape = list(image.shape)
    shape.insert(axis + 1, factor)
    large = np.empty(shape, np.float32)
    for phase in range(factor):
        at = (phase - (factor - 1) / 2) / factor
        other = before if at < 0 else after
        part = here + np.float32(abs(at)) * (other - here)
        large[(slice(None),) * (axis + 1) + (phase,)] = part
    shape.pop(axis + 1)
    shape[axis] *= factor
    return large.reshape(shape)


@dataclass(frozen=True, eq=False)
class Level:
    """One level of a pyramid: the image reduced by `factor`."""

    factor: int
    light: Floats

    @cached_property
    def features(self) -> Floats:
        """See `features`; computed when first asked for."""
        return features(optical_density(self.light))


def build_pyramid(light: Floats) -> tuple[Level, ...]:
    """Return `light` at factors 1, 2, 4, ..., as far as 16 pixels are left."""
    levels = [Level(1, light)]
    while len(levels) < LEVELS and min(levels[-1].light.shape) >= 32:
        levels.append(Level(2 * levels[-1].factor, block_mean(levels[-1].light, 2)))
    return tuple(levels)
