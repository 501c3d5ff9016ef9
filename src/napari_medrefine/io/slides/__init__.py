"""Large pictures, read where they are looked at: OME-Zarr, TIFF pyramids, Deep Zoom, photos."""

from napari_medrefine.io.slides._level import Level
from napari_medrefine.io.slides._opening import (
    levels_are_placed,
    open_pictures,
    open_slide,
    open_stack,
)
from napari_medrefine.io.slides._slide import Slide
from napari_medrefine.io.slides._stack import Stack, StackLevel

__all__ = [
    "Level",
    "Slide",
    "Stack",
    "StackLevel",
    "levels_are_placed",
    "open_pictures",
    "open_slide",
    "open_stack",
]
