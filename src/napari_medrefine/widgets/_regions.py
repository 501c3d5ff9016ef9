"""Which part of a layer is meant: all of it, what is in view, or what a rectangle encloses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.widgets._geometry import (
    Layer,
    Pair,
    apply,
    data_to_world,
    is_plain,
    same_place,
    unit_factors,
    unit_name,
    world_to_data,
)
from napari_medrefine.widgets._layers import Viewer, pixels, shape

Corners = npt.NDArray[np.float64]
SMALLEST = 8  # pixels on a side that a network can do something with


@dataclass(frozen=True)
class Region:
    """A part of one level of a layer's image.

    Attributes
    ----------
    level : int
        The level of a multiscale layer, 0 for others.
    rows, cols : (int, int)
        First pixel and the one after the last, of that level.
    reduction : (float, float)
        How many full-resolution pixels make one of that level.
    """

    level: int
    rows: tuple[int, int]
    cols: tuple[int, int]
    reduction: Pair = (1.0, 1.0)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels of the level."""
        return self.rows[1] - self.rows[0], self.cols[1] - self.cols[0]

    @property
    def first(self) -> Pair:
        """Row and column of the first full-resolution pixel of the part."""
        return self.rows[0] * self.reduction[0], self.cols[0] * self.reduction[1]

    def cut(self, layer: Layer) -> Any:
        """Return the part's pixels, still lazy where the layer is."""
        return pixels(layer, self.level)[slice(*self.rows), slice(*self.cols)]


def whole(layer: Layer) -> Region:
    """Return all of a layer, at full resolution."""
    height, width = shape(layer)
    return Region(0, (0, height), (0, width))


def in_view(viewer: Viewer, layer: Layer) -> Region:
    """Return the part of `layer` on the canvas, at the level that is shown.

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
    shown = centre + signs * half
    # The camera's axes are the displayed ones, which the user may have transposed.
    corners = shown[:, np.argsort(np.argsort(viewer.dims.displayed[-2:]))]
    level = layer.data_level if layer.multiscale else 0
    inside = apply(world_to_data(layer, viewer.layers.units), corners)
    return _around(inside, layer, level, "in view")


def in_rectangle(rectangles: Layer, layer: Layer) -> Region:
    """Return the part of `layer` inside the chosen shapes, or the last one drawn.

    Raises
    ------
    MedRefineError
        If nothing is drawn there, the units do not convert, or it lies beside `layer`.
    """
    if not len(rectangles.data):
        raise MedRefineError(f"Draw a rectangle in '{rectangles.name}' first.")
    if rectangles.ndim != 2:
        raise MedRefineError(f"'{rectangles.name}' is not 2-D; draw in a new shapes layer.")
    factors = unit_factors(rectangles, layer)
    if factors is None and (is_plain(rectangles) or is_plain(layer)):
        factors = (1.0, 1.0)  # napari shows both in the same numbers then
    if factors is None:
        raise MedRefineError(
            f"'{rectangles.name}' is in {unit_name(rectangles)} and '{layer.name}' in "
            f"{unit_name(layer)}; press 'Draw a rectangle' for a fitting shapes layer."
        )
    chosen = sorted(rectangles.selected_data) or [len(rectangles.data) - 1]
    drawn = np.concatenate([np.asarray(rectangles.data[i], float)[:, -2:] for i in chosen])
    world = apply(data_to_world(rectangles), drawn) * factors
    inside = apply(np.linalg.inv(data_to_world(layer)), world)
    return _around(inside, layer, 0, "inside the rectangle")


def rectangle_layer(viewer: Viewer, layer: Layer) -> Layer:
    """Add a shapes layer on `layer` in which one can draw a rectangle at once, and return it."""
    try:
        seen = in_view(viewer, layer)
    except MedRefineError:
        seen = whole(layer)
    drawn = viewer.add_shapes(
        None,
        **same_place(layer),
        name=f"{layer.name} · region",
        edge_color="yellow",
        face_color="transparent",
        edge_width=max(seen.shape) / 250,  # in the layer's pixels: fine in the present view
    )
    drawn.mode = "add_rectangle"
    return drawn


def _around(corners: Corners, layer: Layer, level: int, where: str) -> Region:
    """Return the pixels of a level around `corners`, which are full-resolution pixel centres."""
    full = np.array(shape(layer))
    here = np.array(pixels(layer, level).shape[:2])
    reduction = full / here
    edges = (corners + 0.5) / reduction
    low = np.clip(np.floor(edges.min(0) + 1e-6), 0, here).astype(int)
    high = np.clip(np.ceil(edges.max(0) - 1e-6), 0, here).astype(int)
    if (high - low < SMALLEST).any():
        raise MedRefineError(
            f"Nothing of '{layer.name}' is {where}, or less than {SMALLEST} pixels of it; "
            "choose another region or layer."
        )
    (r0, c0), (r1, c1) = low.tolist(), high.tolist()
    return Region(level, (r0, r1), (c0, c1), (float(reduction[0]), float(reduction[1])))
