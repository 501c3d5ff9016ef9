"""QuPath's affine transforms: the text of *Interactive image alignment*, and the JSON of scripts.

QuPath counts from the corner of the first pixel, in (x, y) and full-resolution pixels. Its
alignment maps the image in the viewer (the overview) to the one that is aligned (the field) and
draws that with the inverse; a transformed server, as in ``TransformedServerBuilder.transform`` and
in a project's JSON, maps the image it wraps (the field) to what it shows (the overview).
https://github.com/qupath/qupath-extension-align, AffineImageTransform;
https://github.com/qupath/qupath, AffineTransformImageServer, GeometryTools, GsonTools.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from napari_medrefine._atomic import write_bytes
from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration.exchange.sides import (
    RECORD,
    SWAP,
    TO_CORNER,
    Sides,
    inverted,
    lost,
    record_of,
    restored,
)
from napari_medrefine.registration.exchange.text import finite, read_json, read_text
from napari_medrefine.registration.placement import Matrix, Placement, inverse

_NAMES = ("m00", "m01", "m02", "m10", "m11", "m12")


def write_text(path: Path, placement: Placement, sides: Sides) -> str:  # noqa: ARG001
    """Write six numbers to be pasted into *Interactive image alignment*; return what is lost.

    No exponents: QuPath's parser wants none.
    """
    to_field = inverse(_to_overview(placement.matrix))
    rows = (",\t".join(f"{float(number):.12f}" for number in row) for row in to_field[:2])
    write_bytes(path, (",\n".join(rows) + "\n").encode())
    return lost(placement)


def read_pasted(path: Path, sides: Sides) -> Placement:
    """Read the six numbers that *Interactive image alignment* copies."""
    words = read_text(path).replace(",", " ").split()
    if len(words) != 6:
        raise MedRefineError(f"{path} holds {len(words)} numbers; QuPath's transform has six.")
    to_field = np.vstack([np.reshape(finite(words, path), (2, 3)), [0, 0, 1]])
    return restored(_centred(inverted(to_field, str(path))), None, sides, str(path), "QuPath")


def write_json(path: Path, placement: Placement, sides: Sides) -> str:
    """Write an ``AffineTransform`` as QuPath's Gson reads it; return what is lost.

    What Gson does not know it skips: there our own record stands.
    """
    matrix = _to_overview(placement.matrix)
    data = {
        **dict(zip(_NAMES, map(float, matrix[:2].ravel()), strict=True)),
        "about": "field to overview, (x, y) from the corner of the first pixel, in pixels",
        **({"lost": lost(placement)} if lost(placement) else {}),
        RECORD: record_of(placement, sides),
    }
    write_bytes(path, json.dumps(data, indent=1, allow_nan=False).encode() + b"\n")
    return lost(placement)


def read_transform(path: Path, sides: Sides) -> Placement:
    """Read an ``AffineTransform``: by itself, or the first in a project's server."""
    data = read_json(path)
    found = data if set(_NAMES) <= data.keys() else data.get("transform")
    if not isinstance(found, dict) or not set(_NAMES) <= found.keys():
        raise MedRefineError(f"{path} holds no affine transform of QuPath (m00 to m12).")
    matrix = np.vstack([np.reshape(finite([found[n] for n in _NAMES], path), (2, 3)), [0, 0, 1]])
    record = data.get(RECORD)
    ours = record if isinstance(record, dict) else None
    return restored(_centred(matrix), ours, sides, str(path), "QuPath")


def _to_overview(matrix: Matrix) -> Matrix:
    """Return a matrix between pixel centres as one between corners, (x, y)."""
    return np.asarray(SWAP @ TO_CORNER @ matrix @ inverse(TO_CORNER) @ SWAP, np.float64)


def _centred(matrix: Matrix) -> Matrix:
    """Undo `_to_overview`."""
    return np.asarray(inverse(TO_CORNER) @ SWAP @ matrix @ SWAP @ TO_CORNER, np.float64)
