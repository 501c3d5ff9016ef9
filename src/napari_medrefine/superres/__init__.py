"""The SR-GAN: magnifying and sharpening, and the networks behind them; imported lazily.

``import napari_medrefine.superres`` loads no torch: that comes when a network runs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_medrefine.superres.api import magnify, magnify_steps, sharpen, sharpen_steps
    from napari_medrefine.superres.bioimage_export import export_model, export_model_steps
    from napari_medrefine.superres.cards import ModelCard
    from napari_medrefine.superres.models import list_models, load_model, save_model
    from napari_medrefine.superres.tiles import TileDataset
    from napari_medrefine.superres.training import train_steps
    from napari_medrefine.superres.trust import trust_map, trust_map_steps

__all__ = [
    "ModelCard",
    "TileDataset",
    "export_model",
    "export_model_steps",
    "list_models",
    "load_model",
    "magnify",
    "magnify_steps",
    "save_model",
    "sharpen",
    "sharpen_steps",
    "train_steps",
    "trust_map",
    "trust_map_steps",
]

_HOME = {
    "ModelCard": "cards",
    "TileDataset": "tiles",
    "export_model": "bioimage_export",
    "export_model_steps": "bioimage_export",
    "list_models": "models",
    "load_model": "models",
    "magnify": "api",
    "magnify_steps": "api",
    "save_model": "models",
    "sharpen": "api",
    "sharpen_steps": "api",
    "train_steps": "training",
    "trust_map": "trust",
    "trust_map_steps": "trust",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
