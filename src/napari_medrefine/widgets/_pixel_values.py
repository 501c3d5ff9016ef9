"""The section *Pixel values* of the Compare widget: what every layer says under the mouse."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, PushButton, Widget
from qtpy.QtCore import QTimer
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QSizePolicy

from napari_medrefine._words import counted
from napari_medrefine.compare.neighbourhood import Place, as_tsv
from napari_medrefine.widgets._closing import Closing
from napari_medrefine.widgets._jobs import sentence_of
from napari_medrefine.widgets._layer_pair import LayerPair
from napari_medrefine.widgets._layers import Viewer
from napari_medrefine.widgets._mouse import place
from napari_medrefine.widgets._panel import row, tell, wrapped_label
from napari_medrefine.widgets._pixel_table import PixelTable
from napari_medrefine.widgets._place_keys import (
    ArrowKeys,
    along_screen,
    bring_into_view,
    finer_pixel,
    middle_of_view,
)
from napari_medrefine.widgets._place_marks import PlaceMarks
from napari_medrefine.widgets._reading import Reader, layers_to_read

FRAME_MS = 30  # between two readings, while the mouse moves
SIZES = (1, 3, 5, 9, 15, 31)
CLICK = 3.0  # points of the screen by which the mouse may move in a click
TICK = (
    "Tick 'Inspect', then move the mouse over the canvas, where a click keeps the place. Without a "
    "mouse: arrow keys move it while 'Inspect' or 'Keep' has the focus."
)
FARTHEST = 1e9  # from the world's origin
BOX = 60  # pixels that a coordinate must at least have


class PixelSection:
    """Reads the layers under the mouse, keeps places that are clicked, and copies them as a table.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
    pair : LayerPair
        Which layers are compared; the second is the one that differences are taken to.
    """

    def __init__(self, viewer: Viewer, pair: LayerPair) -> None:
        self._viewer, self._pair, self._reader = viewer, pair, Reader(viewer)
        self._world: npt.NDArray[np.float64] | None = None
        self.place: Place | None = None
        self.kept: list[Place] = []
        self._make()
        self._marks = PlaceMarks(viewer)
        self._marked = False  # whether the place that is read has to be marked
        self.widgets: tuple[Widget, ...] = (
            row(self.inspect, self.keep),
            self.down,
            self.across,
            self.size,
            self.table,
            row(self.copy, self.clear),
            self.said,
        )
        self.job = self
        self._alive = True
        self._closing = Closing(self.inspect, self.stop)
        self._timer = QTimer(self.inspect.native)
        self._timer.setSingleShot(True)
        self._timer.setInterval(FRAME_MS)
        self._timer.timeout.connect(self.read)
        self._connect()

    def _make(self) -> None:
        self.inspect = CheckBox(
            text="Inspect",
            value=False,
            tooltip="Read the two layers, and all other visible or selected images, under the "
            "mouse; a click on the canvas keeps the place for the table. With the focus here, the "
            "arrow keys move the place by a pixel of the finer layer, with Shift by ten",
        )
        self.keep = PushButton(
            text="Keep",
            tooltip="Keep this place for the table, as a click on the canvas does; it gets a "
            "number there. With the focus here, arrow keys move the place",
        )
        self.down = _coordinate("Down", "down")
        self.across = _coordinate("Across", "across")
        self.size = ComboBox(
            label="Around it",
            choices=[(f"{n} x {n} pixels", n) for n in SIZES],
            value=5,
            tooltip="The neighbourhood over which differences are averaged, in pixels of the layer "
            "under 'Compared with'; finer layers are first averaged to these",
        )
        self.table = PixelTable()
        self.copy = PushButton(
            text="Copy table",
            tooltip="Copy the places that were kept, or the last one seen, to the clipboard, to "
            "paste into a spreadsheet",
        )
        self.clear = PushButton(text="Clear", tooltip="Forget the places that were kept")
        self.said = wrapped_label("Where the values are from, and what is kept", TICK)

    def _connect(self) -> None:
        self.inspect.changed.connect(self._switch)
        self.size.changed.connect(self.read)
        self.copy.changed.connect(self.copy_table)
        self.clear.changed.connect(self.forget)
        self.keep.changed.connect(self.keep_place)
        self.down.changed.connect(lambda value: self._typed(0, value))
        self.across.changed.connect(lambda value: self._typed(1, value))
        ArrowKeys((self.inspect.native, self.keep.native), self._step)
        self._pair.changed.connect(self.read)
        self.inspect.native.destroyed.connect(self._destroyed)

    def read(self) -> None:
        """Read the layers where the mouse was last."""
        if not self._alive or not self.inspect.value or self._world is None:
            return
        try:
            pair = self._pair.layers
            layers = layers_to_read(self._viewer, pair)
            self._step_by(finer_pixel(pair, self._viewer.layers.units))
            self.place = self._reader.read(layers, pair[1], self._world, self.size.value)
        except Exception as error:  # noqa: BLE001 - a layer that cannot be read must not stop napari
            self.place = None
            tell(self.said, sentence_of(error))
        else:
            self._tell()
        self.table.show_place(self.place)
        self._mark()

    def keep_place(self) -> None:
        """Keep the place that is read, with its values, for the table."""
        if self.place is None or not self.inspect.value:
            tell(self.said, TICK)
            return
        self.kept.append(self.place)
        self._tell()
        self._mark()

    def copy_table(self) -> None:
        """Put what was kept, or else what is seen, on the clipboard."""
        places = self.kept or ([self.place] if self.place else [])
        if not places:
            tell(self.said, TICK)
            return
        QGuiApplication.clipboard().setText(as_tsv(places))
        rows = sum(len(each.readings) for each in places)
        what = f"{counted(rows, 'row')} of {counted(len(places), 'place')}"
        tell(self.said, f"Copied {what}; paste in a spreadsheet.")

    def forget(self) -> None:
        """Forget the places that were kept."""
        self.kept.clear()
        self._tell()
        self._mark()

    @property
    def running(self) -> bool:
        """Whether it follows the mouse."""
        return self._alive and bool(self.inspect.value)

    def stop(self) -> None:
        """Leave the mouse alone, and nothing on the canvas."""
        self._closing.forget()
        self._listen(on=False)
        self._marks.remove()
        if self._alive:
            with self.inspect.changed.blocked():
                self.inspect.value = False
            self.down.enabled = self.across.enabled = False

    def _switch(self, on: bool) -> None:
        self._listen(on=on)
        self._world, self._marked = (middle_of_view(self._viewer) if on else None), on
        self.down.enabled = self.across.enabled = on
        if on:
            self._closing.watch()
            self.read()
        else:
            self._closing.forget()
            self._marks.remove()

    def _mark(self) -> None:
        """Mark what was kept; and where one reads, unless the mouse is there."""
        if self.inspect.value:
            shown = self._marked and self.place is not None
            self._marks.show(self.kept, self._world if shown else None)

    def _step(self, down: int, right: int) -> None:
        """Move the place by pixels of the finer layer, as an arrow key asks."""
        if self._world is not None:
            way = along_screen(self._viewer, down, right)
            self._go(self._world + way * self.down.step)

    def _typed(self, axis: int, value: float) -> None:
        if self._world is not None:
            world = self._world.copy()
            world[axis] = value
            self._go(world)

    def _go(self, world: npt.NDArray[np.float64]) -> None:
        self._world, self._marked = world, True
        bring_into_view(self._viewer, world)
        self.read()

    def _step_by(self, pixel: float) -> None:
        """Show the place in its boxes, which step by `pixel`."""
        if self._world is None:
            return
        digits = max(0, 2 - int(np.floor(np.log10(pixel))))
        for box, value in zip((self.down, self.across), self._world.tolist(), strict=True):
            with box.changed.blocked():
                box.native.setDecimals(digits)
                box.step, box.value = pixel, value

    def _listen(self, *, on: bool) -> None:
        moves, drags = self._viewer.mouse_move_callbacks, self._viewer.mouse_drag_callbacks
        for callbacks, own in ((moves, self._moved), (drags, self._pressed)):
            if own in callbacks:
                callbacks.remove(own)
            if on:
                callbacks.append(own)

    def _moved(self, _: Viewer, event: Any) -> None:
        self._world, self._marked = place(event), False
        if not self._timer.isActive():
            self._timer.start()

    def _pressed(self, _: Viewer, event: Any) -> Generator[None, None, None]:
        """Keep the place of a click: the mouse is released where it was pressed."""
        if event.button != 1:
            return
        # On the screen: in the world, a mouse that drags the picture does not move.
        at, pressed, far = place(event), np.array(event.pos, float), 0.0
        yield
        while event.type == "mouse_move":
            far = max(far, float(np.abs(np.array(event.pos, float) - pressed).max()))
            yield
        if far <= CLICK and self._alive:
            self._world, self._marked = at, False
            self.read()
            if self.place is not None:
                self.keep_place()

    def _tell(self) -> None:
        kept = "A click or 'Keep' keeps it."
        if self.kept:
            kept = f"{counted(len(self.kept), 'place')} kept."
        if self.place is None:
            tell(self.said, kept)
            return
        (down, across), unit = self.place.world, self.place.unit
        tell(self.said, f"At {down:.6g}, {across:.6g} {unit} (down, across). {kept}")

    def _destroyed(self) -> None:
        """Leave the mouse alone, without touching widgets that are no more."""
        self._alive = False
        self._closing.forget()
        self._listen(on=False)
        if not self._closing.gone:
            self._marks.remove()


def _coordinate(label: str, where: str) -> FloatSpinBox:
    """Return a box for a coordinate, which may be narrow."""
    tooltip = (
        f"How far {where} the place is, in the canvas' units: type it, or step by a pixel of the "
        "finer of the two layers"
    )
    box = FloatSpinBox(label=label, value=0, min=-FARTHEST, max=FARTHEST, tooltip=tooltip)
    box.enabled = False  # until places are read
    box.native.setMinimumWidth(BOX)
    box.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return box
