"""How photos become tiles: crop to whole tiles, reduce by area, cut.

The defaults are the study's (its section 3): 3584 x 2748 pixels are cropped to 3584 x 2560, reduced
to 1792 x 1280 and cut into 7 x 5 = 35 tiles of 256 x 256; any other size follows the same rule. The
study divides 1,400 tiles into 560 for training, 240 for validation and 560 for testing, which is
1,360: 40 are not accounted for (and 44 photos give 1,540). We keep 560 : 240 : 560 as proportions.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_medrefine._photos.jpeg_png import EXACT
from napari_medrefine.errors import MedRefineError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Pixels = npt.NDArray[np.uint8]
Positive = Annotated[int, Field(gt=0)]
Microns = Annotated[float, Field(gt=0, le=1000)]
Share = Annotated[float, Field(ge=0, le=1)]


class Cleaning(BaseModel):
    """Which photos are left out; see `napari_medrefine.dataset.clean` for what is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contrast: Annotated[float, Field(ge=0)] = 1.0
    sharpness: Annotated[float, Field(ge=0)] = 0.39
    clipped: Share = 0.2
    duplicates: bool = True


class Recipe(BaseModel):
    """Everything that decides how a dataset comes out, besides the photos.

    Attributes
    ----------
    tile : int
        Side of a tile in pixels.
    reduce : int
        How many photo pixels make one tile pixel along a side (area averaging).
    crop : (int, int) or None
        Height and width in photo pixels that are cut from the middle of each photo, both multiples
        of ``tile * reduce``; None: the largest such size that the photo holds.
    proportions : (int, int, int)
        Training, validation and test.
    split_by : {"auto", "slide", "photo"}
        What is never divided. ``"auto"``: slides, where there is at least one for each part.
    seed : int
        Decides which slides or photos go where.
    objective : float or None
        Taken for photos that do not say theirs.
    pixel_um : dict of float to float
        Pixel size in micrometres by objective, taken for photos that do not say theirs.
    cleaning : Cleaning
        Which photos are left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tile: Annotated[int, Field(ge=32, le=8192)] = 256
    reduce: Annotated[int, Field(ge=1, le=64)] = 2
    crop: tuple[Positive, Positive] | None = None
    proportions: tuple[
        Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]
    ] = (560, 240, 560)
    split_by: Literal["auto", "slide", "photo"] = "auto"
    seed: int = 0
    objective: Annotated[float, Field(gt=0)] | None = None
    pixel_um: dict[Annotated[float, Field(gt=0)], Microns] = {}
    cleaning: Cleaning = Cleaning()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not any(self.proportions):
            raise ValueError("the proportions of training, validation and test are all 0")
        side = self.tile * self.reduce
        if self.crop and (self.crop[0] % side or self.crop[1] % side):
            raise ValueError(f"the crop must be a multiple of tile * reduce = {side} pixels")
        return self


class Cut(NamedTuple):
    """What is cut from a photo, in its own pixels: from (top, left), height x width."""

    top: int
    left: int
    height: int
    width: int


def plan_cut(height: int, width: int, recipe: Recipe) -> Cut:
    """Return the part from the middle of a photo that `recipe` makes whole tiles of.

    Raises
    ------
    MedRefineError
        If the photo is too small for that.
    """
    side = recipe.tile * recipe.reduce
    high, wide = recipe.crop or (height // side * side, width // side * side)
    if not 0 < high <= height or not 0 < wide <= width:
        need = recipe.crop or (side, side)
        raise MedRefineError(
            f"it is {width} x {height} pixels, smaller than the {need[1]} x {need[0]} needed"
        )
    return Cut((height - high) // 2, (width - wide) // 2, high, wide)


def cut_and_reduce(photo: Pixels, recipe: Recipe) -> tuple[Cut, Pixels]:
    """Return what is cut from `photo` (H, W, 3), and it reduced by block means, rounded half up."""
    cut = plan_cut(photo.shape[0], photo.shape[1], recipe)
    part = photo[cut.top : cut.top + cut.height, cut.left : cut.left + cut.width]
    return cut, _block_means(np.ascontiguousarray(part), recipe.reduce)


def _block_means(picture: Pixels, side: int) -> Pixels:
    if side in EXACT:
        return np.asarray(Pillow.fromarray(picture).reduce(side))
    height, width = (n // side for n in picture.shape[:2])
    sums = picture.reshape(height, side, width, side, 3).sum(axis=(1, 3), dtype=np.uint32)
    means = (sums + side * side // 2) // (side * side)  # of whole numbers, rounded half up
    return np.asarray(means, np.uint8)
