"""The pixel values of layers at one place of the world."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from napari_medrefine.compare.neighbourhood import (
    Patch,
    Place,
    patch,
    reading,
    value_at,
)
from napari_medrefine.compare.seen import Matrix
from napari_medrefine.widgets._geometry import Layer, apply, unit_name, world_to_data
from napari_medrefine.widgets._layers import Viewer, images, pixels
from napari_medrefine.widgets._screen import cut, white_of

MOST = 12  # layers that are read at once


def layers_to_read(viewer: Viewer, pair: tuple[Layer, Layer]) -> list[Layer]:
    """Return the two layers, then those that are visible or selected, the topmost first."""
    others = [
        layer
        for layer in reversed(images(viewer))
        if layer.ndim == 2 and (layer.visible or layer in viewer.layers.selection)
    ]
    return [*pair, *(layer for layer in others if layer not in pair)][:MOST]


class Reader:
    """Reads layers at a place, always at full resolution.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._whites: WeakKeyDictionary[Layer, tuple[int, float]] = WeakKeyDictionary()

    def read(
        self,
        layers: Sequence[Layer],
        reference: Layer,
        world: npt.NDArray[np.float64],
        size: int,
    ) -> Place:
        """Return what each layer says at `world`.

        Parameters
        ----------
        layers : sequence of napari.layers.Image
        reference : napari.layers.Image
            The layer whose pixels make the neighbourhood, and that the others are compared with.
        world : (2,) array
            On the canvas, in the canvas' units.
        size : int
            Pixels of the reference along the neighbourhood; odd.
        """
        units = self._viewer.layers.units
        to_reference = world_to_data(reference, units)
        middle = np.floor(apply(to_reference, world[None])[0] + 0.5)
        from_patch = np.eye(3)
        from_patch[:2, 2] = middle - size // 2
        to_world = np.linalg.inv(to_reference) @ from_patch
        standard = self._patch(reference, to_world, size)
        readings = []
        for layer in layers:
            row, col = apply(world_to_data(layer, units), world[None])[0]
            own = standard if layer is reference else self._patch(layer, to_world, size)
            value = value_at(*_pixel(layer, row, col))
            readings.append(reading(layer.name, value, own, standard))
        unit = unit_name(reference) if units is None else str(units[-1])
        return Place((float(world[0]), float(world[1])), unit, reference.name, size, readings)

    def _patch(self, layer: Layer, to_world: Matrix, size: int) -> Patch:
        to_layer = world_to_data(layer, self._viewer.layers.units) @ to_world
        # The samples lie up to half a pixel of the reference around its first and last one.
        edge = np.eye(3)
        edge[:2, 2] = -0.5
        part, to_part = cut(pixels(layer), to_layer @ edge, (size + 1, size + 1))
        return patch(part, to_part @ np.linalg.inv(edge), size, self._white(layer))

    def _white(self, layer: Layer) -> float:
        known = self._whites.get(layer)
        if known is None or known[0] != id(layer.data):
            known = id(layer.data), white_of(layer)
            self._whites[layer] = known
        return known[1]


def _pixel(layer: Layer, row: float, col: float) -> tuple[npt.NDArray[np.generic], float, float]:
    """Return a cut-out of a layer that holds the pixel at (row, col), and the pixel's place in it.

    Beside the layer, a place beside the cut-out.
    """
    data = pixels(layer)
    place = np.floor([row + 0.5, col + 0.5]).astype(int)
    inside = ((place >= 0) & (place < data.shape[:2])).all()
    if not inside:
        return np.zeros((1, 1)), -1.0, -1.0
    return np.asarray(data[place[0] : place[0] + 1, place[1] : place[1] + 1]), 0.0, 0.0
