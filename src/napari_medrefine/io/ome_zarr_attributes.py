"""What OME-Zarr says of a picture: axes, scales and places of its levels, colours, our own record.

https://ngff.openmicroscopy.org/0.5/ and https://ngff.openmicroscopy.org/0.4/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_medrefine.images import largest_of
from napari_medrefine.io.pyramid_writer import Facts, PixelSize, PixelSource, level_sizes, sides_um
from napari_medrefine.io.stack_layout import Axis, Layout

Version = Literal["0.5", "0.4"]
FACTS_KEY = "napari-medrefine"  # the attribute that holds the provenance
COLOURS = (("R", "FF0000"), ("G", "00FF00"), ("B", "0000FF"), ("alpha", "FFFFFF"))
# Of other channels: apart for the colour-blind too (Okabe & Ito 2008).
_APART = ("56B4E9", "E69F00", "009E73", "F0E442", "0072B2", "D55E00", "CC79A7")
_TYPES = {"t": "time", "c": "channel", "z": "space"}


def metadata_of(
    name: str,
    source: PixelSource,
    pixel_um: PixelSize,
    version: Version,
    facts: Facts | None = None,
    channels: Sequence[str] | None = None,
    *,
    origin: tuple[float, float] = (0.0, 0.0),
    stack: Sequence[Axis] = (),
) -> dict[str, Any]:
    """Return the attributes of a picture's group; see `write_ome_zarr`."""
    layout = Layout.of(source.shape, stack)
    known = {axis.letter: axis for axis in stack}
    unit = None if pixel_um is None else "micrometer"
    for letter, side, first in zip("yx", sides_um(pixel_um) or (1.0, 1.0), origin, strict=True):
        known[letter] = Axis(letter, 0, side, first, unit)
    axes = [known.get(letter, Axis(letter, layout.colours)) for letter in layout.letters]
    multiscale = {
        "name": name,
        "axes": [_axis(axis) for axis in axes],
        "datasets": [_dataset(n, axes) for n in range(len(level_sizes(*source.shape[:2])))],
        "type": "mean",
        "metadata": {"description": "Means of 2 x 2 pixels of the next finer level."},
    }
    if layout.numbered and channels is None:  # three of them are not red, green and blue
        channels = [str(number + 1) for number in range(known["c"].count)]
    omero = {"name": name, **_omero(source.dtype, layout.colours, channels)}
    return _attributes({"multiscales": [multiscale], "omero": omero}, version, facts)


def _attributes(metadata: dict[str, Any], version: Version, facts: Facts | None) -> dict[str, Any]:
    """Return the group's attributes: 0.5 keeps its own under one key, 0.4 does not."""
    if version == "0.5":
        attributes: dict[str, Any] = {"ome": {"version": version, **metadata}}
    else:
        attributes = {
            **metadata,
            "multiscales": [{"version": version, **m} for m in metadata["multiscales"]],
            "omero": {"version": version, **metadata["omero"]},
        }
    return attributes if facts is None else {**attributes, FACTS_KEY: dict(facts)}


def _axis(axis: Axis) -> dict[str, str]:
    told = {"name": axis.letter, "type": _TYPES.get(axis.letter, "space")}
    return told if axis.unit is None else {**told, "unit": axis.unit}


def _omero(dtype: npt.DTypeLike, colours: int, channels: Sequence[str] | None) -> dict[str, Any]:
    """Return how viewers are to show the channels; without names, those of the colours."""
    dtype, count = np.dtype(dtype), len(channels) if channels else colours
    most = float(largest_of(dtype))
    window = {"min": 0, "max": most, "start": 0, "end": most}
    if channels is None and count in (3, 4):
        shown = list(COLOURS[:count])
    elif count == 1:
        shown = [((channels or ("grey",))[0], "FFFFFF")]
    else:
        names = channels or [str(number) for number in range(count)]
        shown = [(label, _APART[i % len(_APART)]) for i, label in enumerate(names)]
    described = [
        {
            "label": label,
            "color": color,
            "window": window,
            "active": label != "alpha",
            "coefficient": 1,
            "family": "linear",
            "inverted": False,
        }
        for label, color in shown
    ]
    return {"channels": described, "rdefs": {"model": "greyscale" if count == 1 else "color"}}


def _dataset(level: int, axes: Sequence[Axis]) -> dict[str, Any]:
    """Return where a level lies: a mean of f pixels has its centre (f - 1) / 2 pixels further."""
    factors = [2**level if axis.letter in "yx" else 1 for axis in axes]
    each = list(zip(axes, factors, strict=True))
    return {
        "path": str(level),
        "coordinateTransformations": [
            {"type": "scale", "scale": [f * axis.step for axis, f in each]},
            {
                "type": "translation",
                "translation": [axis.origin + (f - 1) / 2 * axis.step for axis, f in each],
            },
        ],
    }
