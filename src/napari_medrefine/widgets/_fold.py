"""Controls that seldom need a change, out of sight until a button is pressed."""

from __future__ import annotations

from collections.abc import Sequence

from magicgui.widgets import PushButton, Widget


class Fold:
    """A button that shows and hides controls.

    Parameters
    ----------
    text, tooltip : str
        Of the button.
    controls : sequence of Widget
        What it shows.
    shown : bool
        Whether it shows them at first.
    """

    def __init__(
        self, text: str, tooltip: str, controls: Sequence[Widget], *, shown: bool = False
    ) -> None:
        self._text, self.controls = text, tuple(controls)
        self.button = PushButton(text="", tooltip=tooltip)
        self.button.changed.connect(self._toggle)
        self._show(shown=shown)

    @property
    def widgets(self) -> tuple[Widget, ...]:
        """The button and what it shows, in the order to put them into a panel."""
        return (self.button, *self.controls)

    def _toggle(self) -> None:
        self._show(shown=not self._shown)

    def _show(self, *, shown: bool) -> None:
        self._shown = shown
        for control in self.controls:
            control.visible = shown
        self.button.text = f"{'▾' if shown else '▸'} {self._text}"
