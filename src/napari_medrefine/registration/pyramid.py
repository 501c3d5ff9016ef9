"""What is compared: band-passed, locally normalised optical density, level by level.

Optical density makes stain additive and turns a different lamp into a constant, which the band-pass
removes together with shading; dividing by the local contrast makes faint and dark tissue count
alike, so that two objectives' pictures of one place agree although their raw RGB values do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medrefine.images import Image, white_level

Floats = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]
Corner = tuple[int, int]

DARKEST = 1 / 255
BLACK = 0.012  # light below which there is no slide
RIM = 2  # pixels around black that are blurred with it
BAND = (0.7, 6.0)  # sigmas of the band-pass, in pixels of the level
NEIGHBOURHOOD = 12.0  # sigma over which contrast is made even, likewise
MODERATION = 0.2  # share of the usual contrast added to the local one: noise stays small
STRONGEST = 3.0  # what a feature may reach: the edge of a speck of dirt counts as any other edge
HALO = 64  # pixels around a part that its features depend on
SPARE = 12  # pixels more on every side that are prepared, for whoever asks next
GRID = 4  # parts begin at multiples of this, so that they equal the same part of the whole
SMALL = 1_500_000  # pixels of a level whose features are kept as a whole
SAMPLE, SAMPLES = 160, 4  # side of the samples from which the usual contrast is taken; per side


def brightness(image: Image, white: float | None = None) -> Floats:
    """Return the mean of the channels, ``(H, W)`` float32, white (if not given, guessed) at 1."""
    channels = [image] if image.ndim == 2 else [image[..., c] for c in range(3)]
    total = np.zeros(image.shape[:2], np.float32)
    for channel in channels:
        total += np.asarray(channel, np.float32)
    total /= np.float32((white or white_level(image)) * len(channels))
    return total


def reduced_brightness(image: Image, factor: int, white: float) -> Floats:
    """Return ``block_mean(brightness(image), factor)``, several times faster on 8-bit photos."""
    rows, cols = (n // factor for n in image.shape[:2])
    odd = image.dtype != np.uint8 or image.ndim != 3
    if odd or factor == 1 or factor > 257 or 0 in (rows, cols):
        return block_mean(brightness(image, white), factor)
    whole = _sums_of_blocks(image, factor, rows, cols) / np.float32(3 * factor**2 * white)
    below, beside = -image.shape[0] % factor, -image.shape[1] % factor
    if beside:
        edges = ((0, 0), (0, beside), (0, 0))
        last = np.pad(image[: rows * factor, cols * factor :], edges, mode="edge")
        whole = np.hstack([whole, reduced_brightness(last, factor, white)])
    if below:
        edges = ((0, below), (0, beside), (0, 0))
        last = np.pad(image[rows * factor :], edges, mode="edge")
        whole = np.vstack([whole, reduced_brightness(last, factor, white)])
    return np.asarray(whole, np.float32)


def _sums_of_blocks(image: Image, factor: int, rows: int, cols: int) -> Floats:
    """Return the sums of the colours of ``rows x cols`` whole blocks of an 8-bit image."""
    depth, width = image.shape[2], image.shape[1] * image.shape[2]
    total = np.zeros((rows, width), np.uint16)
    for row in range(factor):
        total += image[row : rows * factor : factor].reshape(rows, width).astype(np.uint16)
    counted = np.tile(np.arange(depth) < 3, factor).astype(np.float32)
    blocks = total[:, : cols * factor * depth].reshape(rows, cols, factor * depth)
    return np.asarray(blocks.astype(np.float32) @ counted, np.float32)


def optical_density(light: Floats) -> Floats:
    """Return the optical density (base e) of `light`, white at 1.

    Black is no tissue (a mosaic's corner, a field stop, a dead pixel): it is filled from around it,
    so that its edge is no feature.
    """
    density = np.asarray(-np.log(np.maximum(light, DARKEST)), np.float32)
    black = light < BLACK
    return _filled(density, black) if black.any() and not black.all() else density


def _filled(density: Floats, hole: npt.NDArray[np.bool_]) -> Floats:
    """Return `density` with holes, and their blurred rims, filled smoothly."""
    hole = ndimage.binary_dilation(hole, iterations=RIM)
    if hole.all():
        return density
    known = np.where(hole, np.float32(0), np.float32(1))
    total, share = (_smooth(part, BAND[1]) for part in (density * known, known))
    near = share > 0.02
    fill = np.where(near, total / np.maximum(share, 0.02), density[~hole].mean())
    return np.asarray(np.where(hole, fill, density), np.float32)


def block_mean(image: Floats, factor: int) -> Floats:
    """Return means of ``factor x factor`` blocks; incomplete ones are filled by the edge.

    Of brightness or of colours, ``(H, W)`` or ``(H, W, n)``. Light, not density, is what a coarser
    pixel averages.
    """
    if factor == 1:
        return image
    below, beside = (-n % factor for n in image.shape[:2])
    if below or beside:
        more = [(0, below), (0, beside), *((0, 0) for _ in image.shape[2:])]
        image = np.pad(image, more, mode="edge")
    height, width, *colours = image.shape
    # One axis after the other: half the time of both at once.
    tall = image.reshape(height // factor, factor, width, *colours).mean(axis=1)
    means = tall.reshape(len(tall), width // factor, factor, *colours).mean(axis=2)
    return np.asarray(means, np.float32)


def reduction(factor: float) -> Matrix:
    """Return the 3x3 that takes a point to the image reduced by `factor`.

    Block means move the centres: ``r_small = (r - (factor - 1) / 2) / factor``.
    """
    matrix = np.diag([1 / factor, 1 / factor, 1.0])
    matrix[:2, 2] = -(factor - 1) / 2 / factor
    return matrix


def between(matrix: Matrix, overview_factor: int, field_factor: int) -> Matrix:
    """Return a field-to-overview `matrix` for the field and the overview reduced by factors."""
    return reduction(overview_factor) @ matrix @ np.linalg.inv(reduction(field_factor))


def features(density: Floats, floor: float | None = None) -> Floats:
    """Return `density` band-passed and divided by its local contrast, at most `STRONGEST`.

    `floor` is added to the contrast, so that noise stays small; None: a share of the contrast of
    the whole (see `contrast_floor`).
    """
    band, contrast = _band_and_contrast(density)
    contrast += np.float32(contrast_floor(contrast[::4, ::4]) if floor is None else floor)
    band /= contrast
    return np.asarray(np.clip(band, -STRONGEST, STRONGEST, out=band), np.float32)


def contrast_floor(contrast: Floats) -> float:
    """Return what is added to a local contrast: a share of its root mean square."""
    return MODERATION * float(np.sqrt(np.mean(np.square(contrast, dtype=np.float64)))) + 1e-4


def _band_and_contrast(density: Floats) -> tuple[Floats, Floats]:
    band = np.asarray(ndimage.gaussian_filter(density, BAND[0]), np.float32)
    band -= _smooth(density, BAND[1])
    return band, np.sqrt(_smooth(band * band, NEIGHBOURHOOD))


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
class Patch:
    """A part of a level's features, and the level's pixel (row, col) at which it begins."""

    image: Floats
    first: npt.NDArray[np.int_]


class Light(Protocol):
    """Where a level's light comes from: rows and columns ``low <= i < high`` of it."""

    def __call__(self, low: Corner, high: Corner) -> Floats:
        """Read a part."""


class Level:
    """One level of a pyramid: the overview reduced by `factor`, read and prepared where needed.

    Parameters
    ----------
    factor : int
        Pixels of the overview per pixel of the level, along a side.
    shape : (int, int)
        Height and width in the level's own pixels.
    light : callable
        Reads a part of it.
    """

    def __init__(self, factor: int, shape: tuple[int, int], light: Light) -> None:
        self.factor, self.shape, self.light = factor, shape, light
        self._last: Patch | None = None

    @cached_property
    def whole(self) -> Patch:
        """The features of the whole level; ask for it on small levels only."""
        density = optical_density(self.light((0, 0), self.shape))
        return Patch(features(density, self.floor), np.zeros(2, int))

    @property
    def small(self) -> bool:
        """Whether the features of the whole level are cheap to have and to keep."""
        return self.shape[0] * self.shape[1] <= SMALL

    def patch(self, low: npt.NDArray[np.int_], high: npt.NDArray[np.int_]) -> Patch:
        """Return the features of the part ``low <= (row, col) < high``, cut at the borders."""
        limit = np.array(self.shape)
        low, high = np.clip(low, 0, limit - 1), np.clip(high, 1, limit)
        if self.small:
            return Patch(self.whole.image[low[0] : high[0], low[1] : high[1]], low)
        last = self._last  # the same part is asked for several times while a field is judged
        if last is None or not _holds(last, low, high):
            last = self._last = self._prepared(
                np.maximum(low - SPARE, 0), np.minimum(high + SPARE, limit)
            )
        (r0, c0), (r1, c1) = low - last.first, high - last.first
        return Patch(last.image[r0:r1, c0:c1], low)

    def _prepared(self, low: npt.NDArray[np.int_], high: npt.NDArray[np.int_]) -> Patch:
        """Return the features of a part, as they are on the whole."""
        wide_low = np.maximum(low - HALO, 0) // GRID * GRID
        wide_high = np.minimum(high + HALO, self.shape)
        light = self.light(_corner(wide_low), _corner(wide_high))
        prepared = features(optical_density(light), self.floor)
        (r0, c0), (r1, c1) = low - wide_low, high - wide_low
        return Patch(prepared[r0:r1, c0:c1], low)

    @cached_property
    def floor(self) -> float:
        """See `contrast_floor`; from a few samples spread over the level."""
        if self.small:
            return contrast_floor(_band_and_contrast(self._density((0, 0), self.shape))[1])
        found = []
        for row in np.linspace(0, self.shape[0] - SAMPLE, SAMPLES).astype(int):
            for col in np.linspace(0, self.shape[1] - SAMPLE, SAMPLES).astype(int):
                low = np.maximum((row, col), 0)
                high = np.minimum(low + SAMPLE, self.shape)
                contrast = _band_and_contrast(self._density(_corner(low), _corner(high)))[1]
                found.append(contrast[::4, ::4].ravel())
        return contrast_floor(np.concatenate(found))

    def _density(self, low: Corner, high: Corner) -> Floats:
        return optical_density(self.light(low, high))


def _holds(patch: Patch, low: npt.NDArray[np.int_], high: npt.NDArray[np.int_]) -> bool:
    return bool((low >= patch.first).all() and (high <= patch.first + patch.image.shape).all())


def _corner(point: npt.NDArray[np.int_]) -> Corner:
    return int(point[0]), int(point[1])
