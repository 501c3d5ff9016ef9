"""The two layers that are compared, chosen by the user or, until then, likely ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_medrefine.errors import MedRefineError
from napari_medrefine.widgets._choices import LayerChoice
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import Viewer, about, check_photo, images
from napari_medrefine.widgets._origins import ORIGINS, origin_of
from napari_medrefine.widgets._placing import check_units

OPEN_FIRST = (
    "Open a 4x overview and a 40x photo first (File > Open File(s)..., or File > Open Sample > "
    "4x, 10x and 40x photos of one slide)."
)
ONLY_ONE = (
    "Only '{name}' is open, and a comparison needs two layers: open a 40x photo and register it "
    "(Plugins > MedRefine > Register), or magnify this one (Plugins > MedRefine > Magnify & "
    "sharpen)."
)
NO_PICTURES = {"trust_of", "difference_of", "coverage_of"}  # what we make that is no photo


class LayerPair:
    """Two choosers, *Layer* and *Compared with*, and the layers that are chosen.

    Until the user chooses, they follow the newest layer that was generated or registered, and what
    it was made from or lies on. `changed` is emitted, without arguments, whenever one of the two
    becomes another layer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
    """

    changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._chosen_by_user = False
        self._by_age: list[Layer] = []
        self._last: tuple[Layer | None, Layer | None] = (None, None)
        self.first = LayerChoice(
            self._images,
            label="Layer",
            tooltip="The layer to judge: a magnified or sharpened one, or a registered photo",
        )
        self.second = LayerChoice(
            self._images,
            label="Compared with",
            tooltip="What it is compared with: the photo it was made from, or the one it lies on",
        )
        self.widgets = (self.first, self.second)
        self._alive = True
        self.first.native.destroyed.connect(self._forget)
        self._later = QTimer(self.first.native)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self.reset_choices)
        self._connect()
        self.reset_choices()

    @property
    def layers(self) -> tuple[Layer, Layer]:
        """The layer, and the one that it is compared with.

        Raises
        ------
        MedRefineError
            If two layers that can be compared are not chosen; it says what to do next.
        """
        there = self._images()
        if not there:
            raise MedRefineError(OPEN_FIRST)
        if len(there) == 1:
            raise MedRefineError(ONLY_ONE.format(name=there[0].name))
        first = check_photo(self.first.value, "a layer")
        second = check_photo(self.second.value, "a 4x layer under 'Compared with'")
        if first is second:
            raise MedRefineError(
                f"'{first.name}' is chosen twice; choose another layer under 'Compared with'."
            )
        check_units(second, first)
        return first, second

    def reset_choices(self, *_: Any) -> None:
        """Follow the viewer's layers; choose likely ones until the user has chosen."""
        if not self._alive:
            return
        there = self._images()
        self._by_age = [layer for layer in self._by_age if layer in there]
        # Of layers that were there before, generated ones are taken for the newer.
        new = [layer for layer in there if layer not in self._by_age]
        self._by_age += sorted(new, key=lambda layer: "made_from" in about(layer))
        gone = not {layer for layer in self._last if layer is not None} <= set(there)
        for choice in self.widgets:
            choice.reset_choices()
        if not self._chosen_by_user or gone:
            for choice, layer in zip(self.widgets, likely_pair(self._by_age), strict=True):
                with choice.changed.blocked():
                    choice.choose([] if layer is None else [layer])
        self._tell()

    def _images(self) -> list[Layer]:
        return images(self._viewer)

    def _connect(self) -> None:
        for choice in self.widgets:
            choice.changed.connect(self._chosen)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self.reset_choices)
        events.connect(self._layer_changed)

    def _layer_changed(self, event: Any) -> None:
        """Take a layer that gets another affine for a new one: it was registered just now."""
        if event.type != "affine" or not self._alive:
            return
        layer = self._viewer.layers[event.index]
        if layer in self._by_age:
            self._by_age.remove(layer)
            self._by_age.append(layer)
            self._later.start()  # once its notes are written, too

    def _chosen(self) -> None:
        self._chosen_by_user = True
        self._tell()

    def _tell(self) -> None:
        now = (self.first.value, self.second.value)
        if now[0] is not self._last[0] or now[1] is not self._last[1]:
            self._last = now
            self.changed.emit()

    def _forget(self) -> None:
        self._alive = False


def likely_pair(by_age: Sequence[Layer]) -> tuple[Layer | None, Layer | None]:
    """Return the newest layer that we made of another or laid on one, and that other one.

    Where there is none, the newest two; None where there are fewer.

    Parameters
    ----------
    by_age : sequence of layers
        Oldest first.
    """
    pictures = [layer for layer in by_age if not NO_PICTURES & about(layer).keys()]
    for layer in reversed(pictures):
        meant = (origin_of(pictures, layer, origin) for origin in ORIGINS)
        below = next((x for x in meant if x is not None), None)
        if below is not None:
            return layer, below
    newest = [*reversed(pictures), None, None]
    return newest[0], newest[1]
