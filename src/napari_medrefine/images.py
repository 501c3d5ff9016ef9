"""What counts as an image here, and the conversions every part of the package shares.

An image is ``(H, W)`` grey, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA; uint8, uint16 or float.
White is what a camera calls white: see `white_level`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError

Image = npt.NDArray[np.generic]
T = TypeVar("T", bound=np.generic)
WINDOW = 128  # pixels a side: what is looked at of an image that is not in memory
_LOOKS = 6  # windows along a side


class _White(NamedTuple):
    level: float
    most: float  # what an image with this white does not exceed,
    hot: float = 1e-4  # but for this share of its values: more may be what the photo is about


_DEEP = (4095.0, 16383.0, 65535.0)
_WHITES = {
    "u": [_White(level, level) for level in _DEEP],
    # Floats overshoot after filtering. Nothing is measured in so few steps that all but a
    # thousandth of it lies below 2, so that there more pixels may be hot.
    "f": [
        _White(1.0, 2.0, 1e-3),
        _White(255.0, 510.0),
        *(_White(level, 1.25 * level) for level in _DEEP),
    ],
}


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


@dataclass(frozen=True, slots=True)
class Tally:
    """How bright the values of an image are; those of its parts add up to that of the whole.

    Attributes
    ----------
    kind : str
        ``"u"`` for uint16, ``"f"`` for floats.
    size : int
        How many values there are.
    brightest : float
        The largest of them.
    beyond : tuple of int
        How many are too bright for each white that an image may have.
    """

    kind: str
    size: int
    brightest: float
    beyond: tuple[int, ...]

    @classmethod
    def of(cls, part: Image) -> Tally:
        """Count an image of uint16 or float, or any values of one; NaN and infinity are none."""
        values = _coloured(part)
        brightest = float(values.max()) if values.size else 0.0
        if not np.isfinite(brightest):
            values = values[np.isfinite(values)]
            brightest = float(values.max()) if values.size else 0.0
        kind = values.dtype.kind
        limits = [white.most for white in _WHITES[kind]]
        beyond = [
            np.count_nonzero(np.greater(values, limit)) if brightest > limit else 0
            for limit in limits
        ]
        return cls(kind, values.size, brightest, tuple(map(int, beyond)))

    def __add__(self, other: Tally) -> Tally:
        beyond = tuple(a + b for a, b in zip(self.beyond, other.beyond, strict=True))
        brightest = max(self.brightest, other.brightest)
        return Tally(self.kind, self.size + other.size, brightest, beyond)

    @property
    def white(self) -> float:
        """What stands for full white; see `white_level`."""
        counted = zip(_WHITES[self.kind], self.beyond, strict=True)
        found = (white.level for white, count in counted if count <= white.hot * self.size)
        return next(found, self.brightest)


def white_level(image: Image) -> float:
    """Return the value that stands for full white.

    uint8: 255. uint16: 65535, or 4095 or 16383 where next to nothing is brighter (cameras of 12 and
    14 bits; some pixels are hot). Floats: 1 where next to nothing exceeds 2 (some overshoot is
    usual after filtering, and some hot pixels after a correction), else 255, 4095, 16383 or 65535,
    or the brightest value. Alpha has no say.
    """
    return 255.0 if image.dtype == np.uint8 else Tally.of(image).white


def white_of(source: Any) -> float:
    """Return the `white_level` of an image that may be lazy: of a large one windows all over tell.

    Whoever reads an image part by part takes this for all of its parts: a dark one would have
    another white.
    """
    if np.dtype(source.dtype) == np.uint8:
        return 255.0
    if is_at_hand(source):
        return white_level(np.asarray(source[:, :]))
    return white_of_parts(windows_of(source))


def white_of_parts(parts: Iterable[Image]) -> float:
    """Return the `white_level` of an image of which these parts were seen, at least one."""
    tallies = []
    for part in parts:
        if part.dtype == np.uint8:
            return 255.0
        tallies.append(Tally.of(part))
    return sum(tallies[1:], tallies[0]).white


def is_at_hand(source: Any) -> bool:
    """Return whether an image is in memory, or no larger than the windows of one that is not."""
    return isinstance(source, np.ndarray) or max(source.shape[:2]) <= _LOOKS * WINDOW


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
    """Return `image` as float32 with white and what is opaque at 1; a copy, never the array given.

    `white` is that of the image of which this is a part; default: its own, see `white_level`.
    """
    return np.asarray(image, np.float32) / channel_whites(image, white or white_level(image))


def channel_whites(image: Image, white: float | np.float32) -> npt.NDArray[np.float32]:
    """Return what is 1 in each channel: `white`, and in alpha what is opaque, told from itself."""
    if image.ndim == 3 and image.shape[2] == 4:
        return np.array([white] * 3 + [white_level(image[..., 3])], np.float32)
    return np.array(white, np.float32)


def colours_of(image: npt.NDArray[T]) -> npt.NDArray[T]:
    """Return `image` as ``(H, W, 3)``: grey repeated, alpha left out."""
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image[..., :3]


def from_unit(unit: npt.NDArray[np.floating], like: Image) -> Image:
    """Return `unit` (see `to_unit`) in the dtype and range of `like`, rounded and clipped."""
    white = np.float32(white_level(like))
    whites = channel_whites(like, white) if unit.shape[2:] == (4,) else white
    levels = unit * whites
    if like.dtype.kind == "f":
        return np.asarray(levels, like.dtype)
    most = np.maximum(whites, _coloured(like).max())  # hot pixels stay what they are
    return np.asarray(np.clip(np.rint(levels), 0, most), like.dtype)


def _coloured(image: Image) -> Image:
    return image[..., :3] if image.ndim == 3 and image.shape[2] == 4 else image


def sha256_of(image: Image) -> str:
    """Return the SHA-256 of the pixels (shape and dtype included), as hexadecimal text."""
    digest = hashlib.sha256(f"{image.shape}{image.dtype.str}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
