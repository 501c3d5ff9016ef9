"""Layer choosers that follow the layer list and keep what was chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from magicgui.widgets import ComboBox, Select

from napari_medrefine.widgets._geometry import Layer

Layers = Callable[[], Sequence[Layer]]


class _FollowsLayers:
    """Keeps what was chosen when layers come, go or are renamed.

    magicgui would drop a renamed layer, since it compares choices by their names.
    """

    def reset_choices(self: Any, *_: Any) -> None:
        """Offer the layers that are there now."""
        chosen = self.chosen()
        layers = list(self.layers())
        # Without signals: the chooser passes through states that nobody chose.
        with self.changed.blocked():
            self.choices = [(layer.name, layer) for layer in layers]
            self.choose([layer for layer in chosen if layer in layers])


class LayerChoice(_FollowsLayers, ComboBox):
    """Choose one of the layers that `layers` returns."""

    def __init__(self, layers: Layers, **options: Any) -> None:
        self.layers = layers
        super().__init__(choices=(), **options)

    def chosen(self) -> list[Layer]:
        """Return the chosen layer in a list, or an empty one."""
        return [] if self.value is None else [self.value]

    def choose(self, layers: Sequence[Layer]) -> None:
        """Choose the first of `layers`, if there is one."""
        if layers:
            self.value = layers[0]


class LayerChoices(_FollowsLayers, Select):
    """Choose any number of the layers that `layers` returns."""

    def __init__(self, layers: Layers, **options: Any) -> None:
        self.layers = layers
        super().__init__(choices=(), **options)

    def chosen(self) -> list[Layer]:
        """Return the chosen layers."""
        return list(self.value or ())

    def choose(self, layers: Sequence[Layer]) -> None:
        """Choose exactly `layers`."""
        self.value = list(layers)
