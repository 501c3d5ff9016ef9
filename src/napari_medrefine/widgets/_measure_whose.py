"""Whose numbers are seen: those of the chosen layers, or still those of earlier ones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._measure_roles import Roles


@dataclass(frozen=True, eq=False)
class Whose:
    """The two sides of a measurement.

    Attributes
    ----------
    layer, reference : layers
        What is measured, or given to methods that are; and what it is measured against.
    methods : bool
        Whether what methods make of `layer` is measured, not the layer itself.
    chosen : frozenset of layers
        Which two were chosen when it was asked for.
    said : str
        Both sides by their names, as these were then.
    """

    layer: Layer
    reference: Layer
    methods: bool
    chosen: frozenset[Layer | None]
    said: str

    @classmethod
    def of(cls, roles: Roles, chosen: Collection[Layer | None]) -> Whose:
        """Return the sides of what is measured now."""
        methods = not (roles.results or roles.alone)
        layer = roles.results[0] if roles.results else roles.given
        said = f"what methods make of '{layer.name}'" if methods else f"'{layer.name}'"
        said += f", against '{roles.reference.name}'"
        return cls(layer, roles.reference, methods, frozenset(chosen), said)

    @property
    def promise(self) -> str:
        """What a press of the button would measure."""
        what = "What methods make of " if self.methods else ""
        return f"{what}'{self.layer.name}' will be measured against '{self.reference.name}'."

    def past(self, there: Collection[Layer], chosen: Collection[Layer | None]) -> str:
        """Return why the numbers are not those of the chosen layers; nothing where they are.

        Parameters
        ----------
        there : collection of layers
            All of the viewer.
        chosen : collection of layers
            The two that are chosen.
        """
        gone = [layer for layer in (self.layer, self.reference) if layer not in there]
        if gone:
            return f"'{gone[0].name}' was removed"
        return "" if frozenset(chosen) == self.chosen else "other layers are chosen now"

    def heading(self, past: str) -> str:
        """Return what stands above the numbers."""
        if not past:
            return f"Measured: {self.said}."
        return f"Measured before: {self.said}. These are still its numbers; {past}."
