"""The section *See* of the Compare widget: ways to see two layers, one at a time."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Widget
from qtpy.QtCore import QTimer

from napari_medrefine.widgets._closing import Closing
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._jobs import sentence_of
from napari_medrefine.widgets._layer_pair import LayerPair
from napari_medrefine.widgets._layers import HELPER, Viewer, about
from napari_medrefine.widgets._panel import tell, wrapped_label
from napari_medrefine.widgets._see_blink import Blink
from napari_medrefine.widgets._see_checkerboard import Checkerboard
from napari_medrefine.widgets._see_difference import Difference
from napari_medrefine.widgets._see_fade import Fade
from napari_medrefine.widgets._see_loupe import Loupe
from napari_medrefine.widgets._see_mode import Mode
from napari_medrefine.widgets._see_side_by_side import SideBySide
from napari_medrefine.widgets._see_stage import Compared
from napari_medrefine.widgets._see_swipe import Swipe

OFF = "off"
MODES: tuple[type[Mode], ...] = (
    Fade,
    Swipe,
    Blink,
    Checkerboard,
    Difference,
    Loupe,
    SideBySide,
)
CHOOSE = "Choose a mode; the layers stay as they are."
ENDED = "'{name}' was removed, so the comparison has ended."


class SeeSection:
    """A chooser of modes, with the controls of the chosen one.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
    pair : LayerPair
        Which layers are compared.
    """

    def __init__(self, viewer: Viewer, pair: LayerPair) -> None:
        self._viewer, self._pair = viewer, pair
        self.modes = {kind.title: kind() for kind in MODES}
        self._running: Mode | None = None
        self._seen: tuple[Layer, ...] = ()
        self.mode = ComboBox(
            label="Mode",
            choices=[OFF, *self.modes],
            value=OFF,
            tooltip="How to see the two layers in one another's place; 'off' ends it",
        )
        self.swap = CheckBox(
            text="Swap the two",
            value=False,
            tooltip="Exchange the two layers: what was left is right, what was in the circle is "
            "around it",
        )
        self.said = wrapped_label("What is seen, and what to do", CHOOSE)
        controls = [widget for mode in self.modes.values() for widget in mode.widgets]
        self.widgets: tuple[Widget, ...] = (self.mode, *controls, self.swap, self.said)
        self.job = self
        self._alive = True
        self._closing = Closing(self.mode, self.stop)
        self.mode.native.destroyed.connect(self._destroyed)
        self._connect()
        self._show_controls()

    @property
    def running(self) -> bool:
        """Whether a mode is on."""
        return self._running is not None

    def start(self) -> None:
        """Begin the chosen mode with the chosen layers, or say what is missing."""
        self._end()
        self._show_controls()
        mode = self.modes.get(self.mode.value)
        if mode is None:
            tell(self.said, CHOOSE)
            return
        try:
            first, second = self._pair.layers
            if self.swap.value:
                first, second = second, first
            self._running, self._seen = mode, (first, second)
            self._closing.watch()
            mode.begin(Compared(self._viewer, first, second, self._tell, self._density))
        except Exception as error:  # noqa: BLE001 - a layer that cannot be read must not stop napari
            self._end()
            tell(self.said, sentence_of(error))

    def stop(self) -> None:
        """End the mode, without a trace."""
        self._end()
        if self._alive:
            with self.mode.changed.blocked():
                self.mode.value = OFF
            self._show_controls()
            tell(self.said, CHOOSE)

    def _end(self, *, later: bool = False) -> None:
        mode, self._running = self._running, None
        self._closing.forget()
        if mode is None or self._closing.gone:
            return
        mode.leave()
        if later:
            QTimer.singleShot(0, mode.clear)
        else:
            mode.clear()

    def _connect(self) -> None:
        self.mode.changed.connect(self.start)
        self.swap.changed.connect(self.start)
        self._pair.changed.connect(self._pair_changed)
        # After napari's own, which must be done with the layer first.
        self._viewer.layers.events.removed.connect(self._removed, position="last")
        self._viewer.layers.events.inserted.connect(self._inserted, position="last")

    def _pair_changed(self) -> None:
        gone = [layer for layer in self._seen if layer not in self._viewer.layers]
        if self.running and gone:
            self._stop_for(gone[0])
        elif self.running:
            self._restart()
        elif self.mode.value != OFF:
            self.start()

    def _restart(self) -> None:
        """Begin anew once napari is done with its list: it may be copying layers, ours too."""
        QTimer.singleShot(0, self._start_again)

    def _start_again(self) -> None:
        if self._alive and not self._closing.gone and self.mode.value != OFF:
            self.start()

    def _inserted(self, event: Any) -> None:
        """Begin without the copies of our own layers that the user has made along with others."""
        layer, mode = event.value, self._running
        if mode is not None and HELPER in about(layer) and not mode.owns(layer):
            self._restart()

    def _removed(self, event: Any) -> None:
        """End when one of the two layers is removed, or one of our own."""
        layer = event.value
        if self._running is not None and (layer in self._seen or self._running.owns(layer)):
            self._stop_for(layer)

    def _stop_for(self, layer: Layer) -> None:
        self._end(later=True)
        with self.mode.changed.blocked():
            self.mode.value = OFF
        self._show_controls()
        tell(self.said, ENDED.format(name=layer.name))

    def _tell(self, problem: str) -> None:
        """Say what is wrong, or what is seen and what to do."""
        if self._alive and self._running is not None:
            first, second = self._seen
            tell(self.said, problem or self._running.hint(first.name, second.name))

    def _show_controls(self) -> None:
        for title, mode in self.modes.items():
            for widget in mode.widgets:
                widget.visible = title == self.mode.value
        self.swap.visible = self.mode.value != OFF

    def _density(self) -> float:
        return float(self.mode.native.devicePixelRatioF())

    def _destroyed(self) -> None:
        """End without touching widgets that are no more: the dock was closed."""
        self._alive = False
        self._end()
