"""Finding where a 10x or 40x field lies on its 4x overview: NumPy, SciPy and scikit-image only."""

from __future__ import annotations

from napari_medrefine.registration.overview import Overview, register
from napari_medrefine.registration.placement import Placement, field_affine

__all__ = ["Overview", "Placement", "field_affine", "register"]
