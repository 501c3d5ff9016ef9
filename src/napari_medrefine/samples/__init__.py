"""A procedural H&E slide of our own: sample data, the demo's pictures and the tests' truth."""

from napari_medrefine.samples.camera import SlidePhoto, field_to_overview
from napari_medrefine.samples.photos import demo_photos, sample_layers
from napari_medrefine.samples.slide import Slide

__all__ = ["Slide", "SlidePhoto", "demo_photos", "field_to_overview", "sample_layers"]
