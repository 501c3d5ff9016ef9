"""What a format needs to know besides a placement, and the conventions it may have.

Here points are (row, col) with pixel centres at whole numbers. Others have (x, y), or the corner
of the first pixel at 0, or millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration import placement_file
from napari_medrefine.registration.placement import Matrix, Placement, inverse, transform

SWAP: Matrix = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])  # (row, col) to (x, y), and back
TO_CORNER: Matrix = np.array([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
SAME = 1e-3  # overview pixels: more apart than rounding in a text can bring
RECORD = "napari-medrefine"  # under this name our own record stands in a foreign file

Pair = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two photos of a placement.

    Attributes
    ----------
    name : str
        Its file.
    pixel_um : (float, float), optional
        Height and width of a pixel in micrometres.
    shape : (int, int), optional
        Height and width in pixels: for files that do not say it.
    sha256 : str
        `napari_medrefine.images.sha256_of` of its pixels, where it is known.
    to_world : ndarray, optional
        3x3 from its (row, col) to where it is shown, in micrometres or, of unknown pixel size, in
        the viewer's own unit; default: at the origin. Only napari's transforms ask for it.
    """

    name: str = ""
    pixel_um: Pair | None = None
    shape: tuple[int, int] | None = None
    sha256: str = ""
    to_world: Matrix | None = None

    def __post_init__(self) -> None:
        if self.pixel_um is not None and not all(0 < s < np.inf for s in self.pixel_um):
            raise MedRefineError(f"The pixel size is {self.pixel_um} um; it must be more than 0.")

    def scaled(self, per_um: float) -> Matrix:
        """Return the 3x3 from (row, col) to lengths, `per_um` of which make a micrometre."""
        sides = self.pixel_um or (1.0, 1.0)
        return np.diag([sides[0] * per_um, sides[1] * per_um, 1.0])

    @property
    def ground(self) -> Matrix:
        """The 3x3 from (row, col) to where it is shown."""
        return self.scaled(1) if self.to_world is None else self.to_world

    def in_pixels(self) -> Side:
        """Return it without a pixel size, and so at the origin if it had one."""
        return self if self.pixel_um is None else replace(self, pixel_um=None, to_world=None)


UNKNOWN = Side()


@dataclass(frozen=True)
class Sides:
    """Both photos of a placement."""

    field: Side = UNKNOWN
    overview: Side = UNKNOWN

    @property
    def measured(self) -> bool:
        """Whether both pixel sizes are known: then lengths can be given, else only pixels."""
        return None not in (self.field.pixel_um, self.overview.pixel_um)

    def in_pixels(self) -> Sides:
        """Return them without pixel sizes."""
        return Sides(self.field.in_pixels(), self.overview.in_pixels())


def lost(placement: Placement) -> str:
    """Say what no affine map can hold of a placement; empty if it holds all."""
    if placement.distortion is None:
        return ""
    return (
        "Lens distortion cannot be given in this format and is left out: up to "
        f"{placement.lost_by_affine:.2f} overview pixels."
    )


def record_of(placement: Placement, sides: Sides) -> dict[str, Any]:
    """Return all that is known, for a place in a foreign file that its own program skips."""
    return {
        "placement": placement_file.to_json(placement),
        "field_um": sides.field.pixel_um,
        "overview_um": sides.overview.pixel_um,
    }


def sides_of(record: dict[str, Any] | None, sides: Sides, where: str) -> Sides:
    """Return `sides` with what a file's own record says of them in its place."""
    if record is None:
        return sides
    try:
        field, overview = (record[f"{name}_um"] for name in ("field", "overview"))
        return Sides(
            replace(sides.field, pixel_um=tuple(field) if field else None),
            replace(sides.overview, pixel_um=tuple(overview) if overview else None),
        )
    except (KeyError, TypeError) as error:
        raise MedRefineError(f"{where} has a damaged record of {RECORD}.") from error


def restored(
    matrix: Matrix, record: dict[str, Any] | None, sides: Sides, where: str, program: str
) -> Placement:
    """Return what a file holds: `matrix`, with everything of our own record that still fits it.

    Parameters
    ----------
    matrix : ndarray
        3x3, as the other program has it, field to overview in our convention.
    record : dict, optional
        What `record_of` had put into the file.
    sides : Sides
        Shapes, where the file has none.
    where, program : str
        The file and whose format it is, for messages and the reason.

    Raises
    ------
    MedRefineError
        If the matrix is no placement, or nothing says how large the photos are.
    """
    _check(matrix, where)
    known = placement_file.from_json(record.get("placement"), where) if record else None
    if known is not None and _apart(known.matrix, matrix, known.field_shape) < SAME:
        return known
    field_shape = known.field_shape if known else sides.field.shape
    overview_shape = known.overview_shape if known else sides.overview.shape
    if field_shape is None or overview_shape is None:
        raise MedRefineError(
            f"{where} does not say how large the two photos are; name them too (--field, "
            "--overview)."
        )
    return Placement(
        matrix=matrix,
        field_shape=field_shape,
        overview_shape=overview_shape,
        accepted=True,
        reason=f"Taken over from {where} ({program}), not checked against the photos.",
        score=float("nan"),
        field_sha256=known.field_sha256 if known else sides.field.sha256,
        overview_sha256=known.overview_sha256 if known else sides.overview.sha256,
        method="imported",
        field_name=known.field_name if known else sides.field.name,
        overview_name=known.overview_name if known else sides.overview.name,
    )


def inverted(matrix: Matrix, where: str) -> Matrix:
    """Return the inverse of a matrix that was read."""
    _check(matrix, where)
    return inverse(matrix)


def _check(matrix: Matrix, where: str) -> None:
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:2, :2])) < 1e-12:
        raise MedRefineError(f"{where} holds a transform that cannot be inverted.")


def _apart(one: Matrix, other: Matrix, shape: tuple[int, int]) -> float:
    """Return how far the field's corners are apart, in overview pixels."""
    corners = np.array([[0, 0], [0, shape[1]], [shape[0], 0], shape], np.float64)
    return float(np.abs(transform(one, corners) - transform(other, corners)).max())
