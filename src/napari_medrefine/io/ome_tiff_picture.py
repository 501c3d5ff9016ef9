"""A picture, or a stack of them, for an OME-TIFF, and what the file says of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from napari_medrefine.io.pyramid_writer import (
    Facts,
    PixelSize,
    PixelSource,
    count_tiles,
    level_sizes,
    sides_um,
)
from napari_medrefine.io.stack_layout import Axis, count_planes

_FINEST, _COARSEST = 1e-5, 1e9  # micrometres to a pixel


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture to write, and what the file says of it.

    Attributes
    ----------
    source : PixelSource
        ``(H, W)`` grey, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA; uint8, uint16, float32 or float64.
    pixel_um : float, (float, float) or None
        Side of a pixel, or its height and width, in micrometres.
    name : str
        Of the image.
    facts : mapping, optional
        What JSON can hold: becomes the image's Description.
    stack : tuple of Axis
        What numbers its pictures, in the order t, c, z; `source` is a `StackSource` then.
    """

    source: PixelSource
    pixel_um: PixelSize = None
    name: str = ""
    facts: Facts | None = None
    stack: tuple[Axis, ...] = ()

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Heights and widths of its levels."""
        return level_sizes(*self.source.shape[:2])

    @property
    def counts(self) -> tuple[int, ...]:
        """How many pictures there are along each axis."""
        return tuple(axis.count for axis in self.stack)

    @property
    def tiles(self) -> int:
        """How many tiles all its levels have."""
        return count_planes(self.stack) * count_tiles(self.sizes)


def ome_metadata(picture: Picture) -> dict[str, Any]:
    """Return what OME-XML is to say of a picture, as tifffile takes it."""
    letters = "".join(axis.letter for axis in picture.stack)
    ome: dict[str, Any] = {
        "axes": letters.upper() + ("YXS" if len(picture.source.shape) == 3 else "YX"),
        "Name": picture.name,
    }
    for axis, side in zip("YX", sides_um(picture.pixel_um) or (), strict=False):
        ome |= {f"PhysicalSize{axis}": side, f"PhysicalSize{axis}Unit": "µm"}
    for one in picture.stack:
        if one.letter == "z" and one.unit == "micrometer":
            ome |= {"PhysicalSizeZ": one.step, "PhysicalSizeZUnit": "µm"}
        if one.letter == "t" and one.unit == "second":
            ome |= {"TimeIncrement": one.step, "TimeIncrementUnit": "s"}
    if picture.facts is not None:
        ome["Description"] = json.dumps(dict(picture.facts))
        # Else tifffile takes a new one every time, and no two runs would give the same bytes.
        told = f"{picture.name} {picture.pixel_um} {ome['Description']}"
        ome["UUID"] = str(uuid5(NAMESPACE_OID, told))
    return ome


def per_centimetre(pixel_um: PixelSize) -> tuple[float, float] | None:
    """Return pixels to a centimetre, x and y, for readers that know only TIFF.

    None where they are not known, or no fraction of two 32-bit numbers.
    """
    sides = sides_um(pixel_um)
    if sides is None or not all(_FINEST < side < _COARSEST for side in sides):
        return None
    return 1e4 / sides[1], 1e4 / sides[0]
