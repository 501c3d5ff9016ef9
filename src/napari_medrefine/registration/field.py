"""A field at any reduction, each computed once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_medrefine.images import Image, white_level
from napari_medrefine.registration.keypoints import IN_FIELD, Keypoints
from napari_medrefine.registration.pyramid import (
    Floats,
    Matrix,
    block_mean,
    features,
    optical_density,
    reduced_brightness,
)
from napari_medrefine.registration.refine import Template
from napari_medrefine.registration.window import scale_of

NEARLY = 0.1  # log ratio by which a reduced field's pixels may differ from the level's


class Field:
    """A photo of high magnification, to be put on its overview.

    Parameters
    ----------
    image : ndarray
        As `napari_medrefine.register` takes it.
    mirrored : bool
        Look at it with its columns reversed, as a slide put in upside down shows it.
    """

    def __init__(self, image: Image, *, mirrored: bool = False) -> None:
        self._image = image[:, ::-1] if mirrored else image
        self._white = white_level(image)
        self.mirrored = mirrored
        self.shape = (int(image.shape[0]), int(image.shape[1]))
        self._base: int | None = None
        self._light: dict[int, Floats] = {}
        self._features: dict[int, Floats] = {}
        self._templates: dict[int, Template] = {}
        self._keypoints: dict[int, Keypoints] = {}

    @property
    def middle(self) -> npt.NDArray[np.float64]:
        """The field's middle, (row, col)."""
        return (np.array(self.shape) - 1) / 2

    @property
    def unmirror(self) -> Matrix:
        """The 3x3 that takes points of the image as given to points of it as looked at."""
        matrix = np.eye(3)
        if self.mirrored:
            matrix[1] = [0, -1, self.shape[1] - 1]
        return matrix

    def factor(self, level: int, matrix: Matrix) -> int:
        """Return by what to reduce the field to compare it with a level of the overview.

        `level` is the overview's factor, `matrix` takes field pixels to overview pixels. A multiple
        of what was asked for at level 1 is made of it, in no time.
        """
        exact = 1 / scale_of(matrix)
        base = max(1, round(exact)) if self._base is None else self._base
        if not abs(np.log(base / exact)) < NEARLY:
            return max(1, round(level * exact))
        self._base = base
        return base * level

    def features(self, factor: int) -> Floats:
        """Return the features of the field reduced by `factor`."""
        if factor not in self._features:
            self._features[factor] = features(optical_density(self.light(factor)))
        return self._features[factor]

    def template(self, factor: int) -> Template:
        """Return the field reduced by `factor`, ready to be refined."""
        if factor not in self._templates:
            self._templates[factor] = Template.of(self.features(factor))
        return self._templates[factor]

    def keypoints(self, factor: int) -> Keypoints:
        """Return the keypoints of the field reduced by `factor`."""
        if factor not in self._keypoints:
            self._keypoints[factor] = Keypoints.of(self.features(factor), IN_FIELD)
        return self._keypoints[factor]

    def light(self, factor: int) -> Floats:
        """Return the field's brightness reduced by `factor`."""
        if factor not in self._light:
            if self._base is not None and factor % self._base == 0 and factor > self._base:
                self.light(self._base)
            made = max((f for f in self._light if factor % f == 0), default=0)
            self._light[factor] = (
                block_mean(self._light[made], factor // made)
                if made
                else reduced_brightness(self._image, factor, self._white)
            )
        return self._light[factor]
