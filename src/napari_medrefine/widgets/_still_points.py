"""Change where layers lie without napari sending all of them to the graphics card again.

Whenever the extent of all layers or their finest pixel changes, napari moves the point in the
middle of the displayed axes to the new grid, and takes every layer for changed. But nothing is
shown of that point: it says which plane of a stack is seen, along the axes that are not displayed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from napari_medrefine.widgets._layers import Viewer


@contextmanager
def still_points(viewer: Viewer) -> Iterator[None]:
    """Keep the points of the displayed axes within the block, unless they leave the layers.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
    """
    dims = viewer.dims
    points, steps, shown = dims.point, dims.current_step, dims.displayed
    with dims.events.point.blocker(), dims.events.current_step.blocker():
        try:
            yield
        finally:
            if dims.ndim == len(points) and dims.displayed == shown:
                dims.set_point(shown, [points[axis] for axis in shown])
    if dims.current_step != steps:  # of the new grid; no layer is taken for changed by that
        dims.events.current_step(value=dims.current_step)
    if dims.point != points:
        dims.events.point(value=dims.point)
