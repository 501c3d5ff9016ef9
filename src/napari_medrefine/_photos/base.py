"""What every format's reader gives, and the checks they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image

# A photo of 100,000 x 10,000 pixels is legal; beyond this it is a whole slide, or a bomb.
MOST_PIXELS = 2**30
# Deflate reaches 1000 : 1 on nothing but zeros. A photo that large never comes near.
BOMB_BYTES, BOMB_RATIO = 2**29, 400
STRIP = 64  # rows
MODES = {"L": (), "RGB": (3,), "RGBA": (4,)}  # Pillow's, and the channels they have


Box = tuple[int, int, int, int]


class PhotoFile(Protocol):
    """An open file: what it says of itself, and its pixels once they are asked for."""

    shape: tuple[int, ...]  # as it will be shown: (H, W), (H, W, 3) or (H, W, 4)
    dtype: np.dtype[np.generic]
    pixel_um: float | None
    texts: Sequence[str]  # descriptions that may name the objective
    note: str  # what we wrote into it: see `napari_medrefine.provenance`

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


def orientation_of(value: object) -> int:
    """Return how a photo is to be turned, from what EXIF says; nothing but 1 to 8 says anything."""
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def turn(image: Image, orientation: int) -> Image:
    """Return `image` as EXIF `orientation` (1 to 8) wants it shown."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def unturned(image: Image, orientation: int) -> Image:
    """Return a view of `image`, shown as EXIF `orientation` wants it, as it was stored."""
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image.swapaxes(0, 1) if orientation >= 5 else image


def strips(image: Pillow.Image) -> Iterator[tuple[slice, Pillow.Image]]:
    """Yield an image part by part, with its rows.

    What is made of a part is small. Pillow stores RGB with four bytes a pixel, and NumPy copies
    twice what it takes from there: of a whole photo that would be three times its size.
    """
    image.load()
    for top in range(0, image.height, STRIP):
        rows = slice(top, min(top + STRIP, image.height))
        yield rows, image.crop((0, rows.start, image.width, rows.stop))


def as_array(image: Pillow.Image, mode: str, orientation: int = 1) -> npt.NDArray[np.uint8]:
    """Return a Pillow image in `mode` (L, RGB or RGBA) as an array, upright."""
    channels = MODES[mode]
    image.load()  # turns some files
    shape = turned_shape((image.height, image.width, *channels), orientation)
    upright = np.empty(shape, np.uint8)
    stored = unturned(upright, orientation)
    for rows, part in strips(image):
        stored[rows] = np.asarray(part if part.mode == mode else part.convert(mode))
    return upright


def packed(
    image: npt.NDArray[Any], make: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
) -> npt.NDArray[Any]:
    """Return what `make` gives for `image`, part by part and in the place of `image`.

    Parameters
    ----------
    image : ndarray of (H, ...)
        Whose memory is used again; it is lost.
    make : callable
        Takes some rows and returns something new for them that needs no more memory.

    Returns
    -------
    ndarray of (H, ...)
        A view of the memory of `image`.
    """
    image = np.require(image, requirements=["C", "W"])
    first = make(image[:1])
    size = len(image) * first.nbytes
    place = image.reshape(-1).view(np.uint8)[:size].view(first.dtype)
    made = place.reshape(len(image), *first.shape[1:])
    for top in range(0, len(image), STRIP):
        # No row is written over before it was read: those made are no longer than those given.
        made[top : top + STRIP] = make(image[top : top + STRIP])
    return made


def cmyk_as_rgb(inks: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return (H, W, 4) inks as (H, W, 3) colours, as Pillow does; what is given is lost."""

    def convert(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        size = rows.shape[1], rows.shape[0]
        part = Pillow.frombuffer("CMYK", size, rows.tobytes(), "raw", "CMYK", 0, 1)
        return np.asarray(part.convert("RGB"))

    return packed(inks, convert)


def turned_shape(shape: tuple[int, ...], orientation: int) -> tuple[int, ...]:
    """Return the shape that `turn` gives."""
    return (shape[1], shape[0], *shape[2:]) if orientation >= 5 else shape
