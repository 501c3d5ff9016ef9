"""Two layers pictured as they lie in view, over all others, until it is enough.

The layers are not touched: what one sees are two helper layers, rendered anew whenever the view or
one of the two layers changes. The lower one holds the whole picture, the upper one what lies over
it, so that a mode may show and hide parts of the upper one and nothing has to be rendered for that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from qtpy.QtCore import QTimer

from napari_medrefine.compare.blending import Seen, backed, over
from napari_medrefine.compare.seen import View
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._helper_layer import HelperLayer
from napari_medrefine.widgets._jobs import sentence_of
from napari_medrefine.widgets._kept import Kept
from napari_medrefine.widgets._layers import Viewer
from napari_medrefine.widgets._screen import (
    Looked,
    as_shown,
    check_flat,
    in_common,
    look,
    on_screen,
)

FRAME_MS = 15  # between two renderings, while the view moves
LOOKS = {  # events after which a layer looks different, or lies elsewhere
    "affine", "colormap", "contrast_limits", "data", "gamma", "interpolation2d", "rotate", "scale",
    "set_data", "shear", "translate", "units",
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """What is in view.

    Attributes
    ----------
    canvas : View
        All of the screen.
    view : View
        The part of it on which one of the layers is.
    looks : (Looked, Looked)
        The pixel values of both layers there.
    first, second : Seen
        Both layers there, in the colours in which napari shows them. Where a layer is not, the
        other one is seen in its place in `first`; in `second`, the background.
    """

    canvas: View
    view: View
    looks: tuple[Looked, Looked]
    first: Seen
    second: Seen


Drawing = tuple[Seen, Seen | None]  # the lower and the upper picture


class Painter(Protocol):
    """Who says what is seen of two layers.

    Attributes
    ----------
    scene : Scene or None
        As it was pictured last.
    lower_name : str
        What the layer list calls the lower picture, with braces for the two layers' names.
    """

    scene: Scene | None
    lower_name: str

    def draw(self, scene: Scene) -> Drawing:
        """Return the lower and the upper picture, new arrays."""

    def shown(self) -> None:
        """Be told that they are shown."""


@dataclass(frozen=True)
class Compared:
    """Two layers to see, and those who have to know of it.

    Attributes
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
    first, second : layers
    tell : callable
        Gets a sentence on what is wrong, or an empty one.
    density : callable
        Returns how many pixels a point of the screen has.
    """

    viewer: Viewer
    first: Layer
    second: Layer
    tell: Callable[[str], object]
    density: Callable[[], float]


class Stage:
    """Shows what a painter makes of two layers, from the first `redraw` until `leave` and `clear`.

    Parameters
    ----------
    compared : Compared
        The layers, and who is told when nothing of them can be shown.
    painter : Painter

    Raises
    ------
    MedRefineError
        If the viewer shows three dimensions.
    """

    def __init__(self, compared: Compared, painter: Painter) -> None:
        viewer, layers = compared.viewer, (compared.first, compared.second)
        check_flat(viewer)
        self.viewer, self.layers = viewer, layers
        self._tell, self._density, self._painter = compared.tell, compared.density, painter
        self._kept = Kept()
        names = [layer.name for layer in layers]
        self.lower = HelperLayer(viewer, painter.lower_name.format(*names))
        self.upper = HelperLayer(viewer, "{} | {}".format(*names))
        self._alive = True
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(FRAME_MS)
        self._timer.timeout.connect(self.redraw)
        self._kept.set(viewer.canvas.grid, enabled=False)
        self._listen(connect=True)

    def redraw(self) -> None:
        """Render both layers as they are now, where they are in view now."""
        if not self._alive:
            return
        try:
            check_flat(self.viewer)
            lower, upper, view = self._pictures()
        except Exception as error:  # noqa: BLE001 - a layer that cannot be read must not stop napari
            self._painter.scene = None
            self.lower.hide()
            self.upper.hide()
            self._tell(sentence_of(error))
            return
        self.lower.show(lower, view)
        if upper is not None:
            self.upper.show(upper, view)
        self._painter.shown()
        self._tell("")

    def owns(self, layer: Layer) -> bool:
        """Whether `layer` is one of our own."""
        return layer in (self.lower.layer, self.upper.layer)

    def leave(self) -> None:
        """Stop, and be gone from the canvas; the layer list stays as it is until `clear`."""
        self._alive = False
        self._timer.stop()
        self._listen(connect=False)
        self._kept.restore()
        self.upper.hide()
        self.lower.hide()

    def clear(self) -> None:
        """Remove our layers; not while layers are being removed, which napari cannot bear."""
        self.upper.remove()
        self.lower.remove()

    def _pictures(self) -> tuple[Seen, Seen | None, View]:
        first, second = self.layers
        view = in_common(self.viewer, first, second, self._density())
        looks = look(self.viewer, first, view), look(self.viewer, second, view)
        shown = as_shown(first, looks[0]), as_shown(second, looks[1])
        background = np.asarray(self.viewer.canvas.background_color)[:3] * 255
        ground = np.asarray(background + 0.5, np.uint8)
        canvas = on_screen(self.viewer, self._density())
        below = backed(shown[1], shown[0], ground)
        scene = Scene(canvas, view, looks, over(shown[0], below), below)
        self._painter.scene = scene
        return *self._painter.draw(scene), view

    def _listen(self, *, connect: bool) -> None:
        camera, dims = self.viewer.scene.camera.events, self.viewer.dims.events
        emitters: list[Any] = [
            camera.zoom,
            camera.center,
            self.viewer.canvas.events.size,
            self.viewer.canvas.events.background_color,
            dims.ndisplay,
            dims.order,
        ]
        for emitter in emitters:
            (emitter.connect if connect else emitter.disconnect)(self._later)
        for layer in self.layers:
            emitter = layer.events
            (emitter.connect if connect else emitter.disconnect)(self._layer_changed)

    def _later(self, *_: Any) -> None:
        if not self._timer.isActive():  # and not anew: a long pan would never be rendered
            self._timer.start()

    def _layer_changed(self, event: Any) -> None:
        if event.type in LOOKS:
            self._later()
