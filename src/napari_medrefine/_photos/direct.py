"""JPEG and PNG decoded straight into the array that is wanted.

Pillow keeps four bytes for every pixel in colour, and the array takes three more: 2.4 times the
photo. imagecodecs calls the same libraries (libjpeg-turbo, libpng) and needs the array only. It
lets cut files pass as grey, and knows little of what a file says: so whatever is not plainly whole
gives None here, and Pillow decides.
"""

from __future__ import annotations

import logging
import re

import numpy as np
import numpy.typing as npt

from napari_medrefine.images import Image

# imagecodecs tells what libpng warns of to a logger; without a handler Python would print it.
logging.getLogger("imagecodecs").addHandler(logging.NullHandler())

# 0xFF and what stands for a marker: not a stuffed zero, not a restart, not another 0xFF.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_END, _ALONE = 0xD9, (0x01, 0xD8)  # markers; those without a segment
_REFUSED = (RuntimeError, ValueError)  # what imagecodecs raises: damaged, or of another shape
_SPACES = {"L": "GRAYSCALE", "RGB": "RGB", "CMYK": "CMYK"}


def jpeg_pixels(content: bytes, mode: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint8] | None:
    """Return a JPEG's pixels as stored, or None where Pillow has to see to it.

    Parameters
    ----------
    content : bytes
        The whole file.
    mode : str
        ``"L"``, ``"RGB"`` or ``"CMYK"`` (as Pillow has it, 0 is no ink).
    shape : tuple of int
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``.

    Raises
    ------
    MemoryError
        If the pixels do not fit into memory.
    """
    if not is_whole_jpeg(content):
        return None
    import imagecodecs  # here: a twentieth of a second, and only this needs it

    pixels = np.empty(shape, np.uint8)
    try:
        imagecodecs.jpeg8_decode(content, outcolorspace=_SPACES[mode], out=pixels)
    except _REFUSED:
        return None
    if mode == "CMYK":  # Adobe's programs write ink upside down, and everybody follows them
        np.invert(pixels, out=pixels)
    return pixels


def png_pixels(content: bytes, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Image | None:
    """Return a PNG's pixels as stored, or None where Pillow has to see to it.

    Parameters
    ----------
    content : bytes
        The whole file, of 8 or 16 bits a channel, without palette and transparent colour.
    shape : tuple of int
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``.
    dtype : numpy.dtype
        uint8 or uint16.

    Raises
    ------
    MemoryError
        If the pixels do not fit into memory.
    """
    import imagecodecs

    pixels = np.empty(shape, dtype)
    try:
        imagecodecs.png_decode(content, out=pixels)
    except _REFUSED:
        return None
    return pixels


def is_whole_jpeg(content: bytes) -> bool:
    """Whether a JPEG goes on to its end marker; libjpeg paints grey what is missing.

    Source: ITU-T T.81, annex B.
    """
    at = 2
    while (found := _MARKER.search(content, at)) is not None:
        at, marker = found.end(), content[found.end() - 1]
        if marker == _END:
            return True
        if marker not in _ALONE:  # over its segment: a preview in there has an end of its own
            at += int.from_bytes(content[at : at + 2])
    return False
