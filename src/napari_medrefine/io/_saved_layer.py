"""What an image file of ours says of the layer that it was: enough to open it as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_medrefine import __version__
from napari_medrefine._records import record_of
from napari_medrefine.dataset.layer_state import LayerAttributes, LayerDtype, check_axes
from napari_medrefine.io._image_layer import ImageLayer
from napari_medrefine.io._layer_attributes import MICROMETRES, SECONDS
from napari_medrefine.io.ome_zarr_attributes import FACTS_KEY
from napari_medrefine.io.stack_layout import Axis

FLAT = 1e-9  # of the scale: what is turned less than this is not turned


class SavedLayer(BaseModel):
    """A layer as it was saved.

    Attributes
    ----------
    layer : {1, 2}
        The version of this record: 2 of a stack.
    version : str
        Of the package that wrote it.
    dtype : str
        Of its pixels; the file may hold a wider one.
    channels : {0, 3, 4}
        0: grey.
    multiscale : bool
        Whether it had several levels.
    axes : str or None
        Of a stack: what each of its axes is, y, x, t, c or z.
    attributes : LayerAttributes
        Everything else that napari says of it; its provenance is in the metadata.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    layer: Literal[1, 2] = 1
    version: str = __version__
    dtype: LayerDtype
    channels: Literal[0, 3, 4]
    multiscale: bool = False
    axes: Annotated[str, Field(pattern="^[tczyx]{3,5}$")] | None = None
    attributes: LayerAttributes

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.layer == 2) != (self.axes is not None):
            raise ValueError("layer and axes do not belong together")
        if self.axes is not None and len({*self.axes, "y", "x"}) != len(self.axes):
            raise ValueError(f"axes '{self.axes}' are not those of a stack")
        check_axes(self.attributes, len(self.axes or "yx"))
        return self

    @classmethod
    def of(cls, layer: ImageLayer) -> Self:
        """Return what is to be kept of a layer."""
        stacked = {"layer": 2, "axes": layer.axes} if layer.stack else {}
        return cls.model_validate(
            {
                "dtype": layer.dtype.name,
                "channels": layer.channels,
                "multiscale": layer.multiscale,
                "attributes": layer.attributes,
                **stacked,
            }
        )

    def facts(self) -> dict[str, Any]:
        """Return it as it stands in a file, beside what other programs may write."""
        return {FACTS_KEY: self.model_dump(mode="json", exclude_none=True)}


def saved_in(facts: object, where: Path) -> SavedLayer | None:
    """Return the layer that a file's own record describes; None if there is none.

    Raises
    ------
    MedRefineError
        If the record is damaged, or of a newer version.
    """
    found = facts.get(FACTS_KEY) if isinstance(facts, Mapping) else None
    if not isinstance(found, Mapping) or "layer" not in found:
        return None
    return record_of(found, SavedLayer, f"What {where} says of its layer")


@dataclass(frozen=True)
class Where:
    """How much of a layer's place other programs can be told.

    Attributes
    ----------
    pixel_um : (float, float) or None
        Height and width of a pixel in micrometres, if the layer's units are lengths.
    origin : (float, float)
        Where its first pixel lies, in micrometres or else in pixels; 0 for a layer that is turned.
    stack : tuple of Axis
        What numbers its planes, in the order of `ImageLayer.stack`.
    """

    pixel_um: tuple[float, float] | None
    origin: tuple[float, float]
    stack: tuple[Axis, ...] = ()


def where(layer: ImageLayer) -> Where:
    """Return what can be told of a layer's place: all of it, unless it is turned or sheared."""
    kept, count = layer.attributes, len(layer.axes)
    world = _world(kept, count)
    scale = np.abs(np.asarray(kept.scale or np.ones(count)))
    turned = _turned(world[:-1, :-1])
    sides, origin = (scale, np.zeros(count)) if turned else (np.diag(world)[:-1], world[:-1, -1])
    at = {letter: axis for axis, letter in enumerate(layer.axes)}
    units = kept.units or ("pixel",) * count
    lengths = [MICROMETRES.get(units[at[letter]]) for letter in "yx"]
    in_um = all(lengths)
    (high, first), (wide, left) = (
        _measured(sides[at[x]], origin[at[x]], factor if in_um else 1 / sides[at[x]])
        for x, factor in zip("yx", lengths, strict=True)
    )
    # A stack in plain numbers stays as deep as it is wide: in pixels, as they are.
    plain = 1.0 if in_um else 1 / float(sides[at["y"]])
    stack = (
        _axis(x, layer.count(x), sides[at[x]], origin[at[x]], units[at[x]], plain)
        for x in layer.stack
    )
    return Where((high, wide) if in_um else None, (first, left), tuple(stack))


def _axis(letter: str, count: int, side: float, origin: float, unit: str, plain: float) -> Axis:
    """Return an axis as a file tells of it; channels lie nowhere."""
    if letter == "c":
        return Axis(letter, count)
    known, name = (SECONDS, "second") if letter == "t" else (MICROMETRES, "micrometer")
    factor = known.get(unit)
    step, first = _measured(side, origin, factor or (plain if letter == "z" else 1.0))
    return Axis(letter, count, step, first, name if factor else None)


def _measured(side: float, origin: float, factor: float | None) -> tuple[float, float]:
    return float(side * (factor or 1.0)), float(origin * (factor or 1.0))


def _world(kept: LayerAttributes, count: int) -> npt.NDArray[np.float64]:
    """Return the square of `count` + 1 from pixels to the world, as napari composes it."""
    shear = np.eye(count)
    given = kept.shear or ()
    if len(given) == count * (count - 1) // 2:
        shear[np.triu_indices(count, 1)] = given
    own = np.eye(count + 1)
    rotate = np.asarray(kept.rotate if kept.rotate is not None else np.eye(count))
    own[:-1, :-1] = rotate @ shear @ np.diag(kept.scale or np.ones(count))
    own[:-1, -1] = kept.translate or 0.0
    affine = np.eye(count + 1) if kept.affine is None else np.asarray(kept.affine)
    return np.asarray(affine @ own, np.float64)


def _turned(linear: npt.NDArray[np.float64]) -> bool:
    off = np.abs(linear - np.diag(np.diag(linear))).max()
    return bool(off > FLAT * np.abs(linear).max() or np.diag(linear).min() <= 0)
