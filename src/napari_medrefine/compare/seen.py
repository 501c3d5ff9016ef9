"""The part of the world that is on screen, as a grid of screen pixels, and images sampled on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_medrefine.images import Image

Matrix = npt.NDArray[np.float64]
Points = npt.NDArray[np.float64]
Inside = npt.NDArray[np.bool_]
_FIXED = 20  # bits behind the point: a millionth of a pixel per pixel, and images up to 2**42


@dataclass(frozen=True)
class View:
    """A grid of screen pixels in the world.

    Attributes
    ----------
    first : (float, float)
        World coordinates of the centre of the first pixel, along the world's rows and columns.
    step : float
        World units from one pixel to the next.
    shape : (int, int)
        Pixels along the world's rows and columns.
    """

    first: tuple[float, float]
    step: float
    shape: tuple[int, int]

    @property
    def to_world(self) -> Matrix:
        """The 3x3 from (row, col, 1) of a screen pixel to the world."""
        (row, col), step = self.first, self.step
        return np.array([[step, 0, row], [0, step, col], [0, 0, 1.0]])

    def pixel(self, world: npt.ArrayLike) -> Points:
        """Return the screen pixel, a fraction, of a point of the world."""
        place: Points = (np.asarray(world, float) - self.first) / self.step
        return place

    def around(self, corners: npt.ArrayLike) -> View | None:
        """Return the part that `corners`, points of the world, span; None where it is empty.

        Pixels of the part are pixels of the whole, and their centres lie between the corners.
        """
        places = self.pixel(corners)
        low = np.clip(np.ceil(places.min(0) - 1e-6), 0, self.shape).astype(int)
        high = np.clip(np.floor(places.max(0) + 1e-6) + 1, 0, self.shape).astype(int)
        if (high <= low).any():
            return None
        row, col = (np.asarray(self.first) + low * self.step).tolist()
        height, width = (high - low).tolist()
        return View((row, col), self.step, (height, width))


def sample(
    image: Image, to_image: Matrix, shape: tuple[int, int], *, smooth: bool = False
) -> tuple[Image, Inside]:
    """Return `image` as seen on a grid, and where there is any of it.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array
        Sampled where it is, never reduced first: as a graphics card shows it.
    to_image : (3, 3) array
        From (row, col, 1) of the grid to (row, col, 1) of the image; affine.
    shape : (int, int)
        Rows and columns of the grid.
    smooth : bool
        Linear interpolation instead of the nearest pixel.

    Returns
    -------
    values : array of `shape`, with the image's channels and dtype
        Outside of the image, any.
    inside : bool array of `shape`
        Whether the point lies on a pixel of the image.
    """
    rows, cols = (_nearest(to_image[axis], shape) for axis in (0, 1))
    height, width = image.shape[:2]
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    if smooth:
        return _linear(image, to_image, shape), np.broadcast_to(inside, shape)
    if rows.shape == (shape[0], 1) and cols.shape == (1, shape[1]):  # upright: rows, then columns
        values = image.take(rows[:, 0], axis=0, mode="clip").take(cols[0], axis=1, mode="clip")
    else:
        flat = image.reshape(height * width, *image.shape[2:])
        places = np.broadcast_to(rows * width + cols, shape)
        values = flat.take(places, axis=0, mode="clip")
    return values, np.broadcast_to(inside, shape)


def _nearest(axis: npt.NDArray[np.float64], shape: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Return the image's row (or column) under each grid point, in whole numbers throughout.

    Where it depends on the grid's rows or columns only, the other axis has length 1.
    """
    along_rows = np.rint((axis[0] * np.arange(shape[0]) + axis[2] + 0.5) * 2**_FIXED)
    along_cols = np.rint(axis[1] * np.arange(shape[1]) * 2**_FIXED)
    rows = along_rows.astype(np.int64)[: None if axis[0] else 1, None]
    cols = along_cols.astype(np.int64)[None, : None if axis[1] else 1]
    nearest: npt.NDArray[np.int64] = (rows + cols) >> _FIXED
    return nearest


def _linear(image: Image, to_image: Matrix, shape: tuple[int, int]) -> Image:
    planes = image[..., None] if image.ndim == 2 else image
    how = {"output_shape": shape, "order": 1, "mode": "nearest"}
    seen = [
        ndi.affine_transform(planes[..., k], to_image[:2, :2], to_image[:2, 2], **how)
        for k in range(planes.shape[2])
    ]
    return np.stack(seen, axis=-1) if image.ndim == 3 else seen[0]
