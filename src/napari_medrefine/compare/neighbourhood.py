"""Pixel values of several images at one place, and how far they are apart around it.

The study that this plugin began with compared the RGB values of blurred, generated and sharp
pictures pixel by pixel. Images of different magnification are compared over the same area: a
neighbourhood is a square of pixels of the reference, and of a finer image everything that lies on
such a pixel is averaged first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_medrefine.compare.seen import Matrix, sample
from napari_medrefine.images import Image, colours_of

Patch = npt.NDArray[np.float64]  # (N, N, 3), NaN where the image is not
Colour = tuple[float, float, float]
FINEST = 16  # samples along a pixel of the reference
COLUMNS = (
    "place", "row", "column", "unit", "layer", "R", "G", "B", "mean R", "mean G", "mean B",
    "difference R", "difference G", "difference B", "absolute difference", "compared with",
    "neighbourhood",
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """What one image says at a place.

    Attributes
    ----------
    name : str
        Of the image.
    value : three floats or None
        The pixel's own values, grey repeated; None beside the image.
    mean : three floats or None
        Mean of the neighbourhood in grey levels of 255.
    difference : three floats or None
        Mean of this image minus the reference over the neighbourhood, in grey levels of 255.
    apart : float or None
        Mean of the absolute difference, over pixels of the reference and colours.
    """

    name: str
    value: Colour | None
    mean: Colour | None
    difference: Colour | None
    apart: float | None


@dataclass(frozen=True)
class Place:
    """The readings of several images at one place.

    Attributes
    ----------
    world : (float, float)
        Row and column in the world.
    unit : str
        Of these.
    reference : str
        The image that the others are compared with.
    size : int
        Pixels of the reference along the neighbourhood.
    readings : sequence of Reading
    """

    world: tuple[float, float]
    unit: str
    reference: str
    size: int
    readings: Sequence[Reading]


def value_at(image: Image, row: float, col: float) -> Colour | None:
    """Return the values of the pixel at (row, col), grey repeated; None beside the image."""
    place = int(np.floor(row + 0.5)), int(np.floor(col + 0.5))
    if not all(0 <= k < n for k, n in zip(place, image.shape[:2], strict=True)):
        return None
    red, green, blue = np.asarray(colours_of(image[place][None, None]), float)[0, 0].tolist()
    return red, green, blue


def samples_per_pixel(to_image: Matrix) -> int:
    """Return how many samples along a pixel of the reference see every pixel of a finer image."""
    longest = float(np.abs(to_image[:2, :2]).sum(1).max())
    return int(np.clip(np.ceil(longest - 1e-6), 1, FINEST))


def patch(image: Image, to_image: Matrix, size: int, white: float) -> Patch:
    """Return an image as averaged over `size` x `size` pixels of the reference.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array
    to_image : (3, 3) array
        From (row, col, 1) in pixels of the reference, the first of the patch at (0, 0), to pixels
        of the image.
    size : int
    white : float
        The value that becomes 255.

    Returns
    -------
    (size, size, 3) array
        NaN where some of a reference pixel is beside the image.
    """
    fine = samples_per_pixel(to_image)
    first = 0.5 / fine - 0.5
    to_reference = np.array([[1 / fine, 0, first], [0, 1 / fine, first], [0, 0, 1.0]])
    values, inside = sample(image, to_image @ to_reference, (size * fine, size * fine))
    colours = np.asarray(colours_of(values), float) * (255 / white)
    colours[~inside] = np.nan
    averaged: Patch = colours.reshape(size, fine, size, fine, 3).mean((1, 3))
    return averaged


def reading(name: str, value: Colour | None, own: Patch, reference: Patch) -> Reading:
    """Return what an image says, given its neighbourhood and the reference's."""
    difference = own - reference
    there = ~np.isnan(difference[..., 0])
    return Reading(
        name=name,
        value=value,
        mean=_mean(own[~np.isnan(own[..., 0])]),
        difference=_mean(difference[there]),
        apart=float(np.abs(difference[there]).mean()) if there.any() else None,
    )


def _mean(colours: npt.NDArray[np.float64]) -> Colour | None:
    if not len(colours):
        return None
    red, green, blue = colours.mean(0).tolist()
    return red, green, blue


def as_tsv(places: Sequence[Place]) -> str:
    """Return `places` as a table that pastes into a spreadsheet: a row for each image and place.

    Values are the image's own; means and differences are in grey levels of 255. A cell is empty
    where there is nothing to say.
    """
    lines = ["\t".join(COLUMNS)]
    for number, place in enumerate(places, 1):
        for each in place.readings:
            cells = [
                str(number), *(f"{x:.9g}" for x in place.world), place.unit, _plain(each.name),
                *_cells(each.value, 9), *_cells(each.mean, 5), *_cells(each.difference, 5),
                "" if each.apart is None else f"{each.apart:.5g}",
                _plain(place.reference), f"{place.size} x {place.size} pixels of it",
            ]  # fmt: skip
            lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"


def _cells(colour: Colour | None, digits: int) -> list[str]:
    return [""] * 3 if colour is None else [f"{x:.{digits}g}" for x in colour]


def _plain(name: str) -> str:
    """Return a name without what would end its cell, or make a spreadsheet compute it."""
    clean = " ".join(name.split())
    return f"'{clean}" if clean[:1] in tuple("=+-@") else clean
