"""Where a field lies on its overview: the result of a registration.

Points are (row, col) with pixel centres at whole numbers. `Placement.matrix` maps field pixels to
overview pixels, ``[row', col', 1] = matrix @ [row, col, 1]``; for a similarity it reads::

    1/ratio * [[ cos(angle), sin(angle)],
               [-sin(angle), cos(angle)]]

so `ratio` is how many field pixels make one overview pixel, and a positive `angle` (degrees) sends
a field row, walked towards higher columns, towards higher overview rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration.lens import Lens, Points

Matrix = npt.NDArray[np.float64]
NET = 33  # points a side of the net on which a lens is measured
EDGE_POINTS = 9  # per side of an outline that lens distortion bends


def _package_version() -> str:
    from napari_medrefine import __version__  # here: the package imports this module lazily

    return __version__


@dataclass(frozen=True)
class Distortion:
    """What a lens adds to a similarity: field lens, then `core`, then overview lens.

    Attributes
    ----------
    core : ndarray
        3x3, straightened field pixels to straightened overview pixels.
    field, overview : Lens
        Distortion of either photo.
    """

    core: Matrix
    field: Lens
    overview: Lens

    def to_overview(self, points: Points) -> Points:
        """Map ``(N, 2)`` field points to the overview."""
        return self.overview.bend(transform(self.core, self.field.straighten(points)))

    def to_field(self, points: Points) -> Points:
        """Map ``(N, 2)`` overview points to the field; the inverse of `to_overview`."""
        return self.field.bend(transform(inverse(self.core), self.overview.straighten(points)))


@dataclass(frozen=True)
class Asked:
    """What a search was told: with the same, it finds the same again.

    Attributes
    ----------
    ratio : float, (float, float) or None
        See `napari_medrefine.register`.
    angle : (float, float) or None
        See there.
    """

    ratio: float | tuple[float, float] | None = None
    angle: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a field lies on its overview, and how sure that is.

    Attributes
    ----------
    matrix : ndarray
        3x3 float64, field (row, col, 1) to overview; where there is lens distortion, the affine
        map that comes closest over the field.
    field_shape, overview_shape : (int, int)
        Height and width in pixels.
    accepted : bool
        Whether the evidence bears this placement. A refused one still holds the best guess.
    reason : str
        Why it was accepted or refused, in plain words.
    score : float
        Normalised cross-correlation of field and overview at this place, -1 to 1.
    false_alarms : float
        How many placements as good as this one chance would give in the whole search; the verdict
        accepts far below 1.
    residual : float
        How far the parts of the field that agree with the placement would still rather be, root
        mean square, in overview pixels (NaN where unknown).
    standard_error : float
        Estimated standard error of the position, in overview pixels (NaN where unknown).
    distortion : Distortion, optional
        Lens distortion, where the photos show any; `to_overview` and `to_field` honour it.
    field_sha256, overview_sha256 : str
        `napari_medrefine.images.sha256_of` of either image.
    method : str
        ``"pyramid"`` or ``"spiral"``; ``"imported"`` where another program found it.
    version : str
        Version of the package that made it.
    field_name, overview_name : str
        Files (or layers) that it was made from, where that is known.
    asked : Asked, optional
        What the search was told; None where nothing was searched.
    """

    matrix: Matrix
    field_shape: tuple[int, int]
    overview_shape: tuple[int, int]
    accepted: bool
    reason: str
    score: float
    false_alarms: float = float("nan")
    residual: float = float("nan")
    standard_error: float = float("nan")
    distortion: Distortion | None = None
    field_sha256: str = ""
    overview_sha256: str = ""
    method: str = "pyramid"
    version: str = field(default_factory=_package_version)
    field_name: str = ""
    overview_name: str = ""
    asked: Asked | None = None

    @property
    def ratio(self) -> float:
        """How many field pixels make one overview pixel."""
        return float(1 / np.sqrt(abs(np.linalg.det(self.matrix[:2, :2]))))

    @property
    def angle(self) -> float:
        """Camera rotation in degrees, -180 to 180.

        Positive: a field row, walked towards higher columns, goes towards higher overview rows.
        """
        (a, b), (c, d) = self.matrix[:2, :2]
        sign = -1.0 if self.mirrored else 1.0
        return float(np.degrees(np.arctan2(b - sign * c, a + sign * d)))

    @property
    def mirrored(self) -> bool:
        """Whether the field lies on the overview as its mirror image (columns reversed)."""
        return bool(np.linalg.det(self.matrix[:2, :2]) < 0)

    @property
    def lost_by_affine(self) -> float:
        """How far `matrix` alone is from the placement, in overview pixels: 0 without a lens.

        The largest distance over a net of points on the field, its edges included.
        """
        if self.distortion is None:
            return 0.0
        height, width = self.field_shape
        sides = np.linspace(-0.5, height - 0.5, NET), np.linspace(-0.5, width - 0.5, NET)
        points = np.stack(np.meshgrid(*sides, indexing="ij"), -1).reshape(-1, 2)
        apart = self.to_overview(points) - transform(self.matrix, points)
        return float(np.sqrt((apart**2).sum(axis=1)).max())

    @property
    def overlap(self) -> float:
        """Share of the field that lies on the overview, 0 to 1."""
        height, width = self.field_shape
        rows = (np.arange(64) + 0.5) * height / 64 - 0.5
        cols = (np.arange(64) + 0.5) * width / 64 - 0.5
        points = np.stack(np.meshgrid(rows, cols, indexing="ij"), -1).reshape(-1, 2)
        there = self.to_overview(points)
        limit = np.array(self.overview_shape) - 0.5
        return float(((there >= -0.5) & (there <= limit)).all(axis=1).mean())

    def to_overview(self, points: npt.ArrayLike) -> Points:
        """Map field points to the overview, lens distortion included.

        Parameters
        ----------
        points : array-like
            ``(N, 2)``, (row, col) in field pixels.

        Returns
        -------
        ndarray
            ``(N, 2)`` float64, (row, col) in overview pixels.
        """
        checked = _check_points(points)
        if self.distortion is not None:
            return self.distortion.to_overview(checked)
        return transform(self.matrix, checked)

    def to_field(self, points: npt.ArrayLike) -> Points:
        """Map overview points to the field; the exact inverse of `to_overview`."""
        checked = _check_points(points)
        if self.distortion is not None:
            return self.distortion.to_field(checked)
        return transform(inverse(self.matrix), checked)

    def corners(self) -> Points:
        """Return the four corners of the field on the overview, clockwise from its first pixel."""
        height, width = self.field_shape
        return self.to_overview(
            [
                [-0.5, -0.5],
                [-0.5, width - 0.5],
                [height - 0.5, width - 0.5],
                [height - 0.5, -0.5],
            ]
        )

    def outline(self) -> Points:
        """Return the field's edge on the overview: its corners, and more where the lens bends it.

        Returns
        -------
        ndarray
            ``(N, 2)`` float64, clockwise from the field's first pixel; the edge of the first pixel
            is at -0.5.
        """
        if self.distortion is None:
            return self.corners()
        height, width = self.field_shape
        way = np.linspace(0, 1, EDGE_POINTS)[:-1]
        rows = np.concatenate([0 * way, way, 0 * way + 1, 1 - way]) * height - 0.5
        cols = np.concatenate([way, 0 * way + 1, 1 - way, 0 * way]) * width - 0.5
        return self.to_overview(np.stack([rows, cols], 1))

    def save(self, path: str | Path) -> None:
        """Write the placement as readable JSON.

        Parameters
        ----------
        path : str or Path
            The file, ``NAME.placement.json`` by custom; replaced if it is there.

        Raises
        ------
        MedRefineError
            If it cannot be written.
        """
        from napari_medrefine.registration import placement_file  # it needs this module

        placement_file.write(path, self)

    @staticmethod
    def load(path: str | Path) -> Placement:
        """Read a placement written by `save`.

        Raises
        ------
        MedRefineError
            The file is missing or is not a placement.
        """
        from napari_medrefine.registration import placement_file  # it needs this module

        return placement_file.read(path)


