"""What every format's reader gives, and the checks they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image

# A photo of 100,000 x 10,000 pixels is legal; beyond this it is a whole slide, or a bomb.
MOST_PIXELS = 2**30
# Deflate reaches 1000 : 1 on nothing but zeros. A photo that large never comes near.
BOMB_BYTES, BOMB_RATIO = 2**29, 400


Box = tuple[int, int, int, int]


class PhotoFile(Protocol):
    """An open file: what it says of itself, and its pixels once they are asked for."""

    shape: tuple[int, ...]  # as it will be shown: (H, W), (H, W, 3) or (H, W, 4)
    dtype: np.dtype[np.generic]
    pixel_um: float | None
    texts: Sequence[str]  # descriptions that may name the objective

    def pixels(self) -> Image:
        """Decode the pixels."""
        ...

    def reduced(self, box: Box, side: int) -> npt.NDArray[np.uint8] | None:
        """Return the block means of a part as RGB, or None where that is no faster than `pixels`.

        `box` is (top, left, height, width); the means are over ``side x side``, rounded half up.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def check_size(shape: tuple[int, ...], itemsize: int, file_size: int) -> None:
    """Refuse a file that would decode to more than any photo holds.

    Raises
    ------
    MedRefineError
        With a reason that reads on after "Cannot read FILE: ".
    """
    decoded = int(np.prod(shape, dtype=np.float64)) * itemsize
    if shape[0] * shape[1] > MOST_PIXELS:
        raise MedRefineError(
            f"it is {shape[1]:,} x {shape[0]:,} pixels, more than the {MOST_PIXELS:,} a photo may "
            "have"
        )
    if decoded > BOMB_BYTES and decoded > BOMB_RATIO * file_size:
        raise MedRefineError(
            f"{file_size:,} bytes that decode to {decoded:,} are no photo (a decompression bomb)"
        )


def turn(image: Image, orientation: int) -> Image:
    """Return `image` as EXIF `orientation` (1 to 8) wants it shown."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def turned_shape(shape: tuple[int, ...], orientation: int) -> tuple[int, ...]:
    """Return the shape that `turn` gives."""
    return (shape[1], shape[0], *shape[2:]) if orientation >= 5 else shape
