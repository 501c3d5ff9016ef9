"""An image layer to be saved as OME-TIFF or OME-Zarr: a photo, or a stack, plane by plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medrefine.dataset.layer_state import LayerAttributes
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._layer_attributes import keep
from napari_medrefine.io._photo_layers import image_of
from napari_medrefine.io.image_axes import axis_letters, picture_axes
from napari_medrefine.io.stack_layout import ORDER, Index


@dataclass(frozen=True, slots=True)
class ImageLayer:
    """An image layer that can be saved.

    Attributes
    ----------
    name : str
        The layer's.
    data : array
        In full resolution; NumPy, dask, zarr, ...
    attributes : LayerAttributes
        What is kept of it besides the pixels.
    channels : {0, 3, 4}
        Values of a pixel, along the last axis; 0: grey.
    multiscale : bool
        Whether it had several levels.
    axes : str
        What its axes are, the colours' aside: y, x, and for each other one t, c or z.
    """

    name: str
    data: Any
    attributes: LayerAttributes
    channels: int
    multiscale: bool
    axes: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its pixels, in this machine's byte order."""
        dtype: np.dtype[Any] = np.dtype(self.data.dtype).newbyteorder("=")
        return dtype

    @property
    def stack(self) -> str:
        """The axes that number its planes, in the order in which files have them."""
        return "".join(letter for letter in ORDER if letter in self.axes)

    def count(self, letter: str) -> int:
        """Return the length of an axis."""
        return int(self.data.shape[self.axes.index(letter)])


def as_image_layer(
    data: Any, state: Mapping[str, Any], kind: str, *, colours_are_channels: bool
) -> ImageLayer:
    """Return a layer (napari's ``as_layer_data_tuple``) as one that can be saved.

    Of a multiscale layer it is the full resolution.

    Parameters
    ----------
    colours_are_channels : bool
        Whether the file keeps colours along its axis of channels, as OME-Zarr does: a stack of
        colour pictures cannot have channels besides then.

    Raises
    ------
    MedRefineError
        If it cannot, saying why.
    """
    name, data = image_of(data, state, kind)
    shape = tuple(int(n) for n in data.shape)
    rgb = bool(state.get("rgb", len(shape) == 3 and shape[-1] in (3, 4)))
    sides = shape[:-1] if rgb else shape
    if len(sides) < 2 or (rgb and shape[-1] not in (3, 4)):
        raise MedRefineError(
            f"Cannot save '{name}': its shape is {shape}, which is no image, grey or RGB."
        )
    kept = keep(name, state)
    if kept.ndim not in (None, len(sides)):
        raise MedRefineError(
            f"Cannot save '{name}': its shape is {shape}, and its place has {kept.ndim} axes."
        )
    taken = "c" if rgb and colours_are_channels else ""
    axes = _axes(kept, sides, rgb=rgb, taken=taken)
    _check(name, axes, taken)
    channels = shape[-1] if rgb else 0
    return ImageLayer(name, data, kept, channels, bool(state.get("multiscale")), axes)


def _axes(kept: LayerAttributes, sides: tuple[int, ...], *, rgb: bool, taken: str) -> str:
    """Return the letters of a layer's axes; a channels' axis that is `taken` becomes ``!``."""
    letters = axis_letters(
        picture_axes(sides, kept.axis_labels, rgb=rgb),
        len(sides),
        labels=kept.axis_labels,
        units=kept.units,
        metadata=kept.metadata,
        free="".join(letter for letter in "zct" if letter not in taken),
    )
    return letters.replace("c", "!") if taken else letters


def _check(name: str, axes: str, taken: str) -> None:
    if "!" in axes:
        raise MedRefineError(
            f"Cannot save '{name}' as OME-Zarr: it has channels, each with colours, and there is "
            "one axis for both; save it as OME-TIFF (.ome.tif)."
        )
    if "?" in axes:
        known = "two beside colours: time and depth" if taken else "three: time, channel and depth"
        raise MedRefineError(
            f"Cannot save '{name}': it has {len(axes) - 2} axes besides rows and columns, and "
            f"{'OME-Zarr' if taken else 'OME'} has {known}; right-click the layer in the layer "
            "list, choose 'Split Stack', and save its parts."
        )


class LayerSource:
    """A layer's pixels, in the dtype of the file; of a stack, those of one of its planes."""

    def __init__(
        self, layer: ImageLayer, dtype: npt.DTypeLike | None = None, plane: Index = ()
    ) -> None:
        self._layer, self._plane = layer, plane
        self.dtype: np.dtype[Any] = np.dtype(dtype or layer.dtype)
        colours = (layer.channels,) if layer.channels else ()
        self.shape: tuple[int, ...] = (layer.count("y"), layer.count("x"), *colours)

    def plane(self, index: Index) -> LayerSource:
        """Return a plane, by its number along each axis of `ImageLayer.stack`."""
        return LayerSource(self._layer, self.dtype, index)

    def render(self, top: int, left: int, height: int, width: int) -> npt.NDArray[Any]:
        """Return a part of a plane."""
        layer = self._layer
        where: dict[str, int | slice] = dict(zip(layer.stack, self._plane, strict=True))
        where |= {"y": slice(top, top + height), "x": slice(left, left + width)}
        part = np.asarray(layer.data[tuple(where[letter] for letter in layer.axes)])
        return part.astype(self.dtype, copy=False)
