"""What the canvas shows of the world, and what a layer looks like there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medrefine.compare.blending import Seen
from napari_medrefine.compare.seen import Matrix, View, sample
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, colours_of, to_unit, white_level
from napari_medrefine.widgets._geometry import Layer, apply, world_to_data
from napari_medrefine.widgets._layers import Viewer, pixels, shape

_SHADES = 1024  # of a colour map
_NOTHING_IN_VIEW = "Nothing of '{first}' or '{second}' is in view; press napari's home button."


def check_flat(viewer: Viewer) -> None:
    """Refuse a 3-D view.

    Raises
    ------
    MedRefineError
        Saying how to leave it.
    """
    if viewer.dims.ndisplay != 2:
        raise MedRefineError("Switch napari to its 2-D view first (the cube button, lower left).")


def transposed(viewer: Viewer) -> bool:
    """Whether the user has exchanged the two axes that are displayed."""
    first, second = viewer.dims.displayed[-2:]
    return bool(first > second)


def on_screen(viewer: Viewer, density: float = 1.0) -> View:
    """Return the canvas as a grid of its pixels, `density` of them per point of the screen.

    Along the world's axes, whatever the order in which they are displayed.
    """
    size = np.maximum(np.asarray(viewer.canvas.size, float), 1)
    zoom = float(viewer.scene.camera.zoom)
    centre = np.asarray(viewer.scene.camera.center, float)[-2:]
    if transposed(viewer):
        size, centre = size[::-1], centre[::-1]
    step = 1 / (zoom * density)
    row, col = (centre - size / zoom / 2 + step / 2).tolist()
    height, width = np.maximum(np.round(size * density), 1).astype(int).tolist()
    return View((row, col), step, (height, width))


def footprint(viewer: Viewer, layer: Layer) -> npt.NDArray[np.float64]:
    """Return the corners of a layer's image on the canvas, as (4, 2) points of the world."""
    height, width = shape(layer)
    low, high = (-0.5, -0.5), (height - 0.5, width - 0.5)
    corners = [low, (low[0], high[1]), high, (high[0], low[1])]
    return apply(np.linalg.inv(world_to_data(layer, viewer.layers.units)), corners)


def in_common(viewer: Viewer, first: Layer, second: Layer, density: float) -> View:
    """Return the part of the canvas on which something of the two layers is.

    Raises
    ------
    MedRefineError
        If there is none.
    """
    corners = np.concatenate([footprint(viewer, layer) for layer in (first, second)])
    view = on_screen(viewer, density).around(corners)
    if view is None:
        raise MedRefineError(_NOTHING_IN_VIEW.format(first=first.name, second=second.name))
    return view


@dataclass(frozen=True)
class Looked:
    """What of a layer is in view.

    Attributes
    ----------
    values : (H, W) or (H, W, C) array
        The layer's own pixel values under each pixel of the view.
    inside : (H, W) bool array
        Where there is any of it.
    """

    values: npt.NDArray[np.generic]
    inside: npt.NDArray[np.bool_]


def look(viewer: Viewer, layer: Layer, view: View) -> Looked:
    """Return the layer's pixels in view: of a multiscale layer, those of the level that fits."""
    to_full = world_to_data(layer, viewer.layers.units) @ view.to_world
    level, to_level = _level(layer, to_full)
    smooth = str(layer.interpolation2d) != "nearest"
    part, to_part = cut(pixels(layer, level), to_level, view.shape)
    return Looked(*sample(part, to_part, view.shape, smooth=smooth))


def cut(data: Any, to_data: Matrix, shape: tuple[int, int]) -> tuple[Image, Matrix]:
    """Return the part of `data` that a grid needs, read if it is lazy, and the way from the grid.

    Parameters
    ----------
    data : array-like
        ``(H, W)`` or ``(H, W, C)``; NumPy, dask, Zarr, ...
    to_data : (3, 3) array
        From (row, col, 1) of the grid to that of the data.
    shape : (int, int)
        Rows and columns of the grid.
    """
    corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0)]) * (np.array(shape) - 1)
    places = apply(to_data, corners)
    size = np.array(data.shape[:2])
    low = np.clip(np.floor(places.min(0)) - 1, 0, size - 1).astype(int)
    high = np.clip(np.ceil(places.max(0)) + 2, low + 1, size).astype(int)
    part = np.asarray(data[low[0] : high[0], low[1] : high[1]])
    shift = np.eye(3)
    shift[:2, 2] = -low
    return part, shift @ to_data


def _level(layer: Layer, to_full: Matrix) -> tuple[int, Matrix]:
    """Return the coarsest level that has a pixel for each of the screen's, and the way to it."""
    if not layer.multiscale:
        return 0, to_full
    full = np.array(shape(layer))
    per_pixel = np.abs(to_full[:2, :2]).max(1)
    reductions = [full / level.shape[:2] for level in layer.data]
    fitting = [k for k, each in enumerate(reductions) if (each <= per_pixel + 1e-9).all()]
    level = fitting[-1] if fitting else 0
    row, col = 1 / reductions[level]
    # A level's pixel covers several, so that its centre is not that of the first.
    reduce = np.array([[row, 0, (row - 1) / 2], [0, col, (col - 1) / 2], [0, 0, 1.0]])
    return level, reduce @ to_full


def as_shown(layer: Layer, looked: Looked) -> Seen:
    """Return what is in view in the colours in which napari shows the layer, opaque."""
    low, high = layer.contrast_limits
    values = looked.values
    plain = values.dtype == np.uint8 and (low, high) == (0, 255) and layer.gamma == 1
    seen = np.empty((*looked.inside.shape, 4), np.uint8)
    if layer.rgb:
        colours = values[..., :3]
        seen[..., :3] = colours if plain else _stretched(layer, colours) * 255 + 0.5
        has_alpha = values.shape[2] == 4
        alpha = np.rint(np.clip(to_unit(values[..., 3]), 0, 1) * 255) if has_alpha else 255
    else:
        shades = np.asarray(layer.colormap.map(np.linspace(0, 1, _SHADES)) * 255 + 0.5, np.uint8)
        seen[...] = shades[(_stretched(layer, values) * (_SHADES - 1) + 0.5).astype(np.intp)]
        alpha = seen[..., 3]
    seen[..., 3] = np.where(looked.inside, alpha, 0)
    return seen


def _stretched(layer: Layer, values: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Return `values` from 0 to 1 between the layer's contrast limits."""
    low, high = layer.contrast_limits
    share = (np.asarray(values, np.float32) - np.float32(low)) / np.float32(high - low)
    shown: npt.NDArray[np.float32] = np.clip(np.nan_to_num(share), 0, 1) ** np.float32(layer.gamma)
    return shown


def grey_levels(looked: Looked, white: float) -> npt.NDArray[np.float32]:
    """Return what is in view as (H, W, 3) in grey levels, `white` at 255."""
    return np.asarray(colours_of(looked.values), np.float32) * np.float32(255 / white)


def white_of(layer: Layer) -> float:
    """Return the value that stands for white in a layer; of a multiscale one, as its coarsest says.

    Computed once per comparison: it looks at every pixel of a float or 16-bit image.
    """
    data: Any = layer.data[-1] if layer.multiscale else layer.data
    if data.dtype == np.uint8:
        return 255.0
    return white_level(np.asarray(data))
