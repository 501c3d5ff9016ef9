"""Magnifying and sharpening as a job on arrays, and the layer that comes of it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import psutil

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.progress import Step
from napari_medrefine.provenance import Input
from napari_medrefine.superres.planes import Stack, stack_steps
from napari_medrefine.superres.recipe import Recipe
from napari_medrefine.widgets._geometry import Layer, part_place
from napari_medrefine.widgets._layers import KEY, about, file_of, pixel_um, pixels
from napari_medrefine.widgets._placing import Made
from napari_medrefine.widgets._preferences import load_networks, preferences
from napari_medrefine.widgets._regions import Region
from napari_medrefine.widgets._source import Source

WORKING_BYTES = 2**29  # for the network on one tile, and napari's thumbnail and texture
COPIES = 2  # of the result: itself, and its pyramid or napari's own
BAND = 64  # rows that are halved at once
AT_ONCE = 2**25  # bytes that are sent to the graphics card, or what stands for one, in 0.05 s
LARGEST_TEXTURE = 8192  # pixels on a side that every graphics card shows in one piece


def title_of(recipe: Recipe) -> str:
    """Return what a layer is called that was made this way."""
    realism = f", realism {recipe.realism:g}" if recipe.realism else ""
    return f"{done_by(recipe)}{realism} (generated)"


def done_by(recipe: Recipe) -> str:
    """Return what is done to a picture; not just "x4", as some write the objective."""
    return "sharpened" if recipe.task == "sharpen" else f"magnified x{recipe.scale:g}"


def result_shape(region: Region, recipe: Recipe) -> tuple[int, int]:
    """Return height and width of the result."""
    height, width = region.shape
    return round(height * recipe.scale), round(width * recipe.scale)


def size_of(region: Region, recipe: Recipe) -> str:
    """Return how large the result will be, in words."""
    height, width = result_shape(region, recipe)
    planes = f" in each of {region.count} planes" if region.count > 1 else ""
    return f"{width} x {height} pixels{planes}"


def check_memory(layer: Layer, region: Region, recipe: Recipe, *, trust: bool = False) -> None:
    """Refuse what cannot fit into memory; a trust map takes a second picture and its own pixels.

    Raises
    ------
    MedRefineError
        Saying how much there is and what to do.
    """
    height, width = result_shape(region, recipe)
    data = pixels(layer, region.level)
    per_pixel = np.dtype(data.dtype).itemsize * (data.shape[-1] if layer.rgb else 1)
    source = region.shape[0] * region.shape[1] * per_pixel
    result = COPIES * per_pixel + (per_pixel + COPIES * 4 if trust else 0)
    needed = source + region.count * height * width * result + WORKING_BYTES
    free = psutil.virtual_memory().available
    if needed > free:
        raise MedRefineError(
            f"The result would be {size_of(region, recipe)} and need about {needed / 2**30:.1f} "
            f"GiB, and only {free / 2**30:.1f} GiB are free; choose the part in view, a smaller "
            "rectangle or a smaller scale."
        )


def generate_steps(
    source: Source, layer: Layer, region: Region, recipe: Recipe
) -> Generator[Step, None, Made]:
    """Run the network on `source`, a part of a layer, and return the layer to show."""
    result = yield from _run(source.image, recipe)
    return Made(result, _options(layer, region, recipe, source, result), (layer,))


def _run(image: Image | Stack, recipe: Recipe) -> Generator[Step, None, Image]:
    yield Step(0, 1, "Loading the network ...")
    load_networks(preferences())
    if isinstance(image, Stack):
        return (yield from stack_steps(image, lambda plane: _run_on_one(plane, recipe)))
    return (yield from _run_on_one(image, recipe))


def _run_on_one(image: Image, recipe: Recipe) -> Generator[Step, None, Image]:
    from napari_medrefine import superres

    how: dict[str, Any] = {
        "realism": recipe.realism,
        "strength": recipe.strength,
        "model": recipe.model,
    }
    if recipe.task == "magnify":
        return (yield from superres.magnify_steps(image, recipe.scale, **how))
    return (yield from superres.sharpen_steps(image, **how))


def _options(
    layer: Layer, region: Region, recipe: Recipe, source: Source, result: Image
) -> dict[str, Any]:
    """Return how napari is to show the result: on the part it was made of, saying what it is."""
    rows, cols = (
        result.shape[axis] / n / reduced
        for axis, n, reduced in zip(region.axes, region.shape, region.reduction, strict=True)
    )
    zoom = region.along((rows, cols), dict.fromkeys(region.planes, 1.0))
    options: dict[str, Any] = {
        **part_place(layer, region.start, zoom),
        "name": f"{layer.name} · {title_of(recipe)}",
        "rgb": bool(layer.rgb),
        "metadata": {KEY: _provenance(layer, region, recipe, source, (rows, cols))},
    }
    return options | looks(layer)


def looks(layer: Layer) -> dict[str, Any]:
    """Return how a layer is shown, for what is made of it.

    Of colours only the limits: napari leaves them alone, but would look for them in all pixels.
    """
    names = ("contrast_limits",) if layer.rgb else ("contrast_limits", "gamma", "colormap")
    return {name: getattr(layer, name) for name in names}


def _provenance(
    layer: Layer, region: Region, recipe: Recipe, source: Source, zoom: tuple[float, float]
) -> dict[str, Any]:
    from napari_medrefine.superres.made import made_facts

    size = pixel_um(layer, region.axes)
    one = Input(
        name=file_of(layer),
        sha256=source.sha256,
        shape=source.shape,
        level=region.level,
        rows=region.rows,
        cols=region.cols,
        planes=dict(region.planes) or None,
    )
    planes = {str(axis): list(span) for axis, span in region.planes.items()}
    return made_facts(recipe, layer.name, [one]) | {
        "made_from_file": str(layer.source.path) if layer.source.path else None,
        "region": {
            "level": region.level,
            "rows": list(region.rows),
            "cols": list(region.cols),
            "meaning": "pixels of that level, the last one excluded",
            **({"planes": planes} if planes else {}),
        },
        "pixel_um": size / float(np.sqrt(np.prod(zoom))) if size else None,
        "slide": about(layer).get("slide"),
    }


def in_pieces(image: Image, axes: tuple[int, int] = (0, 1), planes: int = 1) -> Image | list[Image]:
    """Return `image` as it is, or as a pyramid where napari should not show it in one piece.

    More than a graphics card can hold it would show reduced, however far one zooms in; and it would
    stand still while much is sent there. Of a stack, `axes` are its rows and columns.
    """
    if _longest(image, axes) <= LARGEST_TEXTURE and image.nbytes // planes <= AT_ONCE:
        return image
    levels = [image]
    while _longest(levels[-1], axes) > LARGEST_TEXTURE // 8:
        levels.append(_halved(levels[-1], axes))
    return levels


def _longest(image: Image, axes: tuple[int, int]) -> int:
    return max(int(image.shape[axis]) for axis in axes)


def _halved(image: Image, axes: tuple[int, int]) -> Image:
    """Return `image` of half the size, made piece by piece: what lies between is larger than it."""
    shape = list(image.shape)
    for axis in axes:
        shape[axis] = -(-shape[axis] // 2)
    result = np.empty(shape, image.dtype)
    wide, halves = np.moveaxis(image, axes, (0, 1)), np.moveaxis(result, axes, (0, 1))
    for top in range(0, len(halves), BAND):
        halves[top : top + BAND] = _mean(wide[2 * top : 2 * (top + BAND)])
    return result


def _mean(image: Image) -> Image:
    pad = [(0, -image.shape[0] % 2), (0, -image.shape[1] % 2)] + [(0, 0)] * (image.ndim - 2)
    whole = np.pad(image, pad, mode="edge")
    quarters = [whole[i::2, j::2].astype(np.float32) for i in (0, 1) for j in (0, 1)]
    mean = sum(quarters[1:], quarters[0]) / 4
    return np.asarray(np.rint(mean) if image.dtype.kind == "u" else mean, image.dtype)
