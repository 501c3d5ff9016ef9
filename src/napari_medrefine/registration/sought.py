"""A field that is looked for, on one overview or on several: what is made of it is made once."""

from __future__ import annotations

import threading
from functools import cached_property

import numpy.typing as npt

from napari_medrefine.images import Image, sha256_of
from napari_medrefine.registration.field import Field
from napari_medrefine.registration.sources import check_textured
from napari_medrefine.registration.structure import structure_size


class Sought:
    """A field's image, checked; as it is and mirrored, at any reduction; and its hash.

    Parameters
    ----------
    image : array-like
        See `napari_medrefine.register`.

    Raises
    ------
    MedRefineError
        If it is no image, or constant.
    """

    def __init__(self, image: npt.ArrayLike) -> None:
        self.image: Image = check_textured(image, "field")
        self.shape = (int(self.image.shape[0]), int(self.image.shape[1]))
        self._seen: dict[bool, Field] = {}
        self._hash = _Hash(self.image)

    def seen(self, *, mirrored: bool) -> Field:
        """Return the field as it is looked at."""
        if mirrored not in self._seen:
            self._seen[mirrored] = Field(self.image, mirrored=mirrored)
        return self._seen[mirrored]

    @cached_property
    def structure(self) -> float:
        """Size of the structures in pixels, see `structure_size`."""
        return structure_size(self.image)

    @property
    def sha256(self) -> str:
        """Hash of the pixels."""
        return self._hash.value()


class _Hash(threading.Thread):
    """The hash of an image, computed while the search goes on: both take a processor each."""

    def __init__(self, image: Image) -> None:
        super().__init__()
        self._image, self._value = image, ""
        self.start()

    def run(self) -> None:
        """Compute it."""
        self._value = sha256_of(self._image)

    def value(self) -> str:
        """Return it, as soon as it is there."""
        self.join()
        return self._value
