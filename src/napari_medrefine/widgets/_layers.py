"""What the widgets need to know of a napari layer, as arrays and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Shapes

from napari_medrefine._photos.nominal import nominal_ratio
from napari_medrefine._photos.scale import name_before_objective, objective_in
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io import image_axes
from napari_medrefine.widgets._geometry import Layer, to_micrometres

Viewer = Any
LARGEST_PHOTO = 100_000_000  # pixels above which a lazy image is read part by part
KEY = "medrefine"  # our entry in layer.metadata
HELPER = "helper_of"  # names, in our entry, what a layer is there for that is gone with it
FINER = 1.2  # how many times finer a field must be than its overview


def images(viewer: Viewer) -> list[Layer]:
    """Return the viewer's image layers, the bottom one first, without those that only help to see.

    A layer that helps to see for a while (a swipe, say) has ``HELPER`` in our notes on it.
    """
    return [
        layer for layer in viewer.layers if isinstance(layer, Image) and HELPER not in about(layer)
    ]


def shapes(viewer: Viewer) -> list[Layer]:
    """Return the viewer's shapes layers, the bottom one first."""
    return [layer for layer in viewer.layers if isinstance(layer, Shapes)]


def about(layer: Layer) -> dict[str, Any]:
    """Return what we have noted on a layer; a copy."""
    noted = layer.metadata.get(KEY)
    return dict(noted) if isinstance(noted, dict) else {}


def note(layer: Layer, **entries: Any) -> None:
    """Add to what we have noted on a layer, leaving the user's own metadata alone."""
    layer.metadata = {**layer.metadata, KEY: {**about(layer), **entries}}


def show(layer: Layer, *, visible: bool = True) -> None:
    """Show or hide a layer; napari draws one anew that is told what it is already."""
    if layer.visible != visible:
        layer.visible = visible


def check_photo(layer: Layer, what: str) -> Layer:
    """Return `layer` if it can be a photo.

    Raises
    ------
    MedRefineError
        If it is missing, no image layer, or has more than two dimensions.
    """
    if check_stack(layer, what).ndim != 2:
        raise MedRefineError(
            f"'{layer.name}' has {layer.ndim} dimensions (a stack, a time lapse or channels); "
            "choose a single 2-D photo, or right-click that layer in the layer list, choose "
            "'Split Stack', and then one of its planes."
        )
    return layer


def check_stack(layer: Layer, what: str) -> Layer:
    """Return `layer` if it can be a photo or several: channels, sections, times.

    Raises
    ------
    MedRefineError
        If it is missing or no image layer.
    """
    if layer is None:
        raise MedRefineError(f"Select {what} first: open a photo, then choose its layer above.")
    if not isinstance(layer, Image):
        raise MedRefineError(f"'{layer.name}' is no image layer; choose a photo.")
    return layer


def picture_axes(layer: Layer) -> tuple[int, int]:
    """Return which axes of an image layer are rows and columns; the others number its planes."""
    return image_axes.picture_axes(
        tuple(pixels(layer).shape)[: layer.ndim], layer.axis_labels, rgb=bool(layer.rgb)
    )


def pixels(layer: Layer, level: int = 0) -> Any:
    """Return the layer's pixels, as napari has them (NumPy, dask, ...), at a multiscale level."""
    return layer.data[level] if layer.multiscale else layer.data


def all_pixels(layer: Layer) -> Any:
    """Return the pixels for an `Overview`: lazy ones stay lazy, all levels of a multiscale layer.

    A single-scale photo that is lazy only since a reader made it so is read at once.
    """
    if layer.multiscale:
        return list(layer.data)
    data = layer.data
    lazy = data.shape[0] * data.shape[1] > LARGEST_PHOTO
    return data if lazy else np.asarray(data)


def shape(layer: Layer) -> tuple[int, int]:
    """Return height and width of the layer's full-resolution image."""
    rows, cols = picture_axes(layer)
    return int(pixels(layer).shape[rows]), int(pixels(layer).shape[cols])


def pixel_um(layer: Layer, axes: tuple[int, int] = (-2, -1)) -> float | None:
    """Return the side of a pixel in micrometres, if the layer's scale or our notes say it."""
    microns = to_micrometres(layer, axes)
    if microns is not None:
        sides = np.abs(np.asarray(layer.scale)[list(axes)]) * microns
        return float(np.sqrt(sides.prod()))
    noted = about(layer).get("pixel_um")
    return float(noted) if noted else None


def file_of(layer: Layer) -> str:
    """Return the name of the file that a layer was opened from; else the layer's own."""
    path = layer.source.path or about(layer).get("source")
    return str(path).replace("\\", "/").rpartition("/")[2] if path else str(layer.name)


def objective(layer: Layer) -> float | None:
    """Return the objective's magnification, from our notes, the layer's name or its file's."""
    noted = about(layer).get("objective")
    if noted:
        return float(noted)
    path = layer.source.path
    stems = [layer.name, *([str(path).replace("\\", "/").rpartition("/")[2]] if path else [])]
    found = (objective_in(stem.rpartition(".")[0] or stem) for stem in stems)
    return next((value for value in found if value is not None), None)


def is_photographed(layer: Layer) -> bool:
    """Return whether a layer is a camera's photo through a known objective, and not a scan."""
    return not (is_derived(layer) or layer.multiscale) and objective(layer) is not None


def slide(layer: Layer) -> str | None:
    """Return the slide that a layer's name begins with, as in ``slide1_40x_3``."""
    return name_before_objective(layer.name)


@dataclass(frozen=True)
class Magnification:
    """What a layer says of its magnification; None where it says nothing."""

    pixel_um: float | None
    objective: float | None

    @classmethod
    def of(cls, layer: Layer) -> Magnification:
        """Read it off a layer."""
        return cls(pixel_um(layer), objective(layer))

    def ratio(self, field: Magnification) -> float | None:
        """Return how many pixels of `field` make one of this overview.

        See `nominal_ratio`; pixels of the same size make 1 where nothing says otherwise.
        """
        alike = 1.0 if self.pixel_um and field.pixel_um else None
        return nominal_ratio(self, field) or alike


def likely_overview(layers: Sequence[Layer]) -> Layer | None:
    """Return the photo that most others are finer than; the bottom one where nothing says."""
    known = [Magnification.of(layer) for layer in layers]
    finer = [sum((a.ratio(b) or 1.0) > FINER for b in known) for a in known]
    return layers[int(np.argmax(finer))] if layers else None


def likely_fields(overview: Layer | None, layers: Sequence[Layer]) -> list[Layer]:
    """Return the photos that may lie on `overview`: finer ones, of the same slide if names tell."""
    if overview is None:
        return []
    own = Magnification.of(overview)
    others = [layer for layer in layers if layer is not overview]
    finer = [x for x in others if (own.ratio(Magnification.of(x)) or np.inf) > FINER]
    name = slide(overview)
    same = [layer for layer in finer if slide(layer) == name] if name else []
    return same or finer


def is_derived(layer: Layer) -> bool:
    """Whether we made this layer from others."""
    return bool({"made_from", "difference_of", HELPER} & about(layer).keys())
