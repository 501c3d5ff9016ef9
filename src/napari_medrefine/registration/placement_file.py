"""A placement on disk: readable JSON, validated when read back."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from napari_medrefine._atomic import cannot, write_bytes
from napari_medrefine._names import as_text
from napari_medrefine._paths import SMALL, read_file
from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration.lens import STRONGEST, Lens
from napari_medrefine.registration.placement import Asked, Distortion, Matrix, Placement
from napari_medrefine.registration.window import turned_by, window_of

MOST_SCORE = 1.001  # a correlation is 1 at most, but for rounding
QUOTED = 1e-3  # by which a ratio (in parts of it), angle (degrees) or overlap is rounded at most


def write(path: str | Path, placement: Placement) -> None:
    """Write `placement` to `path`, whole or not at all."""
    text = json.dumps(to_json(placement), indent=2, allow_nan=False)
    write_bytes(Path(path), text.encode() + b"\n")


def to_json(placement: Placement) -> dict[str, Any]:
    """Return what `write` writes, as what JSON can hold."""
    return _File.of(placement).model_dump(mode="json")


def from_json(data: object, where: str) -> Placement:
    """Return the placement that `to_json` made `data` of.

    Raises
    ------
    MedRefineError
        If it is none; `where` says of what.
    """
    try:
        return _File.model_validate_json(json.dumps(data)).placement()
    except (ValidationError, TypeError, ValueError) as error:
        first = _first(error) if isinstance(error, ValidationError) else str(error)
        raise MedRefineError(f"{where} holds no placement ({first}).") from error


def read(path: str | Path) -> Placement:
    """Read a placement, or say in one sentence why `path` is none."""
    return _read(path).placement()


def misquoted(path: str | Path) -> list[str]:
    """Return what a file tells people, its ratio, angle or overlap, and its matrix does not.

    Raises
    ------
    MedRefineError
        If it is no placement.
    """
    told = _read(path)
    true = _File.of(told.placement())
    wrong = {
        "ratio": abs(told.ratio - true.ratio) > QUOTED * true.ratio,
        "angle": abs(turned_by(told.angle - true.angle)) > QUOTED,
        "overlap": abs(told.overlap - true.overlap) > QUOTED,
    }
    return [name for name, differs in wrong.items() if differs]


def _read(path: str | Path) -> _File:
    try:
        content = read_file(Path(path), SMALL)
    except OSError as error:
        raise MedRefineError(cannot("read", Path(path), error)) from error
    try:
        return _File.model_validate_json(content)
    except ValidationError as error:
        if _is_newer(content):
            raise MedRefineError(
                f"Cannot read {path}: this placement is of a newer version; update "
                "napari-medrefine."
            ) from error
        raise MedRefineError(f"{path} is not a placement file ({_first(error)}).") from error


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"]) or "file"
    return f"{where}: {problem['msg'].removeprefix('Value error, ').rstrip('.')}"


def _is_newer(content: bytes) -> bool:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return False
    ours = isinstance(data, dict) and data.get("kind") == _File.model_fields["kind"].default
    version = data.get("format") if ours else None
    return isinstance(version, int) and version > _File.model_fields["format"].default


Row = tuple[float, float, float]


def _affine(rows: tuple[Row, Row, Row]) -> tuple[Row, Row, Row]:
    """Return `rows` if they are a map of the plane that can be undone."""
    if rows[2] != (0, 0, 1):
        raise ValueError("its last row is not 0, 0, 1")
    with np.errstate(all="ignore"):
        grown = abs(float(np.linalg.det(np.array(rows)[:2, :2])))
    if not 1e-12 < grown < 1e12 or np.abs(rows).max() > 1e12:
        raise ValueError("it maps no photo onto another")
    return rows


Affine = Annotated[tuple[Row, Row, Row], AfterValidator(_affine)]
Amount = Annotated[float, Field(ge=0)]
Shape = tuple[Annotated[int, Field(gt=0, lt=2**31)], Annotated[int, Field(gt=0, lt=2**31)]]


def _rows(matrix: Matrix) -> tuple[Row, Row, Row]:
    a, b, c = ((float(x), float(y), float(z)) for x, y, z in matrix)
    return a, b, c


class _Photo(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    shape: Shape
    sha256: str
    name: Annotated[str, AfterValidator(as_text)] = ""


class _Distortion(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    core: Affine
    field_strength: Annotated[float, Field(ge=-STRONGEST, le=STRONGEST)]
    overview_strength: Annotated[float, Field(ge=-STRONGEST, le=STRONGEST)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    ratio: float | tuple[float, float] | None
    angle: tuple[float, float] | None

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        window_of(self.ratio, self.angle)
        return self


class _Units(BaseModel):
    points: Literal["(row, col), pixel centres at whole numbers"] = (
        "(row, col), pixel centres at whole numbers"
    )
    matrix: Literal["field pixel to overview pixel"] = "field pixel to overview pixel"
    angle: Literal["degree"] = "degree"
    residual: Literal["overview pixel"] = "overview pixel"
    standard_error: Literal["overview pixel"] = "overview pixel"


class _File(BaseModel):
    """A placement on disk; `ratio`, `angle` and `overlap` are there to be read by people."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    kind: Literal["napari-medrefine placement"] = "napari-medrefine placement"
    format: Literal[1] = 1
    version: str
    units: _Units = _Units()
    accepted: bool
    reason: str
    method: str
    score: Annotated[float, Field(ge=-MOST_SCORE, le=MOST_SCORE)] | None
    false_alarms: Amount | None
    residual: Amount | None = None
    standard_error: Amount | None
    ratio: Annotated[float, Field(gt=0)]
    angle: Annotated[float, Field(ge=-180, le=180)]
    overlap: Annotated[float, Field(ge=0, le=1)]
    matrix: Affine
    distortion: _Distortion | None
    field: _Photo
    overview: _Photo
    asked: _Asked | None = None

    @staticmethod
    def of(p: Placement) -> _File:
        bent = p.distortion
        return _File(
            version=p.version,
            accepted=p.accepted,
            reason=p.reason,
            method=p.method,
            score=_none(p.score),
            false_alarms=_none(p.false_alarms),
            residual=_none(p.residual),
            standard_error=_none(p.standard_error),
            ratio=p.ratio,
            angle=p.angle,
            overlap=p.overlap,
            matrix=_rows(p.matrix),
            distortion=None
            if bent is None
            else _Distortion(
                core=_rows(bent.core),
                field_strength=bent.field.strength,
                overview_strength=bent.overview.strength,
            ),
            field=_Photo(shape=p.field_shape, sha256=p.field_sha256, name=p.field_name),
            overview=_Photo(shape=p.overview_shape, sha256=p.overview_sha256, name=p.overview_name),
            asked=None if p.asked is None else _Asked(ratio=p.asked.ratio, angle=p.asked.angle),
        )

    def placement(self) -> Placement:
        bent = self.distortion
        return Placement(
            matrix=np.array(self.matrix, np.float64),
            field_shape=self.field.shape,
            overview_shape=self.overview.shape,
            accepted=self.accepted,
            reason=self.reason,
            score=_nan(self.score),
            false_alarms=_nan(self.false_alarms),
            residual=_nan(self.residual),
            standard_error=_nan(self.standard_error),
            distortion=None
            if bent is None
            else Distortion(
                core=np.array(bent.core, np.float64),
                field=Lens(self.field.shape, bent.field_strength),
                overview=Lens(self.overview.shape, bent.overview_strength),
            ),
            field_sha256=self.field.sha256,
            overview_sha256=self.overview.sha256,
            method=self.method,
            version=self.version,
            field_name=self.field.name,
            overview_name=self.overview.name,
            asked=None if self.asked is None else Asked(self.asked.ratio, self.asked.angle),
        )


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _none(value: float) -> float | None:
    return value if math.isfinite(value) else None
