"""Large pictures, read where they are looked at: OME-Zarr, TIFF pyramids, Deep Zoom, photos."""

from napari_medrefine.io.slides._level import Level
from napari_medrefine.io.slides._opening import open_pictures, open_slide
from napari_medrefine.io.slides._slide import Slide

__all__ = ["Level", "Slide", "open_pictures", "open_slide"]
