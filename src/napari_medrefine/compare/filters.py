"""The plain filters that a network has to beat: enlarging, and sharpening at the same size.

Thin skins over Pillow and scikit-image. Every function takes ``(H, W)`` or ``(H, W, 3 or 4)``
images of uint8, uint16 or float and returns the same dtype and range; an alpha channel is enlarged
with the colours and left alone when sharpening.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from scipy import fft
from scipy import ndimage as ndi
from skimage import filters, restoration

from napari_medrefine._resample import area_mean
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image, from_unit, to_unit

MOST_TIMES = 64
Floats = npt.NDArray[np.float32]


def nearest(image: Image, scale: float) -> Image:
    """Repeat pixels: what "doing nothing" looks like at `scale` times the size."""
    return _enlarged(image, scale, Pillow.Resampling.NEAREST)


def bicubic(image: Image, scale: float) -> Image:
    """Enlarge by cubic convolution (Keys 1981, a = -0.5, as Pillow has it).

    Parameters
    ----------
    image : (H, W), (H, W, 3) or (H, W, 4) array
        uint8, uint16 or float.
    scale : float
        At least 1.

    Returns
    -------
    array of the same dtype, ``round(H * scale)`` by ``round(W * scale)``

    Raises
    ------
    MedRefineError
        If `image` is no image or `scale` is below 1.
    """
    return _enlarged(image, scale, Pillow.Resampling.BICUBIC)


def lanczos(image: Image, scale: float) -> Image:
    """Enlarge with a windowed sinc of three lobes; arguments as for `bicubic`."""
    return _enlarged(image, scale, Pillow.Resampling.LANCZOS)


def back_projection(image: Image, scale: float, *, rounds: int = 10) -> Image:
    """Enlarge so that area-averaging the result gives the input back (Irani & Peleg 1991).

    Each round enlarges what is still missing and adds it. It beats bicubic by about 1 dB at x4 for
    nothing, so it is the filter to measure a network against.

    Parameters
    ----------
    image, scale
        As for `bicubic`.
    rounds : int
        How often the residual is fed back; 0 is bicubic.
    """
    check_image(image)
    shape = _enlarged_shape(image, scale)
    unit = to_unit(image)
    result = resized(unit, shape, Pillow.Resampling.BICUBIC)
    for _ in range(rounds):
        missing = unit - area_mean(result, image.shape)
        result += resized(missing, shape, Pillow.Resampling.BICUBIC)
    return from_unit(result, image)


def unsharp_mask(image: Image, *, radius: float = 1.0, amount: float = 1.0) -> Image:
    """Sharpen by adding `amount` times what a Gaussian of sigma `radius` (pixels) takes away.

    Raises
    ------
    MedRefineError
        If `image` is no image.
    """

    def sharpened(colours: Floats) -> Floats:
        # Never channel_axis=-1: scikit-image 0.26 then leaves most of the result uninitialised
        # (its issue 7264). preserve_range keeps it from clipping before we know the dtype.
        axis = 2 if colours.ndim == 3 else None
        return np.asarray(
            filters.unsharp_mask(colours, radius, amount, preserve_range=True, channel_axis=axis),
            np.float32,
        )

    return _sharpened(image, sharpened)


def richardson_lucy(image: Image, *, sigma: float = 1.0, rounds: int = 10) -> Image:
    """Undo a Gaussian blur of `sigma` pixels by maximum likelihood (Richardson 1972; Lucy 1974).

    More rounds sharpen more and raise noise: 30 rounds at sigma 2 are far worse than nothing. As in
    scikit-image the first estimate is flat; the blur, here separable, is mirrored at the border.

    Raises
    ------
    MedRefineError
        If `image` is no image.
    """
    _check_sigma(sigma)

    def blurred(light: Floats) -> Floats:
        sigmas = (sigma, sigma, 0)[: light.ndim]
        reach = _reach(sigma)
        radius = (reach, reach, 0)[: light.ndim]
        return np.asarray(ndi.gaussian_filter(light, sigmas, radius=radius), np.float32)

    def restored(colours: Floats) -> Floats:
        light = np.maximum(colours, np.float32(1e-4))
        estimate = np.full_like(light, 0.5)
        for _ in range(rounds):
            seen = np.maximum(blurred(estimate), np.float32(1e-6))
            estimate = estimate * blurred(np.asarray(light / seen, np.float32))
        return estimate

    return _sharpened(image, restored)


def wiener(image: Image, *, sigma: float = 1.0, balance: float = 0.05) -> Image:
    """Undo a Gaussian blur of `sigma` pixels by a Wiener-Hunt filter.

    `balance` weighs smoothness against sharpness: larger is smoother.

    Raises
    ------
    MedRefineError
        If `image` is no image.
    """
    psf = _gaussian(sigma)

    def one(channel: Floats) -> Floats:
        return np.asarray(restoration.wiener(channel, psf, balance, clip=False), np.float32)

    return _sharpened(image, lambda colours: _by_channel(colours, one, len(psf)))


def resized(unit: Floats, shape: tuple[int, ...], how: Pillow.Resampling) -> Floats:
    """Resize float32 ``(H, W)`` or ``(H, W, C)`` to `shape` rows and columns."""
    size = (shape[1], shape[0])
    if unit.ndim == 2:
        return np.array(Pillow.fromarray(unit).resize(size, how), np.float32)
    parts = [Pillow.fromarray(np.ascontiguousarray(c)) for c in np.moveaxis(unit, -1, 0)]
    return np.stack([np.asarray(part.resize(size, how), np.float32) for part in parts], -1)


def _enlarged_shape(image: Image, scale: float) -> tuple[int, int]:
    if not 1 <= scale <= MOST_TIMES:
        raise MedRefineError(
            f"The scale is {scale:g}; to enlarge it must be 1 or more, and at most {MOST_TIMES}."
        )
    return round(image.shape[0] * scale), round(image.shape[1] * scale)


def _enlarged(image: Image, scale: float, how: Pillow.Resampling) -> Image:
    check_image(image)
    return from_unit(resized(to_unit(image), _enlarged_shape(image, scale), how), image)


def _sharpened(image: Image, sharpen: Callable[[Floats], Floats]) -> Image:
    """Apply `sharpen` to the colours of `image` in float32 (white at 1); alpha stays as it is."""
    check_image(image)
    unit = to_unit(image)
    if unit.ndim == 3 and unit.shape[2] == 4:
        unit[..., :3] = sharpen(np.ascontiguousarray(unit[..., :3]))
        return from_unit(unit, image)
    return from_unit(sharpen(unit), image)


def _by_channel(colours: Floats, one: Callable[[Floats], Floats], margin: int) -> Floats:
    """Apply `one` to each channel with mirrored borders, where it would wrap around."""
    stack = colours[..., None] if colours.ndim == 2 else colours
    done = []
    around = [(margin, fft.next_fast_len(n + 2 * margin) - n - margin) for n in stack.shape[:2]]
    for k in range(stack.shape[2]):
        padded = one(np.pad(stack[..., k], around, mode="reflect"))
        done.append(padded[margin : margin + stack.shape[0], margin : margin + stack.shape[1]])
    return done[0] if colours.ndim == 2 else np.stack(done, -1)


def _gaussian(sigma: float) -> Floats:
    """Return a normalised Gaussian point spread function, four sigma to each side."""
    _check_sigma(sigma)
    at = np.arange(-_reach(sigma), _reach(sigma) + 1)
    line = np.exp(-(at**2) / (2 * sigma**2))
    psf = np.outer(line, line)
    return np.asarray(psf / psf.sum(), np.float32)


def _reach(sigma: float) -> int:
    return int(np.ceil(4 * sigma))


def _check_sigma(sigma: float) -> None:
    if not sigma > 0:
        raise MedRefineError(f"The blur's sigma is {sigma:g} pixels; it must be positive.")
