"""Links between layers, as napari's *Link Layers* makes them, and a field that is laid alone."""

from __future__ import annotations

from collections.abc import Iterable

from napari.experimental import link_layers, unlink_layers

from napari_medrefine.widgets._geometry import Layer

_PLACE = ("affine", "units")  # what laying a field on its overview changes


def let_go(field: Layer, others: Iterable[Layer]) -> str:
    """Loosen the links through which others would move along with `field`; say which, if any.

    Else its overview would be laid where the field comes to lie, perhaps by way of a third layer.
    What is linked besides, as the opacity, stays so.
    """
    linked = [layer for layer in others if layer is not field and _is_linked(field, layer)]
    for layer in linked:
        unlink_layers([field, layer], _PLACE)
    if not linked:
        return ""
    names = ", ".join(f"'{layer.name}'" for layer in linked)
    return f" Its place was linked with that of {names}; it is no longer."


def _is_linked(field: Layer, other: Layer) -> bool:
    """Return whether `other` moves along; napari tells by making no link where there is one."""
    made = link_layers([field, other], _PLACE)
    if made:
        unlink_layers([field, other], {attribute for _, _, attribute in made})
    return len(made) < 2 * len(_PLACE)  # to and fro
