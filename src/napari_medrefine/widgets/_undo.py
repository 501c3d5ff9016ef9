"""What was changed on layers, and the way back and forth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import Viewer

ATTRIBUTES = ("units", "affine", "opacity", "visible", "metadata")  # all that we ever change
MOST = 100  # changes that are remembered


@dataclass(frozen=True, eq=False)
class _State:
    """The layers' attributes, and the order of all layers."""

    of: dict[Layer, dict[str, Any]]
    order: tuple[Layer, ...]

    @classmethod
    def now(cls, viewer: Viewer, layers: Iterable[Layer]) -> _State:
        return cls({layer: _attributes(layer) for layer in layers}, tuple(viewer.layers))


@dataclass(eq=False)  # each is itself only: what it holds are arrays, which do not compare
class Change:
    """A change that is undone at once.

    Attributes
    ----------
    what : str
        In words, e.g. ``"placed"``.
    """

    what: str
    before: _State
    after: _State = field(init=False)

    @property
    def layers(self) -> list[Layer]:
        """The layers of which an attribute has changed."""
        return [layer for layer in self.before.of if self._changed(layer)]

    @property
    def names(self) -> str:
        """Their names, in words."""
        return ", ".join(layer.name for layer in self.layers)

    def go_back(self, viewer: Viewer) -> None:
        """Give the layers back what they had."""
        self._go(viewer, self.before)

    def go_forth(self, viewer: Viewer) -> None:
        """Change the layers again."""
        self._go(viewer, self.after)

    def forget(self, there: set[Layer]) -> None:
        """Let go of layers that are not in `there`."""
        for state in (self.before, self.after):
            for layer in set(state.of) - there:
                del state.of[layer]

    def _changed(self, layer: Layer) -> list[str]:
        """Return what was changed: only that is changed again, not what others did since."""
        before, after = self.before.of[layer], self.after.of[layer]
        return [name for name in ATTRIBUTES if not _same(before[name], after[name])]

    def _go(self, viewer: Viewer, state: _State) -> None:
        for layer in state.of:
            for name in self._changed(layer):
                setattr(layer, name, state.of[layer][name])
        if self.before.order != self.after.order:
            _reorder(viewer, state.order)


class History:
    """The changes to the layers of `viewer`, which can be undone and done again."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._done: list[Change] = []
        self._undone: list[Change] = []
        self._open: Change | None = None

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to undo."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone change to do again."""
        return bool(self._undone)

    def begin(self) -> None:
        """Let the next change be undone by itself, and not with the one before."""
        self._open = None

    @contextmanager
    def changing(self, what: str, layers: Sequence[Layer]) -> Iterator[None]:
        """Remember what the block does to `layers`; of one `what` since `begin`, all together.

        Unless none of the layers was changed before: fading one and then another are two changes.
        """
        now = _State.now(self._viewer, layers)
        try:
            yield
        finally:
            self._note(what, now)

    def _note(self, what: str, before: _State) -> None:
        change = self._open
        same = change is not None and change.what == what and self._goes_on(change, before)
        if change is None or not same:
            change = Change(what, before)
        else:
            change.before.of.update(
                {layer: old for layer, old in before.of.items() if layer not in change.before.of}
            )
        change.after = _State.now(self._viewer, change.before.of)
        if not change.layers and change.before.order == change.after.order:
            return
        if change is not self._open:
            self._done.append(change)
            del self._done[:-MOST]
        self._open = change
        self._undone.clear()

    @staticmethod
    def _goes_on(change: Change, more: _State) -> bool:
        return bool(set(change.before.of) & set(more.of))

    def forget_removed(self) -> None:
        """Let go of layers that are no longer in the viewer."""
        there = set(self._viewer.layers)
        for changes in (self._done, self._undone):
            for change in changes:
                change.forget(there)
            changes[:] = [change for change in changes if change.before.of]
        if self._open not in self._done:
            self._open = None

    def undo(self) -> Change | None:
        """Undo the last change, and return it; None if there is none."""
        return self._move(self._done, self._undone, back=True)

    def redo(self) -> Change | None:
        """Do again what was undone last, and return it; None if there is none."""
        return self._move(self._undone, self._done, back=False)

    def _move(self, source: list[Change], target: list[Change], *, back: bool) -> Change | None:
        self._open = None
        if not source:
            return None
        change = source.pop()
        (change.go_back if back else change.go_forth)(self._viewer)
        target.append(change)
        return change


def _attributes(layer: Layer) -> dict[str, Any]:
    return {
        "units": tuple(layer.units),
        "affine": np.array(layer.affine.affine_matrix, np.float64),
        "opacity": float(layer.opacity),
        "visible": bool(layer.visible),
        "metadata": dict(layer.metadata),
    }


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    if isinstance(one, dict):
        # By identity: the user's values may be arrays, which do not compare to one bool.
        return one.keys() == other.keys() and all(one[key] is other[key] for key in one)
    return bool(one == other)


def _reorder(viewer: Viewer, order: Sequence[Layer]) -> None:
    """Bring the layers of `order` into it; those that came since stay where they are."""
    layers = viewer.layers
    wanted = iter([layer for layer in order if layer in layers])
    known = set(order)
    target = [next(wanted) if layer in known else layer for layer in layers]
    for place, layer in enumerate(target):
        if layers.index(layer) != place:
            layers.move(layers.index(layer), place)
