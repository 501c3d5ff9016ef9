"""Layers of our own that lie over the user's for a while and are then gone."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image

from napari_medrefine.compare.blending import Seen
from napari_medrefine.compare.seen import View
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import HELPER, KEY, Viewer, about
from napari_medrefine.widgets._still_points import still_points


class Guest:
    """A layer of our own in the user's list: the selection of layers stays as it is.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._selected: list[Layer] = []
        self.layer: Any = None

    def remove(self) -> None:
        """Be gone from the layer list, whose selection stays."""
        layer, self.layer = self.layer, None
        layers = self._viewer.layers
        if layer is None or layer not in layers:
            return
        selected = [each for each in layers.selection if each is not layer] or self._selected
        with still_points(self._viewer):
            layers.remove(layer)
        layers.selection = [each for each in selected if each in layers]

    def set(self, **values: Any) -> None:
        """Set attributes of our layer only: the user may have linked it with others."""
        self._viewer.layers.unlink_layers([self.layer])
        for name, value in values.items():
            setattr(self.layer, name, value)

    def _enter(self, layer: Layer, index: int) -> None:
        """Put `layer` into the list."""
        layers = self._viewer.layers
        self._selected, self.layer = list(layers.selection), layer
        with still_points(self._viewer):
            layers.insert(index, layer)
        layers.selection = self._selected

    @property
    def _units(self) -> Any:
        """The canvas' units; None where its layers have none in common."""
        units = self._viewer.layers.units
        return None if units is None else units[-2:]

    def _follow_units(self) -> None:
        """Be measured as the canvas is: another layer may have changed that."""
        units = self._units
        if units is not None and tuple(units) != tuple(self.layer.units):
            self.set(units=units)


class HelperLayer(Guest):
    """An RGBA image layer with a pixel for each of the screen's, above all other images.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
    name : str
        As the layer list shows it.
    """

    def __init__(self, viewer: Viewer, name: str) -> None:
        super().__init__(viewer)
        self._name, self._hidden = name, False

    def show(self, picture: Seen, view: View) -> None:
        """Show `picture` in `view`; the array becomes the layer's own."""
        if self.layer is None:
            self._add(picture, view)
            return
        self._follow_units()
        if self._hidden:
            self._hidden = False
            self.set(visible=True)
        if self.layer.data.shape == picture.shape:
            self.layer.data[...] = picture
        else:
            with still_points(self._viewer):
                self.layer.data = picture
        if np.array_equal(self.layer.affine.affine_matrix, view.to_world):
            self.refresh()
        else:
            with still_points(self._viewer):
                self.set(affine=view.to_world)

    def refresh(self) -> None:
        """Show what was changed in the layer's pixels, and nothing that takes longer."""
        self.layer.refresh(thumbnail=False, highlight=False, extent=False)

    def hide(self) -> None:
        """Be gone from the canvas, at once; safe while the layer list is being changed."""
        if self.layer is not None and not self._hidden:
            self._hidden = True
            self.set(visible=False)

    def remove(self) -> None:
        """Be gone from the layer list, with the copies that a user has made of all layers."""
        super().remove()
        layers = self._viewer.layers
        with still_points(self._viewer):
            for copy in [each for each in layers if about(each).get(HELPER) == self._name]:
                layers.remove(copy)

    def _add(self, picture: Seen, view: View) -> None:
        layer = Image(
            picture,
            rgb=True,
            affine=view.to_world,
            units=self._units,
            name=self._name,
            metadata={KEY: {HELPER: self._name}},
        )
        layers = self._viewer.layers
        self._enter(layer, 1 + max(k for k, each in enumerate(layers) if isinstance(each, Image)))
