"""Which part of a layer is meant: all of it, what is in view, or what a rectangle encloses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.widgets._geometry import (
    Layer,
    Pair,
    apply,
    data_to_world,
    factors_between,
    is_plain,
    same_place,
    unit_name,
    world_to_data,
)
from napari_medrefine.widgets._layers import Viewer, picture_axes, pixels, shape

Span = tuple[int, int]  # the first, and the one after the last
T = TypeVar("T")
Corners = npt.NDArray[np.float64]
SMALLEST = 8  # pixels on a side that a network can do something with


@dataclass(frozen=True)
class Region:
    """A part of one level of a layer's image, or of a stack of them.

    Attributes
    ----------
    level : int
        The level of a multiscale layer, 0 for others.
    rows, cols : (int, int)
        First pixel and the one after the last, of that level.
    reduction : (float, float)
        How many full-resolution pixels make one of that level.
    axes : (int, int)
        The layer's axes that are rows and columns.
    planes : dict of int to (int, int)
        Of a stack: its other axes, and which planes are meant along each.
    """

    level: int
    rows: Span
    cols: Span
    reduction: Pair = (1.0, 1.0)
    axes: tuple[int, int] = (0, 1)
    planes: Mapping[int, Span] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels of the level."""
        return self.rows[1] - self.rows[0], self.cols[1] - self.cols[0]

    @property
    def first(self) -> Pair:
        """Row and column of the first full-resolution pixel of the part."""
        return self.rows[0] * self.reduction[0], self.cols[0] * self.reduction[1]

    @property
    def start(self) -> list[float]:
        """Where the first full-resolution pixel lies, along all axes of the layer."""
        return self.along(self.first, {axis: span[0] for axis, span in self.planes.items()})

    @property
    def count(self) -> int:
        """How many planes are meant; 1 of a photo."""
        return prod(last - first for first, last in self.planes.values())

    def along(self, pair: Sequence[T], others: Mapping[int, T]) -> list[T]:
        """Return what belongs to rows and columns, and to other axes, in the order of the axes."""
        return [
            value
            for _, value in sorted({**dict(zip(self.axes, pair, strict=True)), **others}.items())
        ]

    def cut(self, layer: Layer) -> Any:
        """Return the part's pixels, still lazy where the layer is."""
        spans = self.along((self.rows, self.cols), self.planes)
        return pixels(layer, self.level)[tuple(slice(*span) for span in spans)]


def whole(layer: Layer) -> Region:
    """Return all of a layer, at full resolution."""
    height, width = shape(layer)
    return Region(0, (0, height), (0, width), axes=picture_axes(layer), planes=_planes(layer))


def in_view(viewer: Viewer, layer: Layer) -> Region:
    """Return the part of `layer` on the canvas, at the level that is shown; of a stack, one plane.

    Raises
    ------
    MedRefineError
        If the viewer shows three dimensions, or nothing of the layer is in view.
    """
    if viewer.dims.ndisplay != 2:
        raise MedRefineError("Switch napari to its 2-D view first (the cube button, lower left).")
    camera = viewer.scene.camera
    half = np.asarray(viewer.canvas.size, float) / camera.zoom / 2
    centre = np.asarray(camera.center, float)[-2:]
    signs = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)])
    # The camera's axes are the displayed ones, which the user may have transposed.
    corners = np.tile(np.asarray(viewer.dims.point, float)[-layer.ndim :], (4, 1))
    corners[:, _displayed(viewer, layer)] = centre + signs * half
    inside = apply(world_to_data(layer, viewer.layers.units), corners)
    return _around(inside, layer, _level(layer), "in view", _shown_planes(layer, inside.mean(0)))


