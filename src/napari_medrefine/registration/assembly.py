"""A slide assembled: its overview magnified, with the fields in their places at full resolution.

The result is never held: `Assembly.render` makes any part of it. It is made in blocks that always
begin at the same places, so that the same pixels come out however the result is cut into tiles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import to_unit
from napari_medrefine.registration.cubic import magnified, magnify_taps, sampled
from napari_medrefine.registration.overlay import intensity_fit, lay_over
from napari_medrefine.registration.placed_photos import PhotoCache, as_rgb8
from napari_medrefine.registration.placement import Placement

Bytes = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
BLOCK = 512  # pixels of the result that are made at once, along a side
STRAIGHT = 0.01  # field pixels by which a lens may bend what is taken as affine
SMALLEST = 8  # pixels of the result; no lens bends anything in so little
FEATHER = 0.03  # share of a field's shorter side over which it fades into what lies below
ROUNDING = 1.05  # a ratio this far above a whole number is taken as that number
_NINE = np.array(  # of a square: its middle, the middles of its sides, its corners
    [[0.5, 0.5], [1, 0.5], [0, 0.5], [0.5, 1], [0.5, 0], [0, 0], [0, 1], [1, 0], [1, 1]]
)
BORDER = 2.0  # overview pixels by which a lens may bend an outline between its points


@dataclass(frozen=True, eq=False)
class PlacedPhoto:
    """A field and its place.

    Attributes
    ----------
    image : array-like or callable
        The field as it was registered, or a function without arguments that reads it.
    placement : Placement
        Where it lies. A refused one is not drawn.
    """

    image: npt.ArrayLike | Callable[[], npt.ArrayLike]
    placement: Placement


@dataclass(frozen=True, slots=True)
class _Cell:
    """A part of a block over which a field's map is affine, and that map."""

    rows: slice
    cols: slice
    affine: Doubles


class Assembly:
    """An overview with its fields laid in.

    Parameters
    ----------
    overview : array-like
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``. Of a lazy uint8 one (dask, zarr) only the parts
        needed are read; other dtypes are converted at once, by their white level.
    fields : sequence of PlacedPhoto
        In the order in which they are drawn: finer objectives last.
    zoom : float, optional
        How many pixels of the result make one of the overview, along a side; at least 1. Default:
        what keeps the finest field's own resolution (its ratio, to the nearest whole number above;
        up to 5 % is rounded off).
    match : bool
        Fit each field's brightness and contrast to the overview first (least squares for each
        channel). By default a field keeps its own values, which are what the camera measured.
    feather : float
        Share of a field's shorter side over which it fades in, 0 to 0.5.

    Attributes
    ----------
    shape : (int, int, int)
        Height and width of the result, and 3. Magnifying keeps the extent: pixel r of the result
        lies at ``(r + 0.5) / zoom - 0.5`` of the overview.
    zoom : float

    Raises
    ------
    MedRefineError
        If the overview is no image, a placement was made for another overview, or `zoom` or
        `feather` is out of range.
    """

    def __init__(
        self,
        overview: Any,
        fields: Sequence[PlacedPhoto] = (),
        zoom: float | None = None,
        *,
        match: bool = False,
        feather: float = FEATHER,
    ) -> None:
        self._overview = _lazy_or_rgb8(overview)
        self._fields = [field for field in fields if field.placement.accepted]
        self.zoom = float(full_zoom(self._fields) if zoom is None else zoom)
        self._match, self._feather = match, feather
        self._check()
        height, width = self._overview.shape[:2]
        self.shape = (round(height * self.zoom), round(width * self.zoom), 3)
        self.dtype = np.dtype(np.uint8)
        self._photos = PhotoCache(self._fields, [self._factor(field) for field in self._fields])
        self._tones: dict[int, tuple[FloatArray, FloatArray]] = {}

    def render(self, top: int, left: int, height: int, width: int) -> Bytes:
        """Return ``(height, width, 3)`` uint8: the part of the result that begins at (top, left).

        Raises
        ------
        MedRefineError
            If the part does not lie within the result, or a field cannot be read or has another
            size than the one that was registered.
        """
        bottom, right = top + height, left + width
        if not (0 <= top < bottom <= self.shape[0] and 0 <= left < right <= self.shape[1]):
            raise MedRefineError(
                f"Rows {top} to {bottom}, columns {left} to {right} "
                f"do not lie within an assembly of {self.shape[0]} x {self.shape[1]} pixels."
            )
        part = np.empty((height, width, 3), np.uint8)
        for first_row in range(top - top % BLOCK, bottom, BLOCK):
            for first_col in range(left - left % BLOCK, right, BLOCK):
                block = self._block(first_row, first_col)
                rows = slice(max(top, first_row), min(bottom, first_row + BLOCK))
                cols = slice(max(left, first_col), min(right, first_col + BLOCK))
                part[_less(rows, top), _less(cols, left)] = block[
                    _less(rows, first_row), _less(cols, first_col)
                ]
        return part

    def _block(self, top: int, left: int) -> Bytes:
        height, width = min(BLOCK, self.shape[0] - top), min(BLOCK, self.shape[1] - left)
        limit = self._overview.shape
        rows, row_weights = magnify_taps(top, height, self.zoom, limit[0])
        cols, col_weights = magnify_taps(left, width, self.zoom, limit[1])
        below = as_rgb8(np.asarray(self._overview[rows, cols])).astype(np.float32)
        canvas = magnified(below, row_weights, col_weights)
        for index, (low, high) in enumerate(self._boxes):
            if (low < (top + height, left + width)).all() and (high > (top, left)).all():
                self._draw(index, canvas, (top, left))
        return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)

    def _draw(self, index: int, canvas: FloatArray, corner: tuple[int, int]) -> None:
        """Lay a field over the block `canvas` that begins at `corner` of the result."""
        placement = self._fields[index].placement
        factor = self._factor(self._fields[index])
        for cell in self._cells(placement, canvas.shape, np.array(corner)):
            part = canvas[cell.rows, cell.cols]
            alpha = _alpha(cell.affine, part.shape, placement.field_shape, self._feather)
            if not alpha.any():
                continue
            reduced = (cell.affine - [[0, 0, (factor - 1) / 2]] * 2) / factor
            values = sampled(self._photos.read(index), reduced, part.shape[:2])
            if self._match:
                gain, bias = self._tone(index)
                values = values * gain + bias
            part += alpha[..., None] * (values - part)

    def _cells(self, placement: Placement, shape: tuple[int, ...], corner: Doubles) -> list[_Cell]:
        """Cut a block into parts over which the way from it to the field is affine."""
        found, waiting = [], [(0, 0, BLOCK)]
        while waiting:
            row, col, size = waiting.pop()
            if row >= shape[0] or col >= shape[1]:
                continue
            points = corner + (row, col) + size * _NINE
            there = placement.to_field((points + 0.5) / self.zoom - 0.5)
            middle, down, up, right, left = there[:5]
            linear = np.stack([down - up, right - left], 1) / size
            affine = np.column_stack([linear, middle - linear @ (size / 2, size / 2)])
            straight = middle + (points - points[0]) @ linear.T
            bend = np.abs(straight - there).max()
            # A part is left out where all of it lies to one and the same side of the field.
            before, after = there < -1 - bend, there > np.array(placement.field_shape) + bend
            if before.all(0).any() or after.all(0).any():
                continue
            if bend <= STRAIGHT or size <= SMALLEST:
                found.append(_Cell(slice(row, row + size), slice(col, col + size), affine))
            else:
                half = size // 2
                waiting += [(row + r, col + c, half) for r in (0, half) for c in (0, half)]
        return found

    def _tone(self, index: int) -> tuple[FloatArray, FloatArray]:
        """Return the gain and bias that bring a field's channels to the overview, white at 255."""
        if index not in self._tones:
            photo = self._fields[index]
            over = lay_over(photo.placement, self._photos.read_whole(index))
            below = to_unit(as_rgb8(np.asarray(self._overview[over.window])))
            gain, bias = intensity_fit(over.image, below, over.mask)
            self._tones[index] = gain.astype(np.float32), (255 * bias).astype(np.float32)
        return self._tones[index]

    @cached_property
    def _boxes(self) -> list[tuple[Doubles, Doubles]]:
        """For each field the first and the last point of the result that it may touch."""
        outlines = [field.placement.outline() for field in self._fields]
        return [
            ((line.min(0) - BORDER) * self.zoom, (line.max(0) + BORDER) * self.zoom)
            for line in outlines
        ]

    def _factor(self, field: PlacedPhoto) -> int:
        """By how much a field is reduced before it is sampled, so that it does not alias."""
        return max(1, round(field.placement.ratio / self.zoom))

    def _check(self) -> None:
        shape = tuple(self._overview.shape[:2])
        for field in self._fields:
            if tuple(field.placement.overview_shape) != shape:
                raise MedRefineError(
                    f"The overview is {shape}, "
                    f"but a placement was made for {field.placement.overview_shape}."
                )
        if not (math.isfinite(self.zoom) and self.zoom >= 1):
            raise MedRefineError(f"The zoom is {self.zoom}; it must be at least 1.")
        if not 0 <= self._feather <= 0.5:
            raise MedRefineError(f"The feather is {self._feather}; it must be from 0 to 0.5.")


