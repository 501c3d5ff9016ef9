"""Looking at an image on other pixels: where it lies, and its values there.

Points are (row, col), pixel centres at whole numbers. A `Placed` image says where its pixels lie as
seen from another image's: by a 3x3 matrix, or by a function where a lens bends the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_medrefine.compare.filters import Floats
from napari_medrefine.compare.metrics import Mask
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import check_image, to_unit, white_of
from napari_medrefine.registration.pyramid import block_mean

Matrix = npt.NDArray[np.float64]
Points = npt.NDArray[np.float64]
Way = Callable[[Points], Points]
_AT_ONCE = 1_000_000  # pixels that are interpolated at once
_MARGIN = 6  # reference pixels around what is read
_MOST = 200_000_000  # pixels of a photo that are read at once


@dataclass(frozen=True, eq=False)
class Placed:
    """An image, and the way to its pixels.

    Attributes
    ----------
    name : str
        What people call it.
    image : array
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``; uint8, uint16 or float. A lazy one (dask, zarr)
        is read as far as it is needed.
    way : (3, 3) array or callable
        Maps ``(N, 2)`` pixels of the image it is compared with to its own.
    """

    name: str
    image: Any
    way: Matrix | Way

    def find(self, points: Points) -> Points:
        """Map ``(N, 2)`` pixels of the other image to this one's."""
        if callable(self.way):
            return np.asarray(self.way(points), np.float64)
        matrix = np.asarray(self.way, np.float64)
        return points @ matrix[:2, :2].T + matrix[:2, 2]

    @cached_property
    def white(self) -> float:
        """What stands for full white in all parts of it."""
        return white_of(self.image)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.image.shape[0]), int(self.image.shape[1])

    def covers(self, points: Points, inset: float = 0.5) -> Mask:
        """Return which of ``(N, 2)`` pixels lie on the image, `inset` from its outer edge."""
        found = self.find(points)
        limit = np.array(self.shape) - 0.5 - inset
        return np.asarray(((found >= inset - 0.5) & (found <= limit)).all(1))

    def reduction(self, at: Points) -> float:
        """Return how many of its pixels make one of the other's around the point `at`."""
        steps = at + np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
        found = self.find(steps)
        return float(np.sqrt(abs(np.linalg.det(found[1:] - found[0]))))


@dataclass(frozen=True)
class Grid:
    """Pixels that divide a part of an image.

    Attributes
    ----------
    first : (int, int)
        The image's row and column at which the part begins.
    part : (int, int)
        Its rows and columns.
    shape : (int, int)
        Into how many pixels it is divided.
    """

    first: tuple[int, int]
    part: tuple[int, int]
    shape: tuple[int, int]

    @property
    def zoom(self) -> Points:
        """How many pixels make one of the image, along rows and columns."""
        return np.array(self.shape) / self.part

    def lines(self) -> tuple[Points, Points]:
        """Return where rows and columns of the grid lie on the image."""
        # Dividing pixels keeps their extent, so it moves their centres.
        rows, cols = (
            (np.arange(n) + 0.5) / zoom - 0.5 + first
            for n, zoom, first in zip(self.shape, self.zoom, self.first, strict=True)
        )
        return rows, cols

    def points(self, rows: tuple[int, int]) -> Points:
        """Return where the pixels of these rows lie on the image, ``(N, 2)``."""
        lines = self.lines()
        at = np.meshgrid(lines[0][slice(*rows)], lines[1], indexing="ij")
        return np.stack(at, -1).reshape(-1, 2)


