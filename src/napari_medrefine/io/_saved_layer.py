"""What an image file of ours says of the layer that it was: enough to open it as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from napari_medrefine import __version__
from napari_medrefine._records import record_of
from napari_medrefine.dataset.layer_state import LayerAttributes, LayerDtype
from napari_medrefine.io._layer_attributes import um_of
from napari_medrefine.io._photo_layers import PhotoLayer
from napari_medrefine.io.ome_zarr import FACTS_KEY
from napari_medrefine.registration.exchange.napari_layer import physical

FLAT = 1e-9  # of the scale: what is turned less than this is not turned


class SavedLayer(BaseModel):
    """A layer as it was saved.

    Attributes
    ----------
    layer : 1
        The version of this record.
    version : str
        Of the package that wrote it.
    dtype : str
        Of its pixels; the file may hold a wider one.
    channels : {0, 3, 4}
        0: grey.
    multiscale : bool
        Whether it had several levels.
    attributes : LayerAttributes
        Everything else that napari says of it; its provenance is in the metadata.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    layer: Literal[1] = 1
    version: str = __version__
    dtype: LayerDtype
    channels: Literal[0, 3, 4]
    multiscale: bool = False
    attributes: LayerAttributes

    @classmethod
    def of(cls, layer: PhotoLayer, *, multiscale: bool) -> Self:
        """Return what is to be kept of a layer."""
        return cls.model_validate(
            {
                "dtype": layer.dtype.name,
                "channels": layer.channels,
                "multiscale": multiscale,
                "attributes": layer.attributes,
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
    """

    pixel_um: tuple[float, float] | None
    origin: tuple[float, float]


def where(layer: PhotoLayer) -> Where:
    """Return what can be told of a layer's place: all of it, unless it is turned or sheared."""
    kept = layer.attributes
    names = ("scale", "translate", "rotate", "shear")
    known = {name: getattr(kept, name) for name in names if getattr(kept, name)}
    own = physical(known, Path(layer.name), None)
    world = np.asarray(kept.affine if kept.affine is not None else np.eye(3)) @ own
    factors = um_of(kept.units)
    scale = np.abs(np.asarray(kept.scale or (1.0, 1.0)))
    turned = _turned(world)
    if not turned:
        scale = np.diag(world)[:2]
    in_um = factors is not None
    per_unit = np.asarray(factors if factors is not None else 1 / scale)
    origin = np.zeros(2) if turned else world[:2, 2] * per_unit
    sides = scale * per_unit
    return Where(
        (float(sides[0]), float(sides[1])) if in_um else None, (float(origin[0]), float(origin[1]))
    )


def _turned(world: npt.NDArray[np.float64]) -> bool:
    linear = world[:2, :2]
    off = np.abs([linear[0, 1], linear[1, 0]]).max()
    return bool(off > FLAT * np.abs(linear).max() or min(linear[0, 0], linear[1, 1]) <= 0)
