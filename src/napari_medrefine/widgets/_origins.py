"""Which layer our notes on another one mean: the overview it lies on, the photo it was made from.

Notes hold names, but names change, and another slide's photo may have the same one. So the layer
itself is remembered, and where it is not (in a session or file that was opened) the pixels decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from weakref import WeakKeyDictionary, ref

import numpy as np

from napari_medrefine.images import sha256_of
from napari_medrefine.registration import Placement
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import LARGEST_PHOTO, Viewer, about, pixels, shape

Origin = Literal["overview", "made_from"]
OVERVIEW: Origin = "overview"
MADE_FROM: Origin = "made_from"
ORIGINS = (MADE_FROM, OVERVIEW)

# Layer -> origin -> (what the note says, the layer that it means).
_MEANT: WeakKeyDictionary[Layer, dict[str, tuple[str, ref[Layer]]]] = WeakKeyDictionary()
_HASHES: WeakKeyDictionary[Layer, dict[tuple[Any, ...], str]] = WeakKeyDictionary()


def remember(layer: Layer, origin: Origin, meant: Layer) -> None:
    """Remember which layer is meant by a note that was just written."""
    _MEANT.setdefault(layer, {})[origin] = (str(about(layer).get(origin)), ref(meant))


def origin_of(there: Sequence[Layer], layer: Layer, origin: Origin) -> Layer | None:
    """Return the one of `there` that a note on `layer` means; None if none is, or has no note.

    The layer that is remembered, then one of that name: others would have to be hashed.
    """
    known, noted = _remembered(layer, origin), about(layer).get(origin)
    likely = sorted(there, key=lambda other: (other is not known, other.name != noted))
    return next((other for other in likely if is_origin(other, layer, origin)), None)


def is_origin(candidate: Layer, layer: Layer, origin: Origin) -> bool:
    """Return whether a note on `layer` means `candidate`."""
    noted = about(layer).get(origin)
    if not isinstance(noted, str) or candidate is layer:
        return False
    if _remembered(layer, origin) is candidate:
        return True
    same = _lies_on(candidate, layer) if origin == OVERVIEW else _shows(candidate, layer)
    if same is None:
        named = candidate.name in (noted, noted.rpartition(".")[0])
        return named and (origin == OVERVIEW or not _MEANT.get(layer, {}).get(origin))
    return same


def place_above(viewer: Viewer, below: Layer) -> int:
    """Return the place in the list for what is made of a layer: above what was made before."""
    layers = viewer.layers
    place = int(layers.index(below)) + 1
    while place < len(layers) and is_origin(below, layers[place], MADE_FROM):
        place += 1
    return place


def _remembered(layer: Layer, origin: Origin) -> Layer | None:
    noted, meant = _MEANT.get(layer, {}).get(origin, ("", None))
    # An undone change brings back the note of before.
    return meant() if meant is not None and noted == about(layer).get(origin) else None


def _lies_on(candidate: Layer, field: Layer) -> bool | None:
    """Return whether `field` was registered on the pixels of `candidate`, None if that is unknown.

    The hash of a placement is that of the pixels in memory.
    """
    placement = about(field).get("placement")
    if not isinstance(placement, Placement):
        return None
    if tuple(placement.overview_shape) != shape(candidate):
        return False
    return _has(candidate, placement.overview_sha256, None)


def _shows(candidate: Layer, result: Layer) -> bool | None:
    """Return whether `result` was made of pixels of `candidate`, None if that is unknown."""
    noted = about(result)
    region, sha256 = noted.get("region"), noted.get("made_from_sha256")
    if not isinstance(region, dict) or region.get("level") != 0 or "planes" in region:
        return None
    sides = (region.get("rows"), region.get("cols"))
    if not all(isinstance(side, list) and len(side) == 2 for side in sides):
        return None
    return _has(candidate, sha256, sides)


def _has(layer: Layer, sha256: Any, sides: Any) -> bool | None:
    """Return whether these pixels of `layer` have that hash; None where looking takes too long."""
    data = pixels(layer)
    if not sha256 or layer.multiscale or not isinstance(data, np.ndarray):
        return None
    if data.size > 3 * LARGEST_PHOTO:
        return None
    key = (id(data), str(sides))
    kept = _HASHES.setdefault(layer, {})
    if key not in kept:
        part = data if sides is None else data[slice(*sides[0]), slice(*sides[1])]
        kept[key] = sha256_of(part)
    return bool(kept[key] == sha256)
