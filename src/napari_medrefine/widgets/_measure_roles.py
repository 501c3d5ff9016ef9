"""Who is who in a measurement: what methods are given, what they are measured against.

Layers in, a `Pair` of arrays and ways out; nothing is added to the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_medrefine.compare.common_grid import Part, Side
from napari_medrefine.compare.intensity import Match
from napari_medrefine.compare.pairs import Pair
from napari_medrefine.compare.placed import Matrix, Placed, Points, Way
from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration import Placement
from napari_medrefine.widgets._geometry import (
    Layer,
    data_to_world,
    is_plain,
    registered_affine,
    unit_factors,
)
from napari_medrefine.widgets._layers import Viewer, about, images, pixel_um, pixels, shape, slide
from napari_medrefine.widgets._origins import MADE_FROM, OVERVIEW, is_origin, origin_of
from napari_medrefine.widgets._placing import check_units
from napari_medrefine.widgets._regions import Region

_FINER = 1.2  # how many times finer a photo must be to be the truth of another
_AROUND = 32  # input pixels around the overlap that are read
_MOST = 120_000_000  # reference pixels that are read
_LEAST = 8  # input pixels on a side that a region must have


@dataclass(frozen=True)
class Roles:
    """What two layers are to each other.

    Attributes
    ----------
    given : layer
        What the methods are given.
    reference : layer
        What everything is measured against.
    results : tuple of layers
        Results that are there already.
    scale : float or None
        Asked of the methods; None: as many pixels as the reference has.
    alone : bool
        Whether what `results` were made from is not open, so that there is nothing to give to
        methods.
    limits : (rows, cols) or None
        The part of `given` that the results show.
    """

    given: Layer
    reference: Layer
    results: tuple[Layer, ...] = ()
    scale: float | None = None
    alone: bool = False
    limits: Part | None = None

    @property
    def photos(self) -> bool:
        """Whether the two are photos through different objectives or cameras."""
        noted = about(self.reference)
        finer = reduction(self.given, self.reference)
        return bool("placement" in noted or (not self.results and finer > _FINER))


def roles_of(viewer: Viewer, first: Layer, second: Layer) -> Roles:
    """Return what is measured against what, for a layer and the one it is compared with.

    A generated layer is a result, and what it was made from is given to the methods; of two photos
    the finer one is the truth.

    Raises
    ------
    MedRefineError
        If the choice cannot be measured; it says what to choose.
    """
    for result, other in ((first, second), (second, first)):
        if "made_from" not in about(result):
            continue
        if is_origin(other, result, MADE_FROM):
            raise MedRefineError(
                f"'{result.name}' was made from '{other.name}', which cannot say how good it is: "
                "choose a registered 40x photo, or the sharp original, under 'Compared with'."
            )
        if "made_from" not in about(other):
            return _generated(viewer, result, other)
    if "made_from" in about(first) and "made_from" in about(second):
        raise MedRefineError(
            "Both layers were generated; choose a registered 40x photo, or the sharp original, "
            "under 'Compared with'."
        )
    check_units(second, first)
    finer = reduction(first, second)
    if finer < 1 / _FINER:
        return Roles(second, first)
    return Roles(first, second, scale=None if finer > _FINER else 1.0)


def _generated(viewer: Viewer, result: Layer, reference: Layer) -> Roles:
    noted = about(result)
    check_units(reference, result)
    source = origin_of(images(viewer), result, MADE_FROM)
    if source is None:
        return Roles(result, reference, (), 1.0, alone=True)
    region = noted.get("region") or {}
    limits = None
    if region.get("level") == 0:
        rows, cols = region["rows"], region["cols"]
        limits = ((int(rows[0]), int(rows[1])), (int(cols[0]), int(cols[1])))
    others = tuple(
        x
        for x in images(viewer)
        if x is not result and is_origin(source, x, MADE_FROM) and _made_alike(x, noted)
    )
    scale = float(noted.get("scale", 1.0))
    return Roles(source, reference, (result, *others), scale, limits=limits)


def _made_alike(layer: Layer, noted: dict[str, Any]) -> bool:
    """Whether a result of the same photo is another one, of another model, say, for that part."""
    own = about(layer)
    same = all(own.get(key) == noted.get(key) for key in ("region", "scale"))
    return same and "trust_of" not in own


def registered_field(viewer: Viewer, first: Layer | None, second: Layer | None) -> Roles:
    """Return the 40x field to judge the 4x under it by: of the chosen layers, else the newest.

    Raises
    ------
    MedRefineError
        If no registered field is open.
    """
    there = images(viewer)
    for layer in (first, second, *reversed(there)):
        noted = about(layer) if layer is not None else {}
        if layer not in there or "placement" not in noted:
            continue
        overview = origin_of(there, layer, OVERVIEW)
        if overview is not None and reduction(overview, layer) > _FINER:
            return Roles(overview, layer)
    raise MedRefineError(
        "Register a 40x photo on its 4x first (Plugins > MedRefine > Register): then this button "
        "compares what the networks make of the 4x with the real 40x."
    )


def pair_of(roles: Roles, region: Region | None, match: Match, *, sample: bool) -> Pair:
    """Return the arrays and ways to measure, of no more of the input than is needed.

    Raises
    ------
    MedRefineError
        If the two do not overlap, or too much would have to be read.
    """
    given, reference = roles.given, roles.reference
    box = _overlap(given, reference)
    wanted = _wanted(region, roles.limits, shape(given))
    finer = max(1.0, reduction(given, reference)) ** 2
    if _area(box) * finer > _MOST:
        box = _common(box, _grown(wanted), reference)
    if _area(box) * finer > _MOST:
        raise MedRefineError(
            f"{_area(box) * finer / 1e6:.0f} megapixels of '{reference.name}' would be compared; "
            "choose the part in view or a rectangle."
        )
    (r0, _), (c0, _) = box
    rows, cols = _common(box, wanted, reference)
    placement = placement_of(reference, given)
    size = pixel_um(given)
    return Pair(
        name=given.name,
        slide=about(given).get("slide") or slide(given) or given.name,
        given=np.asarray(pixels(given)[slice(*box[0]), slice(*box[1])]),
        reference=Placed(
            f"'{reference.name}'", pixels(reference), _way(given, reference, (r0, c0))
        ),
        scale=roles.scale,
        layers=tuple(Placed(x.name, pixels(x), _way(given, x, (r0, c0))) for x in roles.results),
        rows=(rows[0] - r0, rows[1] - r0),
        cols=(cols[0] - c0, cols[1] - c0),
        match=match,
        pixel_um=size,
        standard_error=placement.standard_error if placement else float("nan"),
        residual=placement.residual if placement else float("nan"),
        sample=sample,
    )


def reduction(given: Layer, other: Layer) -> float:
    """Return how many pixels of `other` make one of `given`, along a side."""
    return float(np.sqrt(abs(np.linalg.det(way_to(given, other)[:2, :2]))))


def way_to(given: Layer, other: Layer) -> Matrix:
    """Return the 3x3 from the data of `given` to that of `other`, through the world."""
    factors = unit_factors(given, other)
    if factors is None or is_plain(given) or is_plain(other):
        factors = (1.0, 1.0)  # napari shows both in the same numbers then
    world = np.diag([*factors, 1.0]) @ data_to_world(given)
    return np.asarray(np.linalg.inv(data_to_world(other)) @ world)


def placement_of(field: Layer, overview: Layer) -> Placement | None:
    """Return the placement of a field on `overview`, if its layer still lies where that says."""
    placement = about(field).get("placement")
    if not isinstance(placement, Placement) or not is_origin(overview, field, OVERVIEW):
        return None
    now = np.asarray(field.affine.affine_matrix, np.float64)
    return (
        placement
        if np.allclose(now, registered_affine(overview, field, placement.matrix))
        else None
    )


def _way(given: Layer, other: Layer, first: tuple[int, int]) -> Matrix | Way:
    """Return the way from a part of `given` to `other`, through both lenses where known."""
    placement = placement_of(other, given)
    if placement is not None and placement.distortion is not None:
        lens = placement.distortion

        def through(points: Points) -> Points:
            return lens.to_field(points + first)

        return through
    moved = np.eye(3)
    moved[:2, 2] = first
    return way_to(given, other) @ moved


def _overlap(given: Layer, reference: Layer) -> Part:
    """Return the rows and columns of `given` around what the reference covers."""
    height, width = shape(reference)
    corners = np.array([(r, c, 1.0) for r in (-0.5, height - 0.5) for c in (-0.5, width - 0.5)])
    there = (corners @ np.linalg.inv(way_to(given, reference)).T)[:, :2]
    full = np.array(shape(given))
    low = np.clip(np.floor(there.min(0)) - _AROUND, 0, full).astype(int)
    high = np.clip(np.ceil(there.max(0)) + _AROUND, 0, full).astype(int)
    if (high - low < _LEAST).any():
        raise MedRefineError(f"'{reference.name}' does not lie on '{given.name}'.")
    return (int(low[0]), int(high[0])), (int(low[1]), int(high[1]))


def _wanted(region: Region | None, limits: Part | None, full: tuple[int, int]) -> Part:
    """Return the chosen rows and columns of the input, inside `limits`."""
    whole: Part = ((0, full[0]), (0, full[1]))
    chosen = whole
    if region is not None:
        (rows, cols), by = (region.rows, region.cols), region.reduction
        chosen = (_scaled(rows, by[0]), _scaled(cols, by[1]))
    return _inside(_inside(chosen, whole), limits or whole)


def _scaled(side: Side, by: float) -> Side:
    return int(side[0] * by), int(np.ceil(side[1] * by))


def _area(part: Part) -> int:
    (r0, r1), (c0, c1) = part
    return (r1 - r0) * (c1 - c0)


def _grown(part: Part) -> Part:
    (r0, r1), (c0, c1) = part
    more = 4 * _AROUND  # what the match is fitted on
    return (r0 - more, r1 + more), (c0 - more, c1 + more)


def _inside(part: Part, other: Part) -> Part:
    rows, cols = ((max(a, c), min(b, d)) for (a, b), (c, d) in zip(part, other, strict=True))
    return rows, cols


def _common(box: Part, wanted: Part, reference: Layer) -> Part:
    """Return what is wanted of `box`.

    Raises
    ------
    MedRefineError
        If nothing is.
    """
    found = _inside(box, wanted)
    if any(high - low < _LEAST for low, high in found):
        raise MedRefineError(
            f"The chosen region is not covered by '{reference.name}'; choose another."
        )
    return found
