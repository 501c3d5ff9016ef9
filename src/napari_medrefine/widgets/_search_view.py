"""How a search went, as napari layers: the spiral at every level, coloured by score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_medrefine.registration.trace import Walk
from napari_medrefine.widgets._geometry import Layer, same_place
from napari_medrefine.widgets._layers import KEY

LayerData = tuple[Any, dict[str, Any], str]


def search_layers(overview: Layer, field: Layer, walks: Sequence[Walk]) -> list[LayerData]:
    """Return points for every level, coarse to fine, and the coarse levels' way as a line."""
    layers: list[LayerData] = []
    width = max(overview.extent.data[1] - overview.extent.data[0])
    for walk in walks:
        if not walk.refined:
            layers.append(_way(overview, field, walk, width / 3000))
        layers.append(_points(overview, field, walk, width))
    return layers


def _points(overview: Layer, field: Layer, walk: Walk, width: float) -> LayerData:
    low, high = np.quantile(walk.score, [0.3, 1.0])
    what = "refined" if walk.refined else "spiral"
    options = {
        **same_place(overview),
        "name": f"{field.name} · {what} at 1/{walk.factor}",
        "symbol": "ring" if walk.refined else "disc",
        "size": width / 40 if walk.refined else 0.6 * width / np.sqrt(len(walk.points) + 1),
        "features": {
            "order": np.arange(len(walk.points)),
            "score": np.round(walk.score.astype(float), 3),
        },
        "face_color": "score",
        "face_colormap": "viridis",
        "face_contrast_limits": (float(low), float(max(high, low + 1e-3))),
        "border_width": 0,
        "opacity": 0.8,
        "metadata": _about(overview, field),
    }
    return walk.points, options, "points"


def _way(overview: Layer, field: Layer, walk: Walk, thickness: float) -> LayerData:
    options = {
        **same_place(overview),
        "name": f"{field.name} · way of the spiral at 1/{walk.factor}",
        "shape_type": "path",
        "edge_color": "white",
        "edge_width": thickness,
        "opacity": 0.5,
        "metadata": _about(overview, field),
    }
    return [walk.points], options, "shapes"


def _about(overview: Layer, field: Layer) -> dict[str, Any]:
    return {KEY: {"search_of": [field.name], "overview": overview.name}}
