"""The section *Pixel values* of the Compare widget: what every layer says under the mouse."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
from magicgui.widgets import CheckBox, ComboBox, PushButton, Widget
from qtpy.QtCore import QTimer
from qtpy.QtGui import QGuiApplication

from napari_medrefine.compare.neighbourhood import Place, as_tsv
from napari_medrefine.errors import MedRefineError
from napari_medrefine.widgets._jobs import sentence_of
from napari_medrefine.widgets._layer_pair import LayerPair
from napari_medrefine.widgets._layers import Viewer
from napari_medrefine.widgets._mouse import place
from napari_medrefine.widgets._panel import row, tell, wrapped_label
from napari_medrefine.widgets._pixel_table import PixelTable
from napari_medrefine.widgets._reading import Reader, layers_to_read

FRAME_MS = 30  # between two readings, while the mouse moves
SIZES = (1, 3, 5, 9, 15, 31)
CLICK = 3.0  # points of the screen by which the mouse may move in a click
TICK = "Tick 'Inspect', then move the mouse over the canvas; a click keeps the place."


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
        self.widgets: tuple[Widget, ...] = (
            self.inspect,
            self.size,
            self.table,
            row(self.copy, self.clear),
            self.said,
        )
        self.job = self
        self._alive = True
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
            "mouse; a click on the canvas keeps the place for the table",
        )
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
            tooltip="Copy the places that were clicked, or the last one seen, to the clipboard, to "
            "paste into a spreadsheet",
        )
        self.clear = PushButton(text="Clear", tooltip="Forget the places that were clicked")
        self.said = wrapped_label("Where the values are from, and what is kept", TICK)

    def _connect(self) -> None:
        self.inspect.changed.connect(self._switch)
        self.size.changed.connect(self.read)
        self.copy.changed.connect(self.copy_table)
        self.clear.changed.connect(self.forget)
        self._pair.changed.connect(self.read)
        self.inspect.native.destroyed.connect(self._destroyed)

    def read(self) -> None:
        """Read the layers where the mouse was last."""
        if not self._alive or not self.inspect.value or self._world is None:
            return
        try:
            pair = self._pair.layers
            layers = layers_to_read(self._viewer, pair)
            self.place = self._reader.read(layers, pair[1], self._world, self.size.value)
        except Exception as error:  # noqa: BLE001 - a layer that cannot be read must not stop napari
            self.place = None
            tell(self.said, sentence_of(error))
        else:
            self._tell()
        self.table.show_place(self.place)

    def copy_table(self) -> None:
        """Put what was kept, or else what is seen, on the clipboard."""
        places = self.kept or ([self.place] if self.place else [])
        if not places:
            tell(self.said, TICK)
            return
        QGuiApplication.clipboard().setText(as_tsv(places))
        rows = sum(len(each.readings) for each in places)
        tell(self.said, f"Copied {rows} rows of {len(places)} place(s); paste in a spreadsheet.")

    def forget(self) -> None:
        """Forget the places that were kept."""
        self.kept.clear()
        self._tell()

    @property
    def running(self) -> bool:
        """Whether it follows the mouse."""
        return self._alive and bool(self.inspect.value)

    def stop(self) -> None:
        """Leave the mouse alone."""
        self._listen(on=False)
        if self._alive:
            with self.inspect.changed.blocked():
                self.inspect.value = False

    def _switch(self, on: bool) -> None:
        self._listen(on=on)
        if not on:
            self._world = None
            return
        try:
            _ = self._pair.layers
        except MedRefineError as error:
            tell(self.said, str(error))
        else:
            tell(self.said, "Move the mouse over the canvas; a click keeps the place.")

    def _listen(self, *, on: bool) -> None:
        moves, drags = self._viewer.mouse_move_callbacks, self._viewer.mouse_drag_callbacks
        for callbacks, own in ((moves, self._moved), (drags, self._pressed)):
            if own in callbacks:
                callbacks.remove(own)
            if on:
                callbacks.append(own)

    def _moved(self, _: Viewer, event: Any) -> None:
        self._world = place(event)
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
            self._world = at
            self.read()
            if self.place is not None:
                self.kept.append(self.place)
                self._tell()

    def _tell(self) -> None:
        kept = f"{len(self.kept)} place(s) kept." if self.kept else "A click keeps the place."
        if self.place is None:
            tell(self.said, kept)
            return
        (down, across), unit = self.place.world, self.place.unit
        tell(self.said, f"At {down:.6g}, {across:.6g} {unit} (down, across). {kept}")

    def _destroyed(self) -> None:
        """Leave the mouse alone, without touching widgets that are no more."""
        self._alive = False
        self._listen(on=False)
