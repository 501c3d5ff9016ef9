"""napari reader of scanners' slides and Deep Zoom: multiscale layers, read where one looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_medrefine.io._layers import KEY, LayerData
from napari_medrefine.io._lazy import lazy
from napari_medrefine.io.slides import Slide, open_slide

# Not TIFF and OME-Zarr: napari itself and napari-ome-zarr open these.
SUFFIXES = (".svs", ".ndpi", ".scn", ".bif", ".dzi")

Reader = Callable[[str | Sequence[str]], list[LayerData]]


def get_slide_reader(path: str | Sequence[str]) -> Reader | None:
    """Return the reader of a slide's file, None for anything else (npe2)."""
    paths = [path] if isinstance(path, str) else list(path)
    return read_slides if all(p.lower().endswith(SUFFIXES) for p in paths) else None


def read_slides(path: str | Path | Sequence[str]) -> list[LayerData]:
    """Return an image layer per slide; of one with several channels, per channel.

    Parameters
    ----------
    path : path, or list of paths
        What `open_slide` reads.

    Raises
    ------
    MedRefineError
        If one cannot be read.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    return [_layer(open_slide(one)) for one in paths]


def _layer(slide: Slide) -> LayerData:
    levels = [lazy(level) for level in slide.levels]
    facts = {
        "objective": slide.objective,
        "pixel_um": slide.pixel_um,
        "source": slide.path.name,
        "format": slide.kind,
    }
    attributes: dict[str, Any] = {
        "name": slide.name,
        "rgb": slide.rgb,
        "multiscale": len(levels) > 1,
        "metadata": {KEY: facts},
    }
    if slide.sides_um is not None:
        attributes |= {"scale": slide.sides_um, "units": ("um", "um")}
        attributes |= {"translate": slide.origin_um}
    if not slide.rgb and levels[0].ndim == 3:
        attributes["channel_axis"] = 2
        if slide.channels:
            attributes["name"] = [f"{slide.name} {channel}" for channel in slide.channels]
    return levels if len(levels) > 1 else levels[0], attributes, "image"