def full_zoom(fields: Sequence[PlacedPhoto]) -> int:
    """Return the zoom at which no accepted field loses resolution (see `Assembly`); 1 for none."""
    ratio = max((f.placement.ratio for f in fields if f.placement.accepted), default=1.0)
    nearest = max(1, round(ratio))
    return nearest if ratio <= nearest * ROUNDING else math.ceil(ratio)


def _alpha(
    affine: Doubles, shape: tuple[int, ...], field_shape: tuple[int, int], feather: float
) -> FloatArray:
    """Return how much of the field each pixel shows: 0 outside, rising smoothly to 1 inside."""
    # At least one pixel: a border cut hard across the pixels would be jagged.
    margin = max(1.0, feather * min(field_shape))
    alpha = np.ones(shape[:2], np.float32)
    for (by_row, by_col, at_first), length in zip(affine, field_shape, strict=True):
        along_cols = (by_col * np.arange(shape[1]) + at_first + 0.5).astype(np.float32)
        inside = (by_row * np.arange(shape[0])).astype(np.float32)[:, None] + along_cols
        ramp = np.clip(np.minimum(inside, length - inside) / np.float32(margin), 0, 1)
        alpha *= ramp * ramp * (3 - 2 * ramp)
    return alpha


def _lazy_or_rgb8(overview: Any) -> Any:
    """Return a lazy uint8 overview as it is, any other as ``(H, W, 3)`` uint8."""
    lazy = hasattr(overview, "shape") and hasattr(overview, "dtype")
    if lazy and not isinstance(overview, np.ndarray) and overview.dtype == np.uint8:
        as_rgb8(np.zeros((1, 1, *overview.shape[2:]), np.uint8), "overview")
        return overview
    return as_rgb8(np.asarray(overview), "overview")


def _less(part: slice, first: int) -> slice:
    return slice(part.start - first, part.stop - first)
