"""What counts as an image here, and the conversions every part of the package shares.

An image is ``(H, W)`` grey, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA; uint8, uint16 or float.
White is what a camera calls white: see `white_level`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError

Image = npt.NDArray[np.generic]
T = TypeVar("T", bound=np.generic)
_DEEP = (4095.0, 16383.0, 65535.0)
_OVERSHOOT = 2.0  # times white
_HOT = 1e-3  # share of the values of a float image that may exceed that
WINDOW = 128  # pixels a side: what is looked at of an image that is not in memory
_LOOKS = 6  # windows along a side


def check_image(image: object, what: str = "image") -> Image:
    """Return `image` as an array, or say in one sentence why it is none.

    Parameters
    ----------
    image : array-like
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``; uint8, uint16 or float, all values finite.
    what : str
        How the message names the image, e.g. ``"field"``.

    Raises
    ------
    MedRefineError
        On another shape or dtype, an empty image, NaN or infinity.
    """
    try:
        array = np.asarray(image)
    except ValueError as error:
        raise MedRefineError(f"The {what} is no array: its rows differ in length.") from error
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise MedRefineError(
            f"The {what} has shape {array.shape}; it must be (H, W) grey, (H, W, 3) RGB "
            "or (H, W, 4) RGBA."
        )
    if array.size == 0:
        raise MedRefineError(f"The {what} is empty (shape {array.shape}).")
    if array.dtype not in (np.uint8, np.uint16) and array.dtype.kind != "f":
        raise MedRefineError(f"The {what} is {array.dtype}; it must be uint8, uint16 or float.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise MedRefineError(f"The {what} contains NaN or infinite values.")
    return array


def white_level(image: Image) -> float:
    """Return the value that stands for full white.

    uint8: 255. uint16: 65535, or 4095 or 16383 where nothing is brighter (cameras of 12 and 14
    bits). Floats: 1 where next to nothing exceeds 2 (some overshoot is usual after filtering, and
    some hot pixels after a correction), else 255, 4095, 16383 or 65535, or the brightest value.
    """
    if image.dtype == np.uint8:
        return 255.0
    brightest = float(image.max())
    if image.dtype == np.uint16:
        return next(level for level in _DEEP if brightest <= level)
    hot = 0 if brightest <= _OVERSHOOT else np.count_nonzero(np.greater(image, _OVERSHOOT))
    if hot <= _HOT * image.size:
        return 1.0
    if brightest <= _OVERSHOOT * 255:
        return 255.0
    return next((level for level in _DEEP if brightest <= 1.25 * level), brightest)


def white_of(source: Any) -> float:
    """Return the `white_level` of an image that may be lazy: of such a one windows all over tell.

    Whoever reads an image part by part takes this for all of its parts: a dark one would have
    another white.
    """
    if np.dtype(source.dtype) == np.uint8:
        return 255.0
    if isinstance(source, np.ndarray):
        return white_level(source)
    return max(white_level(window) for window in windows_of(source))


def whites_of(first: Image, second: Image) -> tuple[float, float]:
    """Return the `white_level` of two images of one place, the larger for both if of one dtype.

    By itself, the darker one may seem to have another white.
    """
    whites = white_level(first), white_level(second)
    return (max(whites),) * 2 if first.dtype == second.dtype else whites


def windows_of(source: Any) -> Iterator[Image]:
    """Yield windows all over an image, each of which begins at an even row and column."""
    for top in _starts(source.shape[0]):
        for left in _starts(source.shape[1]):
            yield np.asarray(source[top : top + WINDOW, left : left + WINDOW])


def _starts(length: int) -> list[int]:
    last = max(0, length - WINDOW) // 2 * 2
    return sorted({round(last * i / (_LOOKS - 1)) // 2 * 2 for i in range(_LOOKS)})


def largest_of(dtype: np.dtype[Any]) -> int:
    """Return what is opaque, and the end of what is shown: 1 for floats, else all a value holds."""
    return int(np.iinfo(dtype.name).max) if dtype.kind == "u" else 1


def to_unit(image: Image, white: float | None = None) -> npt.NDArray[np.float32]:
    """Return `image` as float32 with white at 1; a copy, never the array given.

    `white` is that of the image of which this is a part; default: its own, see `white_level`.
    """
    return np.asarray(image, np.float32) / np.float32(white or white_level(image))


def colours_of(image: npt.NDArray[T]) -> npt.NDArray[T]:
    """Return `image` as ``(H, W, 3)``: grey repeated, alpha left out."""
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image[..., :3]


def from_unit(unit: npt.NDArray[np.floating], like: Image) -> Image:
    """Return `unit` (white at 1) in the dtype and range of `like`, rounded and clipped."""
    level = white_level(like)
    if like.dtype.kind == "f":
        return np.asarray(unit * level, like.dtype)
    return np.asarray(np.clip(np.rint(unit * level), 0, level), like.dtype)


def sha256_of(image: Image) -> str:
    """Return the SHA-256 of the pixels (shape and dtype included), as hexadecimal text."""
    digest = hashlib.sha256(f"{image.shape}{image.dtype.str}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
