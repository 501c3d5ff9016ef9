"""Marks on the canvas: a numbered ring at every place that was kept, crosshairs where one reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Points

from napari_medrefine.compare.neighbourhood import Place
from napari_medrefine.widgets._helper_layer import Guest
from napari_medrefine.widgets._layers import HELPER, KEY, Viewer
from napari_medrefine.widgets._still_points import still_points

NAME = "places that are read"
RING, BAR, AWAY, TEXT = 15.0, 11.0, 11.0, 9.0  # points of the screen: sizes, and how far off
BORDER = 0.1  # of a mark's size
YELLOW, BLACK, WHITE = "#ffdd00", "#000000", "#ffffff"
BRIGHT = 110.0  # grey level of 255 from which black is read better than white
# Crosshairs leave the pixel itself open: bars left, right, above and below it.
BARS = (((0, -1), "hbar"), ((0, 1), "hbar"), ((-1, 0), "vbar"), ((1, 0), "vbar"))


@dataclass(frozen=True)
class Marks:
    """What a points layer shows; every list has an entry for each of `at`."""

    at: npt.NDArray[np.float64]
    symbols: list[str]
    sizes: list[float]
    labels: list[str]
    colours: list[str]


def marks(kept: Sequence[Place], here: npt.NDArray[np.float64] | None, point: float) -> Marks:
    """Return the marks of the places that were kept and of the one where one reads.

    Parameters
    ----------
    kept : sequence of Place
    here : (2,) array or None
        In the world.
    point : float
        World units that make a point of the screen.
    """
    at = [place.world for place in kept]
    symbols, sizes = ["ring"] * len(kept), [RING] * len(kept)
    labels = [str(number) for number, _ in enumerate(kept, 1)]
    colours = [BLACK if _is_bright(place) else WHITE for place in kept]
    if here is not None:
        at += [tuple(here + np.multiply(way, AWAY * point)) for way, _ in BARS]
        symbols += [symbol for _, symbol in BARS]
        sizes, labels = sizes + [BAR] * len(BARS), labels + [""] * len(BARS)
        colours += [BLACK] * len(BARS)
    return Marks(
        np.array(at, float).reshape(-1, 2), symbols, [x * point for x in sizes], labels, colours
    )


class PlaceMarks(Guest):
    """Shows marks in a points layer above all others, from the first `show` until `remove`.

    They keep their size on the screen. If the user removes the layer, it stays away until then.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer)
        self._kept: Sequence[Place] = ()
        self._here: npt.NDArray[np.float64] | None = None

    def show(self, kept: Sequence[Place], here: npt.NDArray[np.float64] | None) -> None:
        """Mark the places that were kept, and the one where one reads, if it is to be seen."""
        self._kept, self._here = tuple(kept), here
        if self.layer is None:
            if not kept and here is None:
                return
            self._add()
        self._draw()

    def remove(self) -> None:
        """Be gone from the canvas and the layer list."""
        if self.layer is not None:
            self._viewer.scene.camera.events.zoom.disconnect(self._draw)
            super().remove()

    def _add(self) -> None:
        layer = Points(
            np.zeros((0, 2)),
            units=self._units,
            face_color=YELLOW,
            border_color=BLACK,
            border_width=BORDER,
            name=NAME,
            metadata={KEY: {HELPER: NAME}},
        )
        self._enter(layer, len(self._viewer.layers))
        self._viewer.scene.camera.events.zoom.connect(self._draw)

    def _draw(self, *_: Any) -> None:
        layer = self.layer
        if layer not in self._viewer.layers:
            return
        self._follow_units()
        point = 1 / float(self._viewer.scene.camera.zoom)
        shown = marks(self._kept, self._here, point)
        with still_points(self._viewer):
            layer.data = shown.at
        layer.features = {"place": shown.labels}
        layer.selected_data = set()
        if len(shown.at):
            layer.symbol, layer.size = shown.symbols, shown.sizes
            layer.text = {
                "string": "{place}",
                "color": shown.colours,
                "anchor": "upper_left",
                "translation": (-TEXT * point, TEXT * point),
            }


def _is_bright(place: Place) -> bool:
    """Whether the layer that others are compared with is bright there; photos of tissue are."""
    means = [each.mean for each in place.readings if each.name == place.reference and each.mean]
    return not means or float(np.mean(means[0])) > BRIGHT
