"""The photos of an assembly, read when they are needed; the last few stay in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image, to_unit
from napari_medrefine.registration.placement import Placement
from napari_medrefine.registration.pyramid import block_mean

Bytes = npt.NDArray[np.uint8]
BUDGET = 300 * 2**20  # bytes: ten camera photos, more than ever touch one row of tiles


class Placed(Protocol):
    """A photo, or what reads it, and its place."""

    @property
    def image(self) -> npt.ArrayLike | Callable[[], npt.ArrayLike]:
        """The pixels, or a function that returns them."""

    @property
    def placement(self) -> Placement:
        """Where they lie."""


class PhotoCache:
    """Photos as RGB uint8, each reduced by its own factor; the latest stay, up to `BUDGET` bytes.

    It may be read from several threads.
    """

    def __init__(self, photos: Sequence[Placed], factors: Sequence[int]) -> None:
        self._photos, self._factors = photos, factors
        self._kept: OrderedDict[int, Bytes] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, index: int) -> Bytes:
        """Return a photo, ``(h, w, 3)`` uint8, reduced by block means.

        Raises
        ------
        MedRefineError
            If it is no image, or not of the size that its placement was made for.
        """
        with self._lock:
            if index not in self._kept:
                self._kept[index] = _reduced(self.read_whole(index), self._factors[index])
            self._kept.move_to_end(index)
            while len(self._kept) > 1 and sum(p.nbytes for p in self._kept.values()) > BUDGET:
                self._kept.popitem(last=False)
            return self._kept[index]

    def read_whole(self, index: int) -> Bytes:
        """Return a photo, ``(h, w, 3)`` uint8, as it is (see `read`)."""
        photo = self._photos[index]
        image = photo.image() if callable(photo.image) else photo.image
        pixels = as_rgb8(np.asarray(image), "field")
        if pixels.shape[:2] != tuple(photo.placement.field_shape):
            raise MedRefineError(
                f"The field is {pixels.shape[:2]}, "
                f"but its placement was made for {photo.placement.field_shape}."
            )
        return pixels


def as_rgb8(image: Image, what: str = "image") -> Bytes:
    """Return `image` as ``(H, W, 3)`` uint8: white at 255, grey in all channels, no alpha."""
    array = check_image(image, what)
    if array.ndim == 2:
        array = np.broadcast_to(array[..., None], (*array.shape, 3))
    colours = array[..., :3]
    if colours.dtype == np.uint8:
        return np.asarray(colours, np.uint8)
    return np.clip(np.rint(to_unit(colours) * 255), 0, 255).astype(np.uint8)


def _reduced(pixels: Bytes, factor: int) -> Bytes:
    if factor == 1:
        return pixels
    return np.rint(block_mean(pixels.astype(np.float32), factor)).astype(np.uint8)
