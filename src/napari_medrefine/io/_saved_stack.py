"""A stack in a file as the layer that it was: its axes in the layer's order again."""

from __future__ import annotations

from typing import Any

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._lazy import lazy
from napari_medrefine.io._saved_layer import SavedLayer
from napari_medrefine.io.slides import Stack


def stack_arrays(stack: Stack, saved: SavedLayer) -> list[Any]:
    """Return a dask array for each level, read where one looks.

    Raises
    ------
    MedRefineError
        If it is not the stack that `saved` describes.
    """
    axes = saved.axes or "yx"
    stored = stack.axes
    if saved.channels and "s" not in stored and "c" not in axes:
        stored = stored.replace("c", "s")  # OME-Zarr keeps colours along its channels' axis
    wanted = axes + ("s" if saved.channels else "")
    return [_as_wanted(level, stored, wanted, saved.channels, stack) for level in stack.levels]


def _as_wanted(level: Any, stored: str, wanted: str, channels: int, stack: Stack) -> Any:
    # An axis of length 1 may be left out (by tifffile), or be there where the layer has none.
    extra = [axis for axis in stored if axis not in wanted]
    colours = level.shape[stored.index("s")] if "s" in stored else 0
    lengths = dict(zip(stored, level.shape, strict=False))
    odd = len(set(stored)) < len(stored) or not {"y", "x"} <= set(stored)
    if odd or colours != channels or any(lengths[axis] != 1 for axis in extra):
        raise MedRefineError(f"{stack.path} does not hold the layer that it describes.")
    array = lazy(level)
    kept = [axis for axis in stored if axis in wanted]
    array = array[tuple(slice(None) if axis in wanted else 0 for axis in stored)]
    missing = [axis for axis in wanted if axis not in kept]
    order = kept + missing
    array = array[(..., *(None for _ in missing))]
    return array.transpose([order.index(axis) for axis in wanted])
