"""ITK's text format of transforms (``.tfm``), as SimpleITK, elastix and 3D Slicer read it.

An ITK transform maps points of the fixed image, here the overview, to the moving one, the field:
what resampling the field onto the overview needs. Points are (x, y), the centre of the first pixel
is the origin, and lengths are in millimetres as ITK reads them from a file, or pixels where it
finds no size. https://itk.org/ItkSoftwareGuide.pdf, sections 4.1.4 and 3.9.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from napari_medrefine._atomic import write_bytes
from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration.exchange.sides import (
    RECORD,
    SWAP,
    Sides,
    inverted,
    lost,
    record_of,
    restored,
    sides_of,
)
from napari_medrefine.registration.exchange.text import finite, read_text
from napari_medrefine.registration.placement import Matrix, Placement, inverse

MM = 1e-3  # millimetres to a micrometre
_HEADER = "#Insight Transform File V1.0"
_MARK = f"# {RECORD}: "


def write(path: Path, placement: Placement, sides: Sides) -> str:
    """Write `placement` as an affine transform; return what is lost."""
    sides = sides if sides.measured else sides.in_pixels()
    matrix = SWAP @ _to_moving(placement.matrix, sides) @ SWAP
    unit = "millimetres" if sides.measured else "pixels"
    numbers = [*matrix[:2, :2].ravel(), *matrix[:2, 2]]
    lines = [
        _HEADER,
        f"# Fixed image (overview) to moving image (field), (x, y) in {unit}; the centre of the",
        "# first pixel is the origin of either.",
        *([f"# {lost(placement)}"] if lost(placement) else []),
        f"{_MARK}{json.dumps(record_of(placement, sides))}",
        "#Transform 0",
        "Transform: AffineTransform_double_2_2",
        f"Parameters: {' '.join(repr(float(number)) for number in numbers)}",
        "FixedParameters: 0 0",
        "",
    ]
    write_bytes(path, "\n".join(lines).encode())
    return lost(placement)


def read(path: Path, sides: Sides) -> Placement:
    """Read a placement from a transform of any kind that is affine, or composed of such."""
    text = read_text(path)
    if not text.startswith("#Insight Transform File"):
        raise MedRefineError(f"{path} is no transform file of ITK.")
    record = _record(text, path)
    sides = sides_of(record, sides, str(path))
    sides = sides if sides.measured else sides.in_pixels()
    moving = SWAP @ _whole(text, path) @ SWAP
    to_moving = inverse(sides.field.scaled(MM if sides.measured else 1)) @ moving
    to_moving = to_moving @ sides.overview.scaled(MM if sides.measured else 1)
    return restored(inverted(to_moving, str(path)), record, sides, str(path), "ITK")


def _to_moving(matrix: Matrix, sides: Sides) -> Matrix:
    per_um = MM if sides.measured else 1
    field, overview = sides.field.scaled(per_um), sides.overview.scaled(per_um)
    return np.asarray(field @ inverse(matrix) @ inverse(overview), np.float64)


def _record(text: str, path: Path) -> dict[str, Any] | None:
    line = next((line for line in text.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        return None
    try:
        found = json.loads(line.removeprefix(_MARK))
    except (ValueError, RecursionError) as error:
        raise MedRefineError(f"{path} has a damaged record of {RECORD}.") from error
    return found if isinstance(found, dict) else None


def _whole(text: str, path: Path) -> Matrix:
    """Return the 3x3 of all transforms in the file; of several, the last acts first."""
    matrix, kind, parameters = np.eye(3), "", [0.0]
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    for key, _, value in lines:
        if key == "Transform":
            kind = value.strip()
        elif key == "Parameters" and not kind.startswith("Composite"):
            parameters = finite(value.split(), path)
        elif key == "FixedParameters" and not kind.startswith("Composite"):
            matrix = matrix @ _matrix(kind, parameters, finite(value.split(), path), path)
            kind = ""
    if kind and not kind.startswith("Composite"):
        matrix = matrix @ _matrix(kind, parameters, [], path)
    return matrix


def _matrix(kind: str, parameters: list[float], fixed: list[float], path: Path) -> Matrix:
    """Return one transform: ``y = A (x - centre) + centre + translation``."""
    name = kind.partition("_")[0]
    if not kind.endswith("_2_2"):
        raise MedRefineError(f"{path} holds a {kind or 'nothing'}; only transforms in 2-D can be.")
    try:
        linear, shift = _PARTS[name](parameters)
        centre = np.array(fixed[:2] if len(fixed) >= 2 else [0.0, 0.0])
        matrix = np.eye(3)
        matrix[:2, :2] = linear
        matrix[:2, 2] = np.asarray(shift) + centre - matrix[:2, :2] @ centre
    except KeyError as error:
        raise MedRefineError(
            f"{path} holds a {name}, which is no affine transform; only {', '.join(_PARTS)} can be "
            "taken over."
        ) from error
    except (ValueError, IndexError) as error:
        raise MedRefineError(f"{path} is damaged: a {name} has other parameters.") from error
    return matrix


def _affine(p: list[float]) -> tuple[Any, Any]:
    return np.array(p[:4]).reshape(2, 2), np.array(p[4:6]).reshape(2)


def _turned(angle: float, scale: float = 1.0) -> Matrix:
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    return np.array([[cos, -sin], [sin, cos]])


_PARTS = {
    "AffineTransform": _affine,
    "MatrixOffsetTransformBase": _affine,
    "Euler2DTransform": lambda p: (_turned(p[0]), np.array(p[1:3]).reshape(2)),
    "Rigid2DTransform": lambda p: (_turned(p[0]), np.array(p[1:3]).reshape(2)),
    "Similarity2DTransform": lambda p: (_turned(p[1], p[0]), np.array(p[2:4]).reshape(2)),
    "ScaleTransform": lambda p: (np.diag(np.array(p[:2]).reshape(2)), np.zeros(2)),
    "TranslationTransform": lambda p: (np.eye(2), np.array(p[:2]).reshape(2)),
    "IdentityTransform": lambda _: (np.eye(2), np.zeros(2)),
}
