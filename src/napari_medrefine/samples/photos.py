"""The photos that a session at the microscope would bring home: one overview, some fields."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_medrefine.progress import Step, finish
from napari_medrefine.samples.camera import SlidePhoto, objective_of
from napari_medrefine.samples.slide import Slide

LayerData = tuple[Any, dict[str, Any], str]

# Objective, which of two busy places, (row, col) from there, degrees, pixel size against nominal.
_FIELDS = (
    (10, 0, (24.0, -40.0), 2.5, 1.00),
    (10, 1, (-30.0, 35.0), -4.0, 0.99),
    (40, 0, (0.0, 0.0), 3.0, 1.01),
    (40, 1, (0.0, 0.0), -2.0, 1.00),
)


def demo_photos(seed: int = 0) -> tuple[SlidePhoto, list[SlidePhoto]]:
    """Photograph one slide: a 4x overview, two 10x fields, then two 40x fields.

    The fields are turned by a few degrees, their pixel sizes are off by up to 1 %, and each has
    its own light, white balance, focus and noise, as photos have.

    Parameters
    ----------
    seed : int
        Which slide.

    Returns
    -------
    overview : SlidePhoto
        4x, 1024 x 1344 pixels of 1.25 um.
    fields : list of SlidePhoto
        10x (0.5 um) 640 x 840, 40x (0.125 um) 1024 x 1344; see `field_to_overview` for the truth.
    """
    return finish(demo_photos_steps(seed))


def demo_photos_steps(
    seed: int = 0,
) -> Generator[Step, None, tuple[SlidePhoto, list[SlidePhoto]]]:
    """Do as `demo_photos` does; yield a `Step` per photo and return the photos."""
    total = 2 + len(_FIELDS)
    yield Step(0, total, "Preparing a procedural slide ...")
    slide = Slide(seed, size_um=(1440.0, 1840.0))  # the overview's surroundings
    yield Step(1, total, "Photographing it at 4x ...")
    overview = slide.photograph(4, seed=1)
    fields = []
    busy = _busy_places(overview)
    for k, (objective, which, offset, degrees, off) in enumerate(_FIELDS):
        yield Step(2 + k, total, f"Photographing it at {objective}x ...")
        centre = overview.matrix_to_slide @ np.array([*(busy[which] + np.array(offset)), 1.0])
        fields.append(
            slide.photograph(
                objective,
                centre_um=(float(centre[0]), float(centre[1])),
                degrees=degrees,
                shape=(640, 840) if objective == 10 else (1024, 1344),
                pixel_um=objective_of(objective).pixel_um * off,
                defocus_um=0.15 * k,
                seed=2 + k,
            )
        )
    return overview, fields


def _busy_places(overview: SlidePhoto) -> list[npt.NDArray[np.float64]]:
    """Return the (row, col) with the strongest contrast in the left and in the right half."""
    grey = overview.image.mean(-1)
    box = (102, 134)  # what a 40x field covers
    contrast = ndi.uniform_filter(grey**2, box) - ndi.uniform_filter(grey, box) ** 2
    blank = ndi.uniform_filter((grey > 225).astype(np.float64), box)
    value = np.where(blank < 0.12, contrast, -blank)
    places = []
    for columns in (slice(240, 640), slice(704, 1104)):
        part = value[190:-190, columns]
        row, col = np.unravel_index(part.argmax(), part.shape)
        places.append(np.array([row + 190.0, col + float(columns.start)]))
    return places


def sample_layers(seed: int = 0) -> list[LayerData]:
    """Return the photos of `demo_photos` as napari layers, just opened: none is placed.

    Returns
    -------
    list of (image, keyword arguments, "image")
        Names "slide 4x", "slide 10x 1", ...; `scale` is the nominal pixel size in micrometres.
    """
    return layers_of(*demo_photos(seed))


def layers_of(overview: SlidePhoto, fields: Sequence[SlidePhoto]) -> list[LayerData]:
    """Return photos as `sample_layers` does."""
    counts: dict[float, int] = {}
    layers = [_layer(overview, "slide 4x")]
    for photo in fields:
        counts[photo.objective] = counts.get(photo.objective, 0) + 1
        layers.append(_layer(photo, f"slide {photo.objective:g}x {counts[photo.objective]}"))
    return layers


def _layer(photo: SlidePhoto, name: str) -> LayerData:
    pixel = objective_of(photo.objective).pixel_um
    about = {
        "objective": photo.objective,
        "pixel_um": pixel,
        "generated": "procedural slide, not a photo of tissue",
    }
    options = {
        "name": name,
        "rgb": True,
        "scale": (pixel, pixel),
        "units": ("um", "um"),
        "metadata": {"medrefine": about},
    }
    return photo.image, options, "image"
