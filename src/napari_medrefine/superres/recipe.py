"""What is to be done to an image, whatever its size: checked before any network runs.

Nothing here imports torch until a chain is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.superres.cards import Task

if TYPE_CHECKING:
    from napari_medrefine.superres.chain import Chain

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
    """

    task: Task = "magnify"
    scale: float = 4.0
    realism: float = 0.0
    strength: float = 1.0
    model: str | Path | None = None
    consistency: bool | None = None

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

    def chain(self, shape: tuple[int, ...], sample: Image) -> Chain:
        """Return what does it.

        Parameters
        ----------
        shape : tuple of int
            Of the image.
        sample : image
            It or a piece of it with detail, that begins at an even row and column: how it was made
            is told from it.

        Raises
        ------
        MedRefineError
            If the model cannot be used.
        """
        return (
            self._sharpening(sample) if self.task == "sharpen" else self._magnifying(shape, sample)
        )

    def _check(self) -> None:
        for name, value in (("realism", self.realism), ("strength", self.strength)):
            if not 0 <= value <= 1:
                raise MedRefineError(f"The {name} is {value:g}; it must be between 0 and 1.")
        if not (math.isfinite(self.scale) and 0 < self.scale <= MOST_TIMES):
            raise MedRefineError(
                f"The scale is {self.scale:g}; it must be above 0 and at most {MOST_TIMES}."
            )

    def _magnifying(self, shape: tuple[int, ...], sample: Image) -> Chain:
        from napari_medrefine.superres.chain import Chain, choose_heads
        from napari_medrefine.superres.consistency import Reduction
        from napari_medrefine.superres.origin import reduction_of
        from napari_medrefine.superres.ready import ready_generator

        result = self.result_shape(shape)
        ratio = max(out / given for out, given in zip(result, shape, strict=False))
        if ratio <= 1:
            return Chain(None, ())
        generator = ready_generator("magnify", self.realism, self.model)
        heads = choose_heads(generator.scales, ratio)
        reduction = None
        if self.consistency is None and heads == (ratio,):
            faithful = ready_generator("magnify", 0.0, self.model)
            reduction = reduction_of(sample, faithful, heads[0], generator)
        elif self.consistency:
            reduction = Reduction("area", heads[0])
        return Chain(generator, heads, self.strength, reduction)

    def _sharpening(self, sample: Image) -> Chain:
        from napari_medrefine.superres.chain import Chain
        from napari_medrefine.superres.origin import enlargement_of
        from napari_medrefine.superres.ready import ready_generator

        generator = ready_generator("sharpen", self.realism, self.model)
        enlargement = None
        if self.consistency is None:
            faithful = ready_generator("sharpen", 0.0, self.model)
            enlargement = enlargement_of(sample, faithful, generator)
        return Chain(generator, (1,), self.strength, enlargement=enlargement)