def transform(matrix: Matrix, points: Points) -> Points:
    """Apply a 3x3 affine `matrix` to ``(N, 2)`` points."""
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def inverse(matrix: Matrix) -> Matrix:
    """Return the inverse of a 3x3 affine `matrix`."""
    return np.asarray(np.linalg.inv(matrix), np.float64)


def similarity(ratio: float, angle: float, field_point: Points, overview_point: Points) -> Matrix:
    """Return the 3x3 similarity of `ratio` and `angle` that sends one point to another."""
    turn = np.radians(angle)
    linear = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) / ratio
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = np.asarray(overview_point) - linear @ np.asarray(field_point)
    return matrix


def field_affine(
    overview_to_world: npt.ArrayLike,
    matrix: npt.ArrayLike,
    field_to_physical: npt.ArrayLike,
) -> Matrix:
    """Return what a napari field layer's ``affine`` must be to lie on its overview.

    napari composes ``world = affine @ physical @ data``, ``physical`` being the layer's own scale,
    translate, rotate and shear. So that the field's data end up where `matrix` says::

        affine = overview_to_world @ matrix @ inverse(field_to_physical)

    Parameters
    ----------
    overview_to_world : array-like
        3x3, the overview layer's full data-to-world transform.
    matrix : array-like
        3x3, `Placement.matrix`.
    field_to_physical : array-like
        3x3, the field layer's data-to-physical transform, without its affine.

    Returns
    -------
    (3, 3) float64 array
        The ``affine`` for the field's layer.
    """
    return (
        np.asarray(overview_to_world, np.float64)
        @ np.asarray(matrix, np.float64)
        @ np.linalg.inv(np.asarray(field_to_physical, np.float64))
    )


def _check_points(points: npt.ArrayLike) -> Points:
    array = np.asarray(points, np.float64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise MedRefineError(f"Points have shape {array.shape}; they must be (N, 2), (row, col).")
    return array
