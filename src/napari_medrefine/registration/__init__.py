"""Finding where a 10x or 40x field lies on its 4x overview: NumPy and SciPy only."""

from __future__ import annotations

from napari_medrefine.registration.placement import Placement, field_affine

__all__ = ["Placement", "field_affine"]
