"""Put every photo where it belongs on the slide, and see what lies between the photos.

The public API, imported lazily: ``import napari_medrefine`` loads neither Qt, napari nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_medrefine.errors import MedRefineError
    from napari_medrefine.registration import Overview, Placement, register
    from napari_medrefine.superres import magnify, sharpen, trust_map

__version__ = "0.1.0"

__all__ = [
    "MedRefineError",
    "Overview",
    "Placement",
    "__version__",
    "magnify",
    "register",
    "sharpen",
    "trust_map",
]

_HOME = {
    "MedRefineError": "errors",
    "Overview": "registration",
    "Placement": "registration",
    "register": "registration",
    "magnify": "superres",
    "sharpen": "superres",
    "trust_map": "superres",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
