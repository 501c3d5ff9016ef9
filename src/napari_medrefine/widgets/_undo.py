"""What was changed on layers, and the way back and forth."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_medrefine.errors import MedRefineError
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import Viewer
from napari_medrefine.widgets._still_points import still_points

ATTRIBUTES = ("units", "affine", "opacity", "visible", "metadata")  # all that we ever change
MOST = 100  # changes that are remembered
NAMED = 3  # layers that a sentence names


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
    added, removed : list of layers
        Those that came into the viewer, and those that left it.
    """

    what: str
    before: _State
    after: _State = field(init=False)
    added: list[Layer] = field(default_factory=list)
    removed: list[Layer] = field(default_factory=list)

    @property
    def layers(self) -> list[Layer]:
        """The layers of which an attribute has changed."""
        return [layer for layer in self.before.of if self._changed(layer)]

    @property
    def is_nothing(self) -> bool:
        """Whether all is as it was."""
        return not (self.layers or self.added or self.removed or self._reordered)

    def go_back(self, viewer: Viewer) -> str:
        """Give the layers back what they had, and say so."""
        self._go(viewer, self.before, come=self.removed, leave=self.added)
        as_it_was = f"back as it was before it was {self.what}."
        return _said(
            (self.layers, as_it_was),
            (self.added, "taken away again."),
            (self.removed, "there again."),
        )

    def go_forth(self, viewer: Viewer) -> str:
        """Change the layers again, and say so."""
        self._go(viewer, self.after, come=self.added, leave=self.removed)
        return _said(
            (self.layers, f"{self.what} again."),
            (self.added, "there again."),
            (self.removed, "taken away again."),
        )

    def come_and_go(self, before: Sequence[Layer], after: Sequence[Layer]) -> None:
        """Take in which layers a part of the change added and removed."""
        came = [layer for layer in after if layer not in before]
        left = [layer for layer in before if layer not in after]
        self.removed += [layer for layer in left if layer not in self.added]
        self.added = [layer for layer in self.added if layer not in left] + came

    def forget(self, gone: Container[Layer]) -> None:
        """Let go of layers for good."""
        for state in (self.before, self.after):
            for layer in [layer for layer in state.of if layer in gone]:
                del state.of[layer]
        self.added = [layer for layer in self.added if layer not in gone]
        self.removed = [layer for layer in self.removed if layer not in gone]

    def _changed(self, layer: Layer) -> list[str]:
        """Return what was changed: only that is changed again, not what others did since."""
        before, after = self.before.of[layer], self.after.of[layer]
        return [name for name in ATTRIBUTES if not _same(before[name], after[name])]

    @property
    def _reordered(self) -> bool:
        """Whether layers changed places that were there before and after."""
        both = set(self.before.order) & set(self.after.order)
        old, new = ([x for x in state.order if x in both] for state in (self.before, self.after))
        return old != new

    def _go(
        self, viewer: Viewer, state: _State, come: Sequence[Layer], leave: Sequence[Layer]
    ) -> None:
        for layer in leave:
            if layer in viewer.layers:
                viewer.layers.remove(layer)
        with _looking_on(viewer):
            for layer in come:
                if layer not in viewer.layers:
                    _insert(viewer, layer, state.order)
        for layer in state.of:
            for name in self._changed(layer):
                setattr(layer, name, state.of[layer][name])
        if self._reordered:
            _reorder(viewer, state.order)


class History:
    """The changes to the layers of `viewer`, which can be undone and done again."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._done: list[Change] = []
        self._undone: list[Change] = []
        self._open: Change | None = None
        self._changing = False

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
        """Remember what the block does to `layers`, and which layers it adds and removes.

        Of one `what` since `begin`, all together. Unless none of the layers was changed before:
        fading one and then another are two changes.
        """
        now = _State.now(self._viewer, layers)
        with self._keeping_all(), still_points(self._viewer):
            try:
                yield
            finally:
                self._note(what, now)

    @contextmanager
    def _keeping_all(self) -> Iterator[None]:
        """Let go of no layer meanwhile: whoever is told of one that leaves may ask."""
        self._changing = True
        try:
            yield
        finally:
            self._changing = False

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
        change.come_and_go(before.order, change.after.order)
        if change.is_nothing:
            return
        if change is not self._open:
            self._done.append(change)
            del self._done[:-MOST]
        self._open = change
        self._undone.clear()

    @staticmethod
    def _goes_on(change: Change, more: _State) -> bool:
        return not more.of or bool(set(change.before.of) & set(more.of))

    def keeps(self, layer: Layer) -> bool:
        """Whether a layer is in the viewer, or may come back into it."""
        if self._changing or layer in self._viewer.layers:  # what leaves now may come back
            return True
        away = [change.removed for change in self._done] + [x.added for x in self._undone]
        return any(layer in layers for layers in away)

    def forget_removed(self) -> None:
        """Let go of layers that somebody else removed from the viewer."""
        for changes in (self._done, self._undone):
            for change in changes:
                known = {*change.before.of, *change.added, *change.removed}
                change.forget({layer for layer in known if not self.keeps(layer)})
            changes[:] = [x for x in changes if x.before.of or x.added or x.removed]
        if self._open not in self._done:
            self._open = None

    def undo(self) -> str:
        """Undo the last change, and say what that was.

        Raises
        ------
        MedRefineError
            If there is none.
        """
        if not self._done:
            raise MedRefineError("There is nothing to undo.")
        with self._keeping_all(), still_points(self._viewer):
            return self._move(self._done, self._undone).go_back(self._viewer)

    def redo(self) -> str:
        """Do again what was undone last, and say what that was.

        Raises
        ------
        MedRefineError
            If there is none.
        """
        if not self._undone:
            raise MedRefineError("There is nothing to do again.")
        with self._keeping_all(), still_points(self._viewer):
            return self._move(self._undone, self._done).go_forth(self._viewer)

    def _move(self, source: list[Change], target: list[Change]) -> Change:
        self._open = None
        target.append(source.pop())
        return target[-1]


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


@contextmanager
def _looking_on(viewer: Viewer) -> Iterator[None]:
    """Keep the view, which napari fits to the first layer that comes into an empty viewer."""
    camera = viewer.scene.camera
    center, zoom, angles = camera.center, camera.zoom, camera.angles
    try:
        yield
    finally:
        camera.center, camera.zoom, camera.angles = center, zoom, angles


def _insert(viewer: Viewer, layer: Layer, order: Sequence[Layer]) -> None:
    """Put a layer above those that it was above."""
    below = [viewer.layers.index(x) for x in order[: order.index(layer)] if x in viewer.layers]
    viewer.layers.insert(max(below, default=-1) + 1, layer)


def _said(*parts: tuple[Sequence[Layer], str]) -> str:
    """Return sentences about the layers of which there is something to say."""
    return " ".join(f"{_names(layers)}: {what}" for layers, what in parts if layers)


def _names(layers: Sequence[Layer]) -> str:
    listed = ", ".join(layer.name for layer in layers[:NAMED])
    more = len(layers) - NAMED
    return f"{listed} and {more} more" if more > 0 else listed
