"""What napari says of an image layer, as it stands in a manifest, and back."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
from pydantic import ValidationError

from napari_medrefine._names import as_text
from napari_medrefine._photos.scale import MICRONS
from napari_medrefine._records import first_problem
from napari_medrefine.dataset.layer_state import LayerAttributes
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._layers import KEY
from napari_medrefine.registration import Placement, placement_file

MICROMETRES = {**MICRONS, "µm": 1.0, "pm": 1e-6, "picometer": 1e-6, "angstrom": 1e-4, "dm": 1e5,
               "decimeter": 1e5, "km": 1e9, "kilometer": 1e9, "foot": 304_800.0}  # fmt: skip
SECONDS = {"s": 1.0, "second": 1.0, "ms": 1e-3, "millisecond": 1e-3, "min": 60.0, "minute": 60.0,
           "h": 3600.0, "hour": 3600.0}  # fmt: skip


def keep(name: str, state: Mapping[str, Any]) -> LayerAttributes:
    """Return what can be kept of a layer's `state` (see napari's ``as_layer_data_tuple``).

    Parameters
    ----------
    name : str
        The layer's name, for messages.
    state : mapping
        Attributes by napari's names. Of the metadata, what JSON can hold is kept; a warning names
        the rest.

    Raises
    ------
    MedRefineError
        If a value is none that such a layer can have.
    """
    known = {key: _plain(state[key]) for key in LayerAttributes.model_fields if key in state}
    metadata = state.get("metadata")
    known["metadata"] = _kept_metadata(name, metadata if isinstance(metadata, Mapping) else {})
    units = known.get("units")
    known["units"] = [str(unit) for unit in units] if isinstance(units, list | tuple) else None
    affine = getattr(state.get("affine"), "affine_matrix", state.get("affine"))
    known["affine"] = None if affine is None else np.asarray(affine).tolist()
    try:
        return LayerAttributes.model_validate(known)
    except ValidationError as error:
        raise MedRefineError(f"Cannot save '{name}': {first_problem(error)}.") from error


def restore(attributes: LayerAttributes) -> dict[str, Any]:
    """Return `attributes` as napari takes them."""
    given: dict[str, Any] = attributes.model_dump(exclude_none=True)
    ours = (given.get("metadata") or {}).get(KEY)
    if isinstance(ours, dict) and isinstance(ours.get("placement"), dict):
        ours["placement"] = placement_file.from_json(ours["placement"], "A layer's metadata")
    if "colormap" in given:
        given["colormap"] = _arrays(given["colormap"])
    for key in ("rotate", "shear", "affine", "custom_interpolation_kernel_2d"):
        if key in given:
            given[key] = np.asarray(given[key], np.float64)
    return given


def pixel_um(state: Mapping[str, Any]) -> float | None:
    """Return the side of a layer's pixel in micrometres, if its scale and units say so."""
    scale, units = state.get("scale"), state.get("units")
    if scale is None or units is None or isinstance(units, str) or len(units) != len(scale):
        return None
    factors = [_micrometres(unit) for unit in units]
    sides = [abs(float(s)) * f for s, f in zip(scale, factors, strict=True) if f]
    if len(sides) != 2 or not 0 < min(sides) <= max(sides) < min(sides) * 1.001:
        return None
    return float(np.sqrt(sides[0] * sides[1]))


def _micrometres(unit: Any) -> float | None:
    """Return how many micrometres a unit (pint's, or its name) is; None if it is no length."""
    if isinstance(unit, str):
        return MICROMETRES.get(unit)
    return float((1 * unit).to("micrometer").magnitude) if _is_length(unit) else None


def _is_length(unit: Any) -> bool:
    return bool(unit.is_compatible_with("micrometer"))


def _kept_metadata(name: str, metadata: Mapping[Any, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    lost = []
    for key, value in metadata.items():
        try:
            text = json.dumps({key: value}, allow_nan=False, ensure_ascii=False, default=_as_json)
            if not _text_keys({key: value}):
                raise TypeError("JSON has text for keys")
            kept |= json.loads(as_text(text))
        except (TypeError, ValueError, RecursionError):
            lost.append(str(key))
    if lost:
        warnings.warn(
            f"{', '.join(lost)} of the metadata of '{name}' cannot be kept; only text, numbers, "
            "lists and dictionaries are saved.",
            stacklevel=2,
        )
    return kept


def _text_keys(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _text_keys(inner) for key, inner in value.items())
    return all(_text_keys(inner) for inner in value) if isinstance(value, list | tuple) else True


def _as_json(value: Any) -> Any:
    """Return a NumPy number as Python's own, a placement as its record (for `json`)."""
    if isinstance(value, Placement):
        return placement_file.to_json(value)
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no JSON")


def _plain(value: Any) -> Any:
    """Return arrays, enumerations and the models of napari as Python's lists, texts and dicts."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _arrays(colormap: dict[str, Any]) -> dict[str, Any]:
    return {
        key: np.asarray(value, np.float32) if isinstance(value, tuple) else value
        for key, value in colormap.items()
    }
