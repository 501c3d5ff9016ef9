"""Blink: hold a key or a button, and see the other layer."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from magicgui.widgets import PushButton

from napari_medrefine.widgets._see_mode import Overlaid
from napari_medrefine.widgets._see_stage import Drawing, Scene

KEY = "H"  # for hold; napari has no use for it


class Blink(Overlaid):
    """The layer is seen; while the key is held, the one that it is compared with."""

    title = "blink"

    def __init__(self) -> None:
        super().__init__()
        self._held = False
        self.hold = PushButton(
            text=f"Hold to see the other layer ({KEY})",
            tooltip=f"While this button or the key {KEY} is held, the layer under 'Compared with' "
            "is shown in place of the other; the eye sees the smallest change",
        )
        self.widgets = (self.hold,)
        self.hold.native.pressed.connect(lambda: self._blink(held=True))
        self.hold.native.released.connect(lambda: self._blink(held=False))

    def hint(self, first: str, second: str) -> str:
        """Say which key."""
        return f"Hold the key {KEY}, or the button above, to see '{second}' in place of '{first}'."

    def enter(self) -> None:
        """Take the key, and remember what it did before."""
        self._held = False
        self._before = self.compared.viewer.bind_key(KEY, None)
        self.compared.viewer.bind_key(KEY, self._while_held)

    def exit(self) -> None:
        """Give the key back."""
        self.compared.viewer.bind_key(KEY, self._before, overwrite=True)

    def draw(self, scene: Scene) -> Drawing:
        """Lay the layer over the other one."""
        return scene.second, scene.first

    def shown(self) -> None:
        """Show one of the two, and say which."""
        if self.stage is not None and self.upper is not None:
            self.stage.upper.set(visible=not self._held)
            shown = self.compared.second if self._held else self.compared.first
            self.caption.say(shown.name)

    def _while_held(self, _: Any) -> Generator[None, None, None]:
        self._blink(held=True)
        yield
        self._blink(held=False)

    def _blink(self, *, held: bool) -> None:
        self._held = held
        self.shown()
