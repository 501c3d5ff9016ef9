"""Ordinary enlarging and sharpening: what a network has to beat.

Thin wrappers over scikit-image, SciPy and Pillow. Images are ``(H, W)`` or ``(H, W, 3)``; dtype and
range are kept.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from skimage import filters, restoration

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image, from_unit, to_unit

Floats = npt.NDArray[np.float32]


def enlarge(
    image: npt.ArrayLike, scale: float, resampling: Pillow.Resampling = Pillow.Resampling.BICUBIC
) -> Image:
    """Return `image` with ``round(H * scale)`` by ``round(W * scale)`` pixels, by Pillow.

    Reducing (``scale < 1``) is antialiased; ``Resampling.BOX`` averages areas.

    Raises
    ------
    MedRefineError
        If `image` is no image, or `scale` leaves no pixel.
    """
    array = check_image(image)
    return from_unit(_resize(to_unit(array), _shape(array, scale), resampling), like=array)


def bicubic(image: npt.ArrayLike, scale: float) -> Image:
    """Return `image` enlarged by bicubic interpolation."""
    return enlarge(image, scale)


def lanczos(image: npt.ArrayLike, scale: float) -> Image:
    """Return `image` enlarged by Lanczos interpolation (3 lobes)."""
    return enlarge(image, scale, Pillow.Resampling.LANCZOS)


def back_projection(image: npt.ArrayLike, scale: float, rounds: int = 10) -> Image:
    """Return `image` enlarged so that reducing it again gives back the input.

    Bicubic enlargement, then `rounds` times: reduce by area, add the enlarged difference to the
    input (Irani & Peleg 1991). The best that needs no learning.
    """
    array = check_image(image)
    small = to_unit(array)
    large = _resize(small, _shape(array, scale), Pillow.Resampling.BICUBIC)
    for _ in range(rounds):
        missing = small - _resize(large, _size(small), Pillow.Resampling.BOX)
        large = large + _resize(missing, _size(large), Pillow.Resampling.BICUBIC)
    return from_unit(large, like=array)


def unsharp_mask(image: npt.ArrayLike, radius: float = 1.0, amount: float = 1.0) -> Image:
    """Return `image` sharpened by an unsharp mask; `radius` is the blur's sigma in pixels.

    The channel axis is counted from the front: with ``channel_axis=-1`` scikit-image 0.26 leaves
    memory uninitialised (its issue 7264).
    """
    array = check_image(image)
    sharp = filters.unsharp_mask(
        to_unit(array), radius, amount, channel_axis=2 if array.ndim == 3 else None
    )
    return from_unit(sharp, like=array)


def richardson_lucy(image: npt.ArrayLike, sigma: float = 1.0, rounds: int = 10) -> Image:
    """Return `image` deconvolved by Richardson-Lucy, the blur taken as a Gaussian of `sigma`."""

    def restore(channel: Floats) -> Floats:
        padded = np.pad(channel, _margin(sigma), mode="reflect")
        return _unpad(restoration.richardson_lucy(padded, _gaussian(sigma), rounds), sigma)

    return _by_channel(image, restore)


def wiener(image: npt.ArrayLike, sigma: float = 1.0, balance: float = 0.01) -> Image:
    """Return `image` deconvolved by a Wiener filter, the blur taken as a Gaussian of `sigma`."""

    def restore(channel: Floats) -> Floats:
        padded = np.pad(channel, _margin(sigma), mode="reflect")
        return _unpad(restoration.wiener(padded, _gaussian(sigma), balance, clip=False), sigma)

    return _by_channel(image, restore)


def _shape(image: Image, scale: float) -> tuple[int, int]:
    if not (np.isfinite(scale) and scale > 0):
        raise MedRefineError(f"The scale must be a positive number, not {scale}.")
    height, width = (round(n * scale) for n in image.shape[:2])
    if min(height, width) < 1:
        raise MedRefineError(f"At scale {scale} nothing is left of {image.shape[:2]} pixels.")
    return height, width


def _size(unit: Floats) -> tuple[int, int]:
    return unit.shape[0], unit.shape[1]


def _resize(unit: Floats, shape: tuple[int, int], resampling: Pillow.Resampling) -> Floats:
    channels = unit[..., None] if unit.ndim == 2 else unit
    resized = [
        np.asarray(Pillow.fromarray(channels[..., c]).resize((shape[1], shape[0]), resampling))
        for c in range(channels.shape[2])
    ]
    return resized[0] if unit.ndim == 2 else np.stack(resized, -1)


def _by_channel(image: npt.ArrayLike, restore: Callable[[Floats], Floats]) -> Image:
    array = check_image(image)
    unit = to_unit(array)
    if array.ndim == 2:
        return from_unit(restore(unit), like=array)
    channels = [restore(unit[..., c]) for c in range(3)] + [
        unit[..., c] for c in range(3, unit.shape[2])
    ]
    return from_unit(np.stack(channels, -1), like=array)


def _margin(sigma: float) -> int:
    return int(np.ceil(4 * sigma))


def _gaussian(sigma: float) -> Floats:
    reach = np.arange(-_margin(sigma), _margin(sigma) + 1)
    line = np.exp(-0.5 * (reach / sigma) ** 2)
    kernel = np.outer(line, line)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _unpad(padded: Floats, sigma: float) -> Floats:
    margin = _margin(sigma)
    return np.asarray(padded[margin:-margin, margin:-margin], np.float32)
