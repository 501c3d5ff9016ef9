"""The few lines of OME-Zarr's metadata (0.4 and 0.5) that say how a picture is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, ValidationError

from napari_medrefine._photos import scale
from napari_medrefine._records import first_problem
from napari_medrefine.errors import MedRefineError

ROUNDED = 1e-9  # by which a place may be off, of what it is
_TRANSFORMS = "coordinateTransformations"


class _Axis(BaseModel):
    name: str
    type: str | None = None
    unit: str | None = None

    @property
    def letter(self) -> str:
        """y, x or c; any other axis by its first letter."""
        return "c" if self.type == "channel" else self.name[:1].lower() or "?"


class _Transform(BaseModel):
    type: str
    scale: list[float] | None = None
    translation: list[float] | None = None


class _Dataset(BaseModel):
    path: str
    transforms: list[_Transform] = Field([], alias=_TRANSFORMS)


class _Multiscale(BaseModel):
    axes: list[_Axis] = Field(min_length=2)
    datasets: list[_Dataset] = Field(min_length=1)
    transforms: list[_Transform] = Field([], alias=_TRANSFORMS)
    version: str | None = None


class _Channel(BaseModel):
    label: Any = None
    color: Any = None


class _Omero(BaseModel):
    channels: list[_Channel] = []


class Metadata(BaseModel):
    """The attributes of a picture's group, as far as they are needed."""

    multiscales: list[_Multiscale] = Field(min_length=1)
    omero: _Omero = _Omero()
    version: str | None = None

    @property
    def kind(self) -> str:
        """Format and version."""
        return f"OME-Zarr {self.version or self.multiscales[0].version or ''}".strip()

    @property
    def axes(self) -> str:
        """A letter for each axis of the arrays."""
        return "".join(axis.letter for axis in self.multiscales[0].axes)

    @property
    def paths(self) -> list[str]:
        """The arrays of the levels, the finest first."""
        return [dataset.path for dataset in self.multiscales[0].datasets]

    @property
    def names(self) -> list[str]:
        """Names of the channels, as far as they have any."""
        return [str(c.label) if c.label is not None else "" for c in self.omero.channels]

    @property
    def colours(self) -> list[str]:
        """Colours of the channels as ``RRGGBB``."""
        return [str(channel.color or "") for channel in self.omero.channels]

    @property
    def pixel_um(self) -> float | None:
        """Side of a pixel of the finest level; None unless units are given and it is square."""
        return scale.square(self.sides_um)

    @property
    def sides_um(self) -> tuple[float, float] | None:
        """Height and width of a pixel of the finest level; None unless units are given."""
        sides, _ = self._placed()
        found = [None if side is None else scale.plausible(side) for side in sides]
        return None if found[0] is None or found[1] is None else (found[0], found[1])

    @property
    def origin_um(self) -> tuple[float, float]:
        """Where the centre of the first pixel of the finest level lies, (row, column)."""
        _, first = self._placed()
        return first if self.sides_um else (0.0, 0.0)

    @property
    def is_halved(self) -> bool:
        """Whether each level lies where means of 2 x 2 pixels of the next finer one do."""
        image = self.multiscales[0]
        count = len(image.axes)
        first = image.datasets[0].transforms
        side, start = _scale(first, count), _translation(first, count)
        for number, level in enumerate(image.datasets):
            factor = np.array([2.0**number if axis in "yx" else 1.0 for axis in self.axes])
            apart = [
                _scale(level.transforms, count) - factor * side,
                _translation(level.transforms, count) - start - (factor - 1) / 2 * side,
            ]
            if not (np.abs(apart) <= ROUNDED * (np.abs(start) + factor * np.abs(side))).all():
                return False
        return True

    def _placed(self) -> tuple[list[float | None], tuple[float, float]]:
        """Return sides and origin of the finest level along y and x, in micrometres."""
        image = self.multiscales[0]
        count = len(image.axes)
        own, shared = image.datasets[0].transforms, image.transforms
        sides = _scale(own, count) * _scale(shared, count)
        first = _translation(own, count) * _scale(shared, count) + _translation(shared, count)
        found: list[float | None] = []
        origin = []
        for axis in (self.axes.index("y"), self.axes.index("x")):
            microns = scale.microns_in(image.axes[axis].unit or "") or 0.0
            side = float(sides[axis]) * microns
            found.append(side if side > 0 else None)
            origin.append(float(first[axis]) * microns)
        return found, (origin[0], origin[1])


def read_metadata(attributes: Mapping[str, Any]) -> Metadata:
    """Check a group's attributes.

    Raises
    ------
    MedRefineError
        If they describe no picture, or one of another version; a reason, not a sentence.
    """
    ome = attributes.get("ome", attributes)
    if not isinstance(ome, Mapping) or "multiscales" not in ome:
        if isinstance(ome, Mapping) and "plate" in ome:
            raise MedRefineError("it is a plate of many pictures; open one of its fields")
        raise MedRefineError("it is a Zarr group without OME metadata (no 'multiscales')")
    try:
        metadata = Metadata.model_validate(dict(ome))
    except ValidationError as error:
        raise MedRefineError(
            f"its metadata are not those of OME-Zarr 0.4 or 0.5 ({first_problem(error)})"
        ) from error
    if any(metadata.axes.count(axis) != 1 for axis in "yx"):
        raise MedRefineError(f"its axes '{metadata.axes}' are not those of a picture")
    return metadata


def _translation(transforms: list[_Transform], axes: int) -> npt.NDArray[np.float64]:
    """Return the sum of translations in `transforms` for each axis."""
    each = [t.translation for t in transforms if t.type == "translation" and t.translation]
    fitting = [np.asarray(one, np.float64) for one in each if len(one) == axes]
    total: npt.NDArray[np.float64] = np.sum([np.zeros(axes), *fitting], axis=0)
    return total


def _scale(transforms: list[_Transform], axes: int) -> npt.NDArray[np.float64]:
    """Return the factor that `transforms` have for each axis."""
    scales = [t.scale for t in transforms if t.type == "scale" and t.scale]
    fitting = [np.asarray(each, np.float64) for each in scales if len(each) == axes]
    factor: npt.NDArray[np.float64] = np.prod([np.ones(axes), *fitting], axis=0)
    return factor
