"""What is to be done to an image, whatever its size: checked before any network runs.

Nothing here imports torch until a chain is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.superres.cards import Task

if TYPE_CHECKING:
    from napari_medrefine.superres.chain import Chain
    from napari_medrefine.superres.consistency import Reduction
    from napari_medrefine.superres.enlargement import Enlargement

MOST_TIMES = 64


@dataclass(frozen=True, slots=True)
class Recipe:
    """What `magnify` and `sharpen` are asked for; see there.

    Attributes
    ----------
    task : {"magnify", "sharpen"}
    scale : float
        Pixels of the result per pixel of the source, along a side; 1 for sharpening.
    realism : float
        0 (faithful) to 1 (GAN).
    strength : float
        0 (no network) to 1 (all that it adds).
    model : str, Path or None
        A model's name or weight file; None: what ships.
    consistency : bool or None
        None: told from the image.
    alone : bool
        Let the weights themselves tell how the image was made, and not the faithful ones.
    """

    task: Task = "magnify"
    scale: float = 4.0
    realism: float = 0.0
    strength: float = 1.0
    model: str | Path | None = None
    consistency: bool | None = None
    alone: bool = False

    def result_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return rows and columns of what becomes of an image.

        Raises
        ------
        MedRefineError
            If the recipe is none, or nothing would be left of the image.
        """
        self._check()
        rows, columns = round(shape[0] * self.scale), round(shape[1] * self.scale)
        if 0 in (rows, columns):
            raise MedRefineError(f"At scale {self.scale:g} nothing would be left of the image.")
        return rows, columns

    def leaves(self, shape: tuple[int, ...]) -> bool:
        """Return whether an image of this shape stays as it is."""
        if self.task == "sharpen":
            return self.strength == 0
        return self.result_shape(shape) == tuple(shape[:2])

    def generates(self, shape: tuple[int, ...]) -> bool:
        """Return whether a network has a part in what becomes of an image of this shape."""
        return self.strength > 0 and (self.task == "sharpen" or self._ratio(shape) > 1)

    def chain(
        self,
        shape: tuple[int, ...],
        reduction: Reduction | None = None,
        enlargement: Enlargement | None = None,
    ) -> Chain:
        """Return what does it to an image of this shape, which was made as `origin` told.

        Raises
        ------
        MedRefineError
            If the model cannot be used.
        """
        from napari_medrefine.superres.chain import Chain
        from napari_medrefine.superres.ready import ready_generator

        if self._ratio(shape) <= 1 and self.task == "magnify":
            return Chain(None, ())
        generator = ready_generator(self.task, self.realism, self.model)
        return Chain(generator, self._heads(shape), float(self.strength), reduction, enlargement)

    def origin(
        self, shape: tuple[int, ...], sample: Image
    ) -> tuple[Reduction | None, Enlargement | None]:
        """Return how an image was made digitally, as far as the result has to give it back.

        Parameters
        ----------
        shape : tuple of int
            Of the image.
        sample : image
            It, or a piece of it with detail that begins at an even row and column.

        Raises
        ------
        MedRefineError
            If the model cannot be used.
        """
        if self.task == "sharpen":
            return None, self._enlargement(sample)
        return self._reduction(shape, sample), None

    def _check(self) -> None:
        given = {"realism": self.realism, "strength": self.strength, "scale": self.scale}
        for name, value in given.items():
            if not isinstance(value, Real):
                raise MedRefineError(f"The {name} is {value!r:.60}; it must be a number.")
        for name, value in (("realism", self.realism), ("strength", self.strength)):
            if not 0 <= value <= 1:
                raise MedRefineError(f"The {name} is {value:g}; it must be between 0 and 1.")
        if not (math.isfinite(self.scale) and 0 < self.scale <= MOST_TIMES):
            raise MedRefineError(
                f"The scale is {self.scale:g}; it must be above 0 and at most {MOST_TIMES}."
            )

    def _ratio(self, shape: tuple[int, ...]) -> float:
        result = self.result_shape(shape)
        return max(out / given for out, given in zip(result, shape, strict=False))

    def _heads(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        from napari_medrefine.superres.chain import choose_heads
        from napari_medrefine.superres.ready import ready_generator

        if self.task == "sharpen":
            return (1,)
        scales = ready_generator("magnify", self.realism, self.model).scales
        return choose_heads(scales, self._ratio(shape))

    def _reduction(self, shape: tuple[int, ...], sample: Image) -> Reduction | None:
        from napari_medrefine.superres.consistency import Reduction
        from napari_medrefine.superres.origin import reduction_of
        from napari_medrefine.superres.ready import ready_generator

        ratio = self._ratio(shape)
        if ratio <= 1 or self.consistency is False:
            return None
        heads = self._heads(shape)
        if self.consistency:
            return Reduction("area", heads[0])
        own = ready_generator("magnify", self.realism, self.model)
        if heads != (ratio,) or not own.settled:
            return None
        judge = own if self.alone else ready_generator("magnify", 0.0, self.model)
        return reduction_of(sample, judge, heads[0], own)

    def _enlargement(self, sample: Image) -> Enlargement | None:
        from napari_medrefine.superres.origin import enlargement_of
        from napari_medrefine.superres.ready import ready_generator

        if self.consistency is False:
            return None
        own = ready_generator("sharpen", self.realism, self.model)
        if not own.settled:
            return None
        judge = own if self.alone else ready_generator("sharpen", 0.0, self.model)
        return enlargement_of(sample, judge, own)
