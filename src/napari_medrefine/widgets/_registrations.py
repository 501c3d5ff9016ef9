"""The registrations of one viewer: what was found, what was changed, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from napari.layers import Image

from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration import Placement
from napari_medrefine.widgets._exporting import Item, item_of, other_pixels, take_over
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import KEY, Viewer, about, images, is_derived
from napari_medrefine.widgets._links import let_go
from napari_medrefine.widgets._origins import OVERVIEW, origin_of
from napari_medrefine.widgets._placing import (
    Found,
    Known,
    bring_into_sight,
    check_place,
    describe,
    outline_layer,
    place,
)
from napari_medrefine.widgets._search_view import search_layers
from napari_medrefine.widgets._undo import History

PLACED, FADED = "placed", "faded"
OUTLINED, SEARCHED, COMPARED = "outlined", "search shown", "compared"


class Registrations:
    """Places fields on overviews in `viewer`, undoes it, draws and saves it."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._known: dict[Layer, Known] = {}
        self.history = History(viewer)

    def begin(self) -> None:
        """Begin a group of changes that are undone together."""
        self.history.begin()

    def forget_removed(self) -> None:
        """Let go of layers that are no longer in the viewer."""
        there = set(self._viewer.layers)
        self._known = {
            field: known for field, known in self._known.items() if {field, known.overview} <= there
        }
        self.history.forget_removed()

    def take(self, overview: Layer, found: Found) -> str:
        """Place a field that was found, if it is sure and still there; say what was done."""
        field, placement = found.layer, found.placement
        if placement is None:
            return f"{field.name}: {found.problem}"
        if not {overview, field} <= set(self._viewer.layers):
            return f"{field.name}: its layer or the overview's was removed, so nothing was changed."
        replaced = " and ".join(f"'{layer.name}'" for layer in found.replaced())
        if replaced:
            return (
                f"{field.name}: what {replaced} shows was replaced during the search, so nothing "
                "was changed; register again."
            )
        self._known[field] = Known(overview, placement, found.walks)
        loosened = ""
        if placement.accepted:
            try:
                loosened = self._place(field)
            except MedRefineError as error:
                return f"{field.name}: {error}"
        return describe(field.name, placement) + loosened

    def still_covered(self, overview: Layer) -> str:
        """Name the photos that hide `overview` since they have no place on it; empty if none do."""
        if overview not in self._viewer.layers:
            return ""
        above = list(self._viewer.layers)[self._viewer.layers.index(overview) + 1 :]
        placed = {layer for layer in above if "placement" in about(layer)}
        names = [
            f"'{layer.name}'"
            for layer in above
            if isinstance(layer, Image)
            and layer.visible
            and layer not in placed
            and not is_derived(layer)
        ]
        if not names:
            return ""
        listed = ", ".join(names)
        return f"Not placed, and perhaps in the way: {listed}. The eye in the layer list hides it."

    def _place(self, field: Layer) -> str:
        """Lay a field where it is known to lie; say what links were loosened for that."""
        known = self._known[field]
        check_place(known.overview, field, known.placement)
        loosened = let_go(field, self._viewer.layers)
        with self.history.changing(PLACED, [field, known.overview]):
            place(known.overview, field, known.placement)
            bring_into_sight(self._viewer, known.overview, field)
        return loosened

    def refused(self, fields: Sequence[Layer]) -> list[Layer]:
        """Return those fields that were looked for and not accepted."""
        return [
            field
            for field in fields
            if field in self._known and not self._known[field].placement.accepted
        ]

    def apply_anyway(self, fields: Sequence[Layer]) -> str:
        """Put refused fields at their best guess, to judge by eye."""
        refused = self.refused(fields)
        if not refused:
            raise MedRefineError("None of the chosen fields was refused; register them first.")
        self.begin()
        loosened = "".join(self._place(field) for field in refused)
        names = ", ".join(field.name for field in refused)
        return (
            f"{names}: put at the best guess, which is not to be trusted; Undo puts it back."
            f"{loosened}"
        )

    def fade(self, fields: Sequence[Layer], opacity: float) -> None:
        """Give fields an opacity; one drag of a slider is undone at once."""
        with self.history.changing(FADED, fields):
            for field in fields:
                field.opacity = opacity

    def of(self, fields: Sequence[Layer]) -> list[tuple[Layer, Known]]:
        """Return the fields with what is known of them.

        Raises
        ------
        MedRefineError
            If no field is chosen, or one has not been registered.
        """
        if not fields:
            raise MedRefineError("Select one or more registered fields under 'Fields' first.")
        for field in fields:
            self._remember(field)
        missing = [field.name for field in fields if field not in self._known]
        if missing:
            raise MedRefineError(f"Register '{missing[0]}' first.")
        return [(field, self._known[field]) for field in fields]

    def _remember(self, field: Layer) -> None:
        """Take up what is noted on a field that a session, a file or an atlas brought."""
        placement = about(field).get("placement")
        if field in self._known or not isinstance(placement, Placement):
            return
        overview = origin_of(images(self._viewer), field, OVERVIEW)
        if overview is not None:
            self._known[field] = Known(overview, placement)

    def adding(self, what: str) -> AbstractContextManager[None]:
        """Remember which layers a block adds and removes; of one `what` since `begin`, all."""
        return self.history.changing(what, [])

    def add_outlines(self, fields: Sequence[Layer]) -> str:
        """Draw each field's outline on its overview; our own earlier one is replaced."""
        known_fields = self.of(fields)
        self.begin()
        with self.adding(OUTLINED):
            for field, known in known_fields:
                data, options, _ = outline_layer(known.overview, field, known.placement)
                self.remove_own("outline_of", [field.name])
                self._viewer.add_shapes(data, **options)
        return "Outlines show where the fields lie: yellow, or magenta for a best guess only."

    def show_search(self, fields: Sequence[Layer]) -> str:
        """Add how each field's search went; our own earlier layers of it are replaced."""
        known_fields = self.of(fields)
        self.begin()
        with self.adding(SEARCHED):
            for field, known in known_fields:
                self.remove_own("search_of", [field.name])
                for data, options, kind in search_layers(known.overview, field, known.walks):
                    add = self._viewer.add_points if kind == "points" else self._viewer.add_shapes
                    add(data, **options)
        return (
            "Every dot is a place of the field's middle on the spiral (the white line), brighter "
            "the better it fits; rings are the places that were refined, level by level. The "
            "layers' features tell order and score."
        )

    def remove_own(self, kind: str, sources: Sequence[str]) -> None:
        """Remove the layers that we made of `sources` before and that say so."""
        for layer in list(self._viewer.layers):
            if KEY in layer.metadata and about(layer).get(kind) == list(sources):
                self._viewer.layers.remove(layer)

    def items(self, fields: Sequence[Layer]) -> list[Item]:
        """Return what is to be exported of the fields; see `of`."""
        return [item_of(known.overview, field, known.placement) for field, known in self.of(fields)]

    def take_over(self, overview: Layer, field: Layer, path: Path) -> str:
        """Lay `field` where the file at `path` says, and say what is known of that."""
        placement = take_over(path, overview, field)
        self._known[field] = Known(overview, placement)
        self.begin()
        loosened = self._place(field)
        others = other_pixels(placement, overview, field)
        if not others:
            return f"{field.name}: placed as {path.name} says. {placement.reason}{loosened}"
        return (
            f"{field.name}: in doubt. {path.name} was made from other pixels than those of "
            f"{', '.join(others)}. The field lies where it says now: look whether that fits, or "
            f"press Undo. Of the photos that it was made from it says: {placement.reason}{loosened}"
        )
