"""The transform that napari copies and pastes (layer list > right click > Copy Transform > ...).

A JSON object with the layer's own properties by name and nothing else: with any other entry napari
does not offer to paste it. Here it is the field's, for an overview that lies where `Side.to_world`
says: by default at the origin, with its pixel size for scale.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_medrefine._atomic import write_bytes
from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration.exchange.sides import Pair, Sides, lost, restored
from napari_medrefine.registration.exchange.text import finite, read_json
from napari_medrefine.registration.placement import Matrix, Placement, field_affine, inverse

KEYS = frozenset({"affine", "rotate", "scale", "shear", "translate", "units"})
_UM = {"um": 1.0, "µm": 1.0, "micrometer": 1.0, "micron": 1.0, "nm": 1e-3, "nanometer": 1e-3,
       "mm": 1e3, "millimeter": 1e3, "pixel": 1.0}  # fmt: skip


def write(path: Path, placement: Placement, sides: Sides) -> str:
    """Write what lays the field on its overview; return what is lost."""
    sides = sides if sides.measured else sides.in_pixels()
    own, ground = sides.field.scaled(1), sides.overview.ground
    data = {
        "affine": field_affine(ground, placement.matrix, own).tolist(),
        "rotate": np.eye(2).tolist(),
        "scale": np.diag(own)[:2].tolist(),
        "shear": [0.0],
        "translate": [0.0, 0.0],
        "units": ["micrometer" if sides.measured else "pixel"] * 2,
    }
    write_bytes(path, json.dumps(data, allow_nan=False).encode() + b"\n")
    return lost(placement)


def read(path: Path, sides: Sides) -> Placement:
    """Read where a transform that napari copied lays a field on such an overview.

    In pixels, the overview's are meant; else its pixel size must be known.
    """
    data = read_json(path)
    if not data or not data.keys() <= KEYS:
        raise MedRefineError(f"{path} is no transform that napari copies.")
    factors = _micrometres(data, path)
    if factors is None:
        sides = sides.in_pixels()
    elif sides.overview.pixel_um is None:
        raise MedRefineError(
            f"{path} is in {data['units'][-1]}: say how large the overview's pixels are."
        )
    world = _affine(data, path) @ physical(data, path, sides.field.pixel_um)
    world = np.diag([*(factors or (1.0, 1.0)), 1.0]) @ world
    matrix = np.asarray(inverse(sides.overview.ground) @ world, np.float64)
    return restored(matrix, None, sides, str(path), "napari")


def physical(data: Mapping[str, Any], path: Path, pixel_um: Pair | None) -> Matrix:
    """Return a layer's 3x3 without its affine: ``rotate @ shear @ scale``, then ``translate``.

    A transform that was copied in parts may lack its scale: that is the photo's own then.
    """
    scale = np.diag(_part(data, "scale", pixel_um or (1.0, 1.0), path))
    shear = np.eye(2)
    shear[0, 1] = _part(data, "shear", (0.0,), path)[-1]
    rotate = _square(data.get("rotate"), 2, path)
    matrix = np.eye(3)
    matrix[:2, :2] = rotate @ shear @ scale
    matrix[:2, 2] = _part(data, "translate", (0.0, 0.0), path)
    return matrix


def _affine(data: Mapping[str, Any], path: Path) -> Matrix:
    return _square(data.get("affine"), 3, path)


def _square(value: Any, size: int, path: Path) -> Matrix:
    """Return the last `size` rows and columns: of a stack, those of its planes."""
    if value is None:
        return np.eye(size)
    try:
        rows = [finite(row, path)[-size:] for row in value[-size:]]
        return np.array(rows, np.float64).reshape(size, size)
    except (TypeError, ValueError) as error:
        raise MedRefineError(f"{path} is damaged: a matrix is none.") from error


def _part(data: Mapping[str, Any], name: str, usual: tuple[float, ...], path: Path) -> list[float]:
    value = data.get(name, usual)
    if not isinstance(value, list | tuple) or len(value) < len(usual):
        raise MedRefineError(f"{path} is damaged: its {name} is none.")
    return finite(value[-len(usual) :], path)


def _micrometres(data: Mapping[str, Any], path: Path) -> Pair | None:
    """Return how many micrometres make the transform's units; None of pixels."""
    units = data.get("units", ["pixel"] * 2)
    if not isinstance(units, list) or len(units) < 2 or not all(u in _UM for u in units[-2:]):
        raise MedRefineError(f"{path} has units that are no lengths: {units}.")
    return None if "pixel" in units[-2:] else (_UM[units[-2]], _UM[units[-1]])
