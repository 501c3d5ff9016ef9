"""A procedural H&E slide of our own: sample data, the demo's pictures and the tests' truth."""

from napari_medrefine.samples.camera import SlidePhoto, field_to_overview
from napari_medrefine.samples.photos import (
    demo_photos,
    demo_photos_steps,
    layers_of,
    sample_layers,
)
from napari_medrefine.samples.slide import Slide

__all__ = [
    "Slide",
    "SlidePhoto",
    "demo_photos",
    "demo_photos_steps",
    "field_to_overview",
    "layers_of",
    "sample_layers",
]
