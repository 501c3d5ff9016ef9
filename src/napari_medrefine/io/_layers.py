"""Layer data as napari's readers give it, without napari."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LayerData = tuple[Any, dict[str, Any], str]
KEY = "medrefine"  # our entry in a layer's metadata, and our attribute of lazy data


def image_layer(data: Any, name: str, pixel_um: float | None, facts: dict[str, Any]) -> LayerData:
    """Return an image layer with its pixel size, if that is known; else it is left in pixels.

    Parameters
    ----------
    data : array
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``.
    name : str
        The layer's name.
    pixel_um : float or None
        The side of a pixel in micrometres.
    facts : dict
        What is known of the image, for ``layer.metadata["medrefine"]``.
    """
    attributes: dict[str, Any] = {
        "name": name,
        "rgb": data.ndim == 3,
        "metadata": {KEY: facts},
    }
    if pixel_um is not None:
        attributes |= {"scale": (pixel_um, pixel_um), "units": ("um", "um")}
    return data, attributes, "image"


def remember(data: Any, facts: dict[str, Any]) -> None:
    """Note on lazy data what is known of the photo: a saved layer's metadata stay as they were."""
    setattr(data, KEY, facts)


def layer_facts(data: Any, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what is known of an image: what was remembered on its data, else its metadata."""
    told = metadata if isinstance(metadata, Mapping) else {}
    noted = getattr(data, KEY, None) or told.get(KEY)
    return dict(noted) if isinstance(noted, dict) else {}
