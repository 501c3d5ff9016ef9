"""How an image was made digitally, if it was: told by what a generator adds to a piece of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_medrefine.images import Image, colours_of, white_level
from napari_medrefine.superres.consistency import Reduction, detect_reduction
from napari_medrefine.superres.enlargement import FACTOR, Enlargement, detect_enlargement
from napari_medrefine.superres.generator import Generator
from napari_medrefine.superres.reduction_spectrum import spectrum_levels, tells

_WINDOW = 128  # pixels a side: what is looked at
_WIDE = 512  # of the spectrum: the more windows, the less depends on what lies in them
_LEAST = 32
_STEP = 4  # rows and columns between those that are searched for detail


def reduction_of(
    image: Image, faithful: Generator, scale: int, generator: Generator | None = None
) -> Reduction | None:
    """Return how `image` was reduced, if it was; from the windows with the most detail.

    Parameters
    ----------
    image : image
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``.
    faithful : Generator
        With the faithful weights, that can enlarge by `scale`: tells. What others make up hides it.
    scale : int
        2 or more.
    generator : Generator, optional
        Whose residual is to be borne out by the image, if not `faithful`.
    """
    if min(image.shape[:2]) < _LEAST:
        return None
    levels = spectrum_levels(_window(image, _WIDE)[0].numpy()) if tells(scale) else None
    with torch.inference_mode():
        shades = _window(image).to(faithful.device)
        found = detect_reduction(shades, faithful.sub_pixels(shades, scale), scale, levels)
        if found is None or generator is None or generator is faithful:
            return found
        return found.bearing_out(shades, generator.sub_pixels(shades, scale))


def enlargement_of(
    image: Image, faithful: Generator, generator: Generator | None = None
) -> Enlargement | None:
    """Return how `image` was reduced to half its size and enlarged again, if it was.

    Parameters
    ----------
    image, faithful, generator
        As for `reduction_of`, but generators that sharpen.
    """
    if min(image.shape[:2]) < _LEAST or image.shape[0] % FACTOR or image.shape[1] % FACTOR:
        return None
    with torch.inference_mode():
        shades = _window(image).to(faithful.device)
        found = detect_enlargement(shades, faithful.residual(shades, 1).float())
        if found is None or generator is None or generator is faithful:
            return found
        return found.bearing_out(shades, generator.residual(shades, 1).float())


def _window(image: Image, side: int = _WINDOW) -> Tensor:
    """Return the window with the most detail, ``(1, 3, h, w)``, float32, white at 0."""
    top, left = _most_detail(image, side)
    window = image[top : top + side, left : left + side]
    unit = window.astype(np.float32) / np.float32(white_level(image))
    if image.dtype.kind == "u":
        unit = np.minimum(unit, 1)  # hot pixels tell nothing
    return torch.from_numpy(np.ascontiguousarray(colours_of(unit))).permute(2, 0, 1)[None] - 1


def _most_detail(image: Image, side: int) -> tuple[int, int]:
    """Return where, on a grid of half its side, the window begins that varies most."""
    colour = image if image.ndim == 2 else image[..., 1]  # green: both stains show
    thin = colour[::_STEP, :].astype(np.float32)
    change = np.abs(np.diff(thin, axis=1)) if thin.shape[1] > 1 else thin
    height, width = image.shape[:2]
    tops, lefts = _starts(height, side), _starts(width, side)
    sums = [[_total(change, top, left, side) for left in lefts] for top in tops]
    best = int(np.argmax(sums))
    return tops[best // len(lefts)], lefts[best % len(lefts)]


def _total(change: npt.NDArray[np.float32], top: int, left: int, side: int) -> float:
    rows = slice(-(-top // _STEP), (top + side) // _STEP)
    return float(change[rows, left : left + side].sum(dtype=np.float64))


def _starts(length: int, side: int) -> list[int]:
    last = max(0, length - side)
    return [*range(0, last, side // 2), last]
