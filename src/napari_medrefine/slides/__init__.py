"""Whole slides through the networks, from disk to disk: here, or on a cluster."""

from __future__ import annotations

from napari_medrefine.slides.magnify import magnify_slide_steps

__all__ = ["magnify_slide_steps"]