def sampled(placed: Placed, grid: Grid) -> tuple[Floats, Mask]:
    """Return `placed` on the pixels of `grid`, and where it lies there.

    Where its own pixels are finer, each new one is a mean: of whole blocks, and of a Gaussian for
    the rest, as scikit-image's ``resize`` has it. Between pixels it is interpolated by cubic
    splines. Transparent pixels count as not there.

    Returns
    -------
    image : ``(h, w)`` or ``(h, w, 3)`` float32, white at 1
    mask : ``(h, w)`` bool

    Raises
    ------
    MedRefineError
        If it is no image, or too large a part of it is needed.
    """
    middle = np.array(grid.first) + (np.array(grid.part) - 1) / 2
    finer = max(1.0, placed.reduction(middle) / float(np.sqrt(grid.zoom.prod())))
    unit, there, corner = _read(placed, grid, finer)
    blocks = int(finer)
    shrunk = block_mean(unit, blocks)
    rest = (finer / blocks - 1) / 2
    if rest > 0:
        shrunk = _blurred(shrunk, rest)
    mask = np.zeros(grid.shape, np.bool_)
    found = np.zeros((*grid.shape, *unit.shape[2:]), np.float32)
    coefficients = _coefficients(shrunk)
    for rows in _strips(grid.shape):
        at = placed.find(grid.points(rows)) - corner
        limit = np.array(unit.shape[:2]) - 1
        inside = ((at >= 0) & (at <= limit)).all(1)
        if there is not None:
            near = np.clip(np.rint(at), 0, limit).astype(int)
            inside &= there[near[:, 0], near[:, 1]]
        where = ((at - (blocks - 1) / 2) / blocks).T
        shape = (rows[1] - rows[0], grid.shape[1])
        mask[slice(*rows)] = inside.reshape(shape)
        found[slice(*rows)] = _interpolated(coefficients, where).reshape(*shape, *unit.shape[2:])
    return np.clip(found, 0, 1), mask


def _read(placed: Placed, grid: Grid, finer: float) -> tuple[Floats, Mask | None, Points]:
    """Return the part that is needed as unit floats, its opaque pixels, and its first pixel."""
    corners = Grid(grid.first, grid.part, (17, 17))
    at = placed.find(corners.points((0, 17)))
    reach = _MARGIN * finer + (at.max(0) - at.min(0)).max() / 16
    low = np.clip(np.floor(at.min(0) - reach), 0, placed.shape).astype(int)
    high = np.clip(np.ceil(at.max(0) + reach) + 1, 0, placed.shape).astype(int)
    if (high - low < 2).any():
        raise MedRefineError(f"{placed.name} does not lie there.")
    if (high - low).prod() > _MOST:
        raise MedRefineError(
            f"{(high - low).prod() / 1e6:.0f} megapixels of {placed.name} are needed for this; "
            "choose a smaller region."
        )
    part = placed.image[low[0] : high[0], low[1] : high[1]]
    image = check_image(np.asarray(part), placed.name)
    unit, there = to_unit(image, placed.white), None
    if image.ndim == 3 and image.shape[2] == 4:
        there = np.asarray(unit[..., 3] > 0.5)
        unit = np.ascontiguousarray(unit[..., :3])
    return unit, there, low.astype(np.float64)


def _strips(shape: tuple[int, int]) -> list[tuple[int, int]]:
    height = max(1, _AT_ONCE // shape[1])
    return [(top, min(top + height, shape[0])) for top in range(0, shape[0], height)]


def _blurred(unit: Floats, sigma: float) -> Floats:
    sigmas = (sigma, sigma, 0)[: unit.ndim]
    return np.asarray(ndi.gaussian_filter(unit, sigmas, mode="reflect"), np.float32)


def _coefficients(unit: Floats) -> list[Floats]:
    channels = [unit] if unit.ndim == 2 else list(np.moveaxis(unit, -1, 0))
    return [ndi.spline_filter(c, 3, output=np.float32, mode="mirror") for c in channels]


def _interpolated(coefficients: list[Floats], where: Points) -> Floats:
    parts = [
        ndi.map_coordinates(c, where, np.float32, order=3, mode="mirror", prefilter=False)
        for c in coefficients
    ]
    return np.stack(parts, -1)
