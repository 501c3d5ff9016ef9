"""Where a layer lies in the world, and where parts and registered fields must lie.

Everything is a 3x3 matrix on (row, col, 1) or a few of napari's own transform properties. napari
composes ``world = affine @ (rotate @ shear @ scale + translate) @ data`` and leaves the units out:
two layers in micrometres and nanometres have world coordinates a thousand times apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.utils.transforms import Affine

from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration.placement import Matrix, field_affine

Layer = Any  # a napari layer; napari itself is not typed here
Pair = tuple[float, float]
TRANSFORMS = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


def data_to_physical(layer: Layer) -> Matrix:
    """Return the 3x3 of a `layer` without its ``affine``: scale, shear, rotate, translate.

    Of one with n dimensions, here and below, a square of n + 1.
    """
    parts = Affine(
        scale=layer.scale, translate=layer.translate, rotate=layer.rotate, shear=layer.shear
    )
    return np.asarray(parts.affine_matrix, np.float64)


def data_to_world(layer: Layer) -> Matrix:
    """Return the full 3x3 of a `layer`, in the layer's own units."""
    affine = np.asarray(layer.affine.affine_matrix, np.float64)
    return affine @ data_to_physical(layer)


def unit_factors(source: Layer, target: Layer) -> Pair | None:
    """Return how many units of `target` make one of `source`, along rows and columns.

    None where the units measure different things (micrometres and plain pixels).
    """
    factors = factors_between(source.units[-2:], target.units[-2:])
    return None if factors is None else (factors[0], factors[1])


def factors_between(units: Sequence[Any], others: Sequence[Any]) -> list[float] | None:
    """Return how many of the `others` make one of the `units`; None if they do not convert."""
    pairs = list(zip(units, others, strict=True))
    if not all(a.is_compatible_with(b) for a, b in pairs):
        return None
    return [float((1 * a).to(b).magnitude) for a, b in pairs]


def checked_factors(source: Layer, target: Layer) -> Pair:
    """Return `unit_factors`, or raise a sentence where there are none."""
    factors = unit_factors(source, target)
    if factors is None:
        raise MedRefineError(
            f"'{target.name}' is in {unit_name(target)} and '{source.name}' in "
            f"{unit_name(source)}, which cannot be converted; give both layers the same units."
        )
    return factors


def to_micrometres(layer: Layer, axes: tuple[int, int] = (-2, -1)) -> Pair | None:
    """Return how many micrometres make one of the units of two of its axes, None for pixels."""
    units = [layer.units[axis] for axis in axes]
    if not all(unit.is_compatible_with("micrometer") for unit in units):
        return None
    rows, cols = (float((1 * unit).to("micrometer").magnitude) for unit in units)
    return rows, cols


def world_to_data(layer: Layer, units: Any) -> Matrix:
    """Return the 3x3 from the canvas to the pixels of a `layer`.

    Parameters
    ----------
    units : sequence of units or None
        Those of the canvas, ``viewer.layers.units``: the layers' common ones; None where they have
        none in common, and napari then shows all layers in the same numbers.
    """
    inverse = np.asarray(np.linalg.inv(data_to_world(layer)), np.float64)
    if units is None:
        return inverse
    pairs = zip(units[-len(layer.units) :], layer.units, strict=True)
    factors = [float((1 * a).to(b).magnitude) for a, b in pairs]
    return np.asarray(inverse @ np.diag([*factors, 1.0]), np.float64)


def apply(matrix: npt.NDArray[np.floating], points: npt.ArrayLike) -> Matrix:
    """Return (N, 2) `points` mapped by a 3x3."""
    mapped: Matrix = np.asarray(points, float) @ matrix[:-1, :-1].T + matrix[:-1, -1]
    return mapped


def registered_affine(overview: Layer, field: Layer, matrix: npt.ArrayLike) -> Matrix:
    """Return the ``affine`` that makes `field` lie on `overview` where `matrix` says.

    The field keeps its own scale, translate, rotate, shear and units; the affine makes up for them.
    The layers' units must be convertible, see `unit_factors`.
    """
    factors = checked_factors(overview, field)
    world = np.diag([*factors, 1.0]) @ data_to_world(overview)
    return field_affine(world, matrix, data_to_physical(field))


def is_plain(layer: Layer) -> bool:
    """Whether the layer is measured in pixels, which is what napari assumes when told nothing."""
    return all(str(unit) == "pixel" for unit in layer.units[-2:])


def unit_name(layer: Layer) -> str:
    """Return the units of a layer as people write them."""
    rows, cols = (str(unit) for unit in layer.units[-2:])
    return rows if rows == cols else f"{rows} x {cols}"


def same_place(layer: Layer) -> dict[str, Any]:
    """Return the keyword arguments with which a new layer lies exactly on `layer`."""
    return {name: getattr(layer, name) for name in TRANSFORMS}


def lay(layer: Layer, place: dict[str, Any]) -> None:
    """Lay a layer that is there already where `same_place` or `part_place` says."""
    for name, value in place.items():
        setattr(layer, name, value)


def part_place(layer: Layer, first: Sequence[float], zoom: Sequence[float]) -> dict[str, Any]:
    """Return the keyword arguments with which an image made from a part lies on that part.

    Parameters
    ----------
    layer : napari layer
        The source.
    first : (float, float)
        Row and column of the part's first pixel in the source's data; of one with n dimensions, n
        numbers, here and below.
    zoom : (float, float)
        Pixels of the new image per pixel of the source. Magnifying keeps the part's extent and so
        moves its pixel centres: the new pixel r lies at ``first + (r + 0.5) / zoom - 0.5``.
    """
    shift = np.asarray(first) + 0.5 / np.asarray(zoom) - 0.5
    place = same_place(layer)
    place["scale"] = np.asarray(layer.scale) / zoom
    place["translate"] = (data_to_physical(layer) @ [*shift, 1.0])[:-1]
    return place