def in_rectangle(rectangles: Layer, layer: Layer) -> Region:
    """Return the part of `layer` inside the chosen shapes, or the last one drawn.

    Of a stack it is that part of all planes.

    Raises
    ------
    MedRefineError
        If nothing is drawn there, the units do not convert, or it lies beside `layer`.
    """
    if not len(rectangles.data):
        raise MedRefineError(f"Draw a rectangle in '{rectangles.name}' first.")
    common = min(rectangles.ndim, layer.ndim)  # of the world's axes, napari aligns the last ones
    factors = factors_between(rectangles.units[-common:], layer.units[-common:])
    if factors is None and (is_plain(rectangles) or is_plain(layer)):
        factors = [1.0] * common  # napari shows both in the same numbers then
    if factors is None:
        raise MedRefineError(
            f"'{rectangles.name}' is in {unit_name(rectangles)} and '{layer.name}' in "
            f"{unit_name(layer)}; press 'Draw a rectangle' for a fitting shapes layer."
        )
    chosen = sorted(rectangles.selected_data) or [len(rectangles.data) - 1]
    drawn = np.concatenate([np.asarray(rectangles.data[i], float) for i in chosen])
    world = np.tile(data_to_world(layer)[:-1, -1], (len(drawn), 1))
    world[:, -common:] = apply(data_to_world(rectangles), drawn)[:, -common:] * factors
    inside = apply(np.linalg.inv(data_to_world(layer)), world)
    return _around(inside, layer, 0, "inside the rectangle", _planes(layer))


def rectangle_layer(viewer: Viewer, layer: Layer) -> Layer:
    """Add a shapes layer on `layer` in which one can draw a rectangle at once, and return it."""
    try:
        seen = in_view(viewer, layer)
    except MedRefineError:
        seen = whole(layer)
    drawn = viewer.add_shapes(
        None,
        ndim=layer.ndim,
        **same_place(layer),
        name=f"{layer.name} · region",
        edge_color="yellow",
        face_color="transparent",
        edge_width=max(seen.shape) / 250,  # in the layer's pixels: fine in the present view
    )
    drawn.mode = "add_rectangle"
    return drawn


def _planes(layer: Layer) -> dict[int, Span]:
    """Return all planes of a stack; none of a photo."""
    counts, axes = pixels(layer).shape, picture_axes(layer)
    return {axis: (0, int(counts[axis])) for axis in range(layer.ndim) if axis not in axes}


def _displayed(viewer: Viewer, layer: Layer) -> list[int]:
    """Return which axes of `layer` go down and across the canvas."""
    shown = [axis - viewer.dims.ndim + layer.ndim for axis in viewer.dims.displayed[-2:]]
    if sorted(shown) != list(picture_axes(layer)):
        raise MedRefineError(
            f"The canvas shows other axes of '{layer.name}' than its rows and columns: roll "
            "napari's axes until it does (the button beside the cube), or choose the whole layer."
        )
    return shown


def _level(layer: Layer) -> int:
    """Return the level that is shown; of a stack, one that has all planes."""
    level = int(layer.data_level) if layer.multiscale else 0
    whole_stack = _planes(layer)
    while any(pixels(layer, level).shape[axis] != n for axis, (_, n) in whole_stack.items()):
        level -= 1
    return level


def _shown_planes(layer: Layer, middle: npt.NDArray[np.float64]) -> dict[int, Span]:
    """Return the plane of a stack that is shown, if `middle` is what is shown in its middle."""
    shown = {axis: int(np.floor(middle[axis] + 0.5)) for axis in _planes(layer)}
    if any(not 0 <= shown[axis] < n for axis, (_, n) in _planes(layer).items()):
        raise MedRefineError(
            f"Nothing of '{layer.name}' is in view: move napari's sliders to one of its planes."
        )
    return {axis: (number, number + 1) for axis, number in shown.items()}


def _around(
    corners: Corners, layer: Layer, level: int, where: str, planes: Mapping[int, Span]
) -> Region:
    """Return the pixels of a level around `corners`, which are full-resolution pixel centres."""
    axes = picture_axes(layer)
    full = np.array(shape(layer))
    here = np.array([pixels(layer, level).shape[axis] for axis in axes])
    reduction = full / here
    edges = (corners[:, axes] + 0.5) / reduction
    low = np.clip(np.floor(edges.min(0) + 1e-6), 0, here).astype(int)
    high = np.clip(np.ceil(edges.max(0) - 1e-6), 0, here).astype(int)
    if (high - low < SMALLEST).any():
        raise MedRefineError(
            f"Nothing of '{layer.name}' is {where}, or less than {SMALLEST} pixels of it; "
            "choose another region or layer."
        )
    (r0, c0), (r1, c1) = low.tolist(), high.tolist()
    return Region(
        level, (r0, r1), (c0, c1), (float(reduction[0]), float(reduction[1])), axes, planes
    )
