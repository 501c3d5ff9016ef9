"""A registered field seen on the overview's own pixels: for pictures, differences and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import check_image, to_unit
from napari_medrefine.registration.placement import Placement
from napari_medrefine.registration.pyramid import block_mean

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Overlay:
    """The part of an overview that a field covers.

    Attributes
    ----------
    image : ndarray
        ``(h, w)`` or ``(h, w, 3)`` float32 from 0 to 1: the field, `zoom` pixels to an overview's.
    mask : ndarray
        ``(h, w)`` bool: where the field lies.
    first : tuple of int
        Row and column of the overview at which the part begins.
    zoom : int
        How many pixels of `image` make one of the overview, along a side.
    """

    image: FloatArray
    mask: npt.NDArray[np.bool_]
    first: tuple[int, int]
    zoom: int = 1

    @property
    def window(self) -> tuple[slice, slice]:
        """Slices that cut the same part out of the overview."""
        (row, col), (height, width) = self.first, self.mask.shape
        return slice(row, row + height // self.zoom), slice(col, col + width // self.zoom)


def lay_over(placement: Placement, field: npt.ArrayLike, zoom: int = 1) -> Overlay:
    """Resample `field` onto the overview pixels it covers.

    The field is first reduced by block means to about the size of the new pixels, so that fine
    texture does not alias, then interpolated linearly at the exact place of every new pixel.

    Parameters
    ----------
    placement : Placement
        Where the field lies.
    field : array-like
        The image that was registered.
    zoom : int
        Into how many pixels each overview pixel is divided along a side, e.g. to compare with the
        overview magnified that many times.

    Raises
    ------
    MedRefineError
        If `field` is no image, has another size than the one that was registered, or lies wholly
        outside the overview.
    """
    array = check_image(field, "field")
    if array.shape[:2] != tuple(placement.field_shape):
        raise MedRefineError(
            f"The field is {array.shape[:2]}, "
            f"but the placement was made for {placement.field_shape}."
        )
    first, covered = _covered(placement)
    shape = (covered[0] * zoom, covered[1] * zoom)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    # Dividing pixels keeps their extent, so it moves the centres.
    on_overview = (np.stack([rows.ravel(), cols.ravel()], 1) + 0.5) / zoom - 0.5 + first
    on_field = placement.to_field(on_overview).T.reshape(2, *shape)
    height, width = placement.field_shape
    mask = (
        (on_field[0] >= -0.5)
        & (on_field[0] <= height - 0.5)
        & (on_field[1] >= -0.5)
        & (on_field[1] <= width - 0.5)
    )
    unit = to_unit(array)[..., :3] if array.ndim == 3 else to_unit(array)
    factor = max(1, int(placement.ratio / zoom))
    reduced = block_mean(unit, factor)
    image = _sample(reduced, (on_field - (factor - 1) / 2) / factor)
    return Overlay(image, mask, first, zoom)


def difference(overview: Any, field: npt.ArrayLike, placement: Placement) -> Overlay:
    """Return how far a registered field and its overview are apart: black where they agree.

    Before they are subtracted each channel of the field is brought to the overview's brightness
    and contrast (least squares), since two objectives never give the same white and gain.

    Parameters
    ----------
    overview : array-like
        The overview; of a lazy one (dask, zarr) only the part that the field covers is read.
    field : array-like
        The image that was registered.
    placement : Placement
        Where it lies.

    Raises
    ------
    MedRefineError
        As `lay_over`.
    """
    overlay = lay_over(placement, field)
    lazy = hasattr(overview, "shape") and not isinstance(overview, np.ndarray)
    part = overview[overlay.window] if lazy else overview
    below = to_unit(check_image(part, "overview"))[() if lazy else overlay.window]
    above = overlay.image
    if below.ndim != above.ndim:
        below, above = _grey(below), _grey(above)
    else:
        below = below[..., :3] if below.ndim == 3 else below
    apart = np.abs(match_intensity(above, below, overlay.mask) - below)
    apart[~overlay.mask] = 0
    return Overlay(np.clip(apart, 0, 1), overlay.mask, overlay.first)


def match_intensity(image: FloatArray, like: FloatArray, mask: npt.NDArray[np.bool_]) -> FloatArray:
    """Return `image` with each channel's gain and bias fitted to `like` inside `mask`."""
    gain, bias = intensity_fit(image, like, mask)
    return np.asarray(image * gain + bias, np.float32)


def intensity_fit(
    image: FloatArray, like: FloatArray, mask: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return each channel's gain and bias that bring `image` closest to `like` inside `mask`.

    Least squares; a channel without contrast keeps its gain. One value each for a grey image.
    """
    x, y = (part[mask].reshape(int(mask.sum()), -1).astype(float) for part in (image, like))
    variance = x.var(0)
    covariance = ((x - x.mean(0)) * (y - y.mean(0))).mean(0)
    gain = np.divide(covariance, variance, out=np.ones_like(variance), where=variance > 0)
    return gain, y.mean(0) - gain * x.mean(0)


def _covered(placement: Placement) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the first pixel and the shape of the overview's part that the field covers."""
    points = placement.outline()
    low = np.maximum(np.floor(points.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(points.max(0)).astype(int) + 1, placement.overview_shape)
    if (high <= low).any():
        raise MedRefineError("The field lies wholly outside the overview.")
    return (int(low[0]), int(low[1])), (int(high[0] - low[0]), int(high[1] - low[1]))


def _sample(image: FloatArray, at: npt.NDArray[np.float64]) -> FloatArray:
    """Return `image` interpolated linearly at the ``(2, h, w)`` points `at`."""
    channels = image[..., None] if image.ndim == 2 else image
    sampled = [
        ndimage.map_coordinates(channels[..., c], at, order=1, mode="nearest")
        for c in range(channels.shape[2])
    ]
    return sampled[0] if image.ndim == 2 else np.stack(sampled, -1)


def _grey(image: FloatArray) -> FloatArray:
    return image if image.ndim == 2 else image[..., :3].mean(-1)
