"""`magnify` and `sharpen`: the networks on an image, whatever its size, dtype and channels.

Nothing here imports torch until a network runs, and bad input is refused before that.
"""

from __future__ import annotations

import math
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image
from napari_medrefine.progress import Step, finish
from napari_medrefine.superres.planes import Stack, stack_steps
from napari_medrefine.superres.recipe import Recipe

_MOST_PIXELS = 4_000_000_000


def magnify(
    image: Image,
    scale: float,
    *,
    realism: float = 0.0,
    strength: float = 1.0,
    consistency: bool | None = None,
    model: str | Path | None = None,
    channel_axis: int | Sequence[int] | None = None,
) -> Image:
    """Enlarge `image` with the low-resolution-trunk generator.

    Parameters
    ----------
    image : (H, W), (H, W, 3) or (H, W, 4) array, or a stack of such
        uint8, uint16 or float. Grey is shown to the network as RGB; alpha is interpolated.
    scale : float
        Above 0, up to 64. 2, 3 and 4 are one pass of the network; others are enlarged a little
        further and reduced to the size asked for (2.5: x3, then 2.5/3). Beyond x4 the network's x4
        is interpolated (10: x4, interpolated x3, then 10/12): a second pass would invent a grid.
        Below 1 the image is reduced, without a network.
    realism : float
        0 (faithful weights: the smallest error) to 1 (GAN weights: natural texture, some of it
        invented).
    strength : float
        0 (bicubic interpolation) to 1 (all that the network adds).
    consistency : bool or None
        Whether the result, averaged over ``scale x scale`` pixels, must give `image` back, at x2,
        x3 and x4 to within 0.05 grey levels of 255 before rounding. None: if `image` itself looks
        like a clean digital reduction, by averaging or by antialiased bicubic interpolation, that
        reduction must. Blurred and noisy photos are none; forcing them costs 2 dB.
    model : str, Path or None
        A name of `list_models`, a weight file, ours or others' (see `load_model`), or the folder
        of a training, instead of the shipped ones. ``"photo-faithful"``: for photos whose
        objective blurs about a pixel.
    channel_axis : int or sequence of int, optional
        The axis of a stack that numbers its channels, sections or times, or several such axes: each
        plane is an image by itself, and one at a time is read (dask, Zarr). Default: `image` is no
        stack.

    Returns
    -------
    array
        ``round(H * scale)`` by ``round(W * scale)``, dtype and channels of `image`, its extent
        and position unchanged.

    Raises
    ------
    MedRefineError
        If `image` is no image, an argument is out of range, the result would be empty or larger
        than the memory, or the model cannot be used.
    """
    return finish(
        magnify_steps(
            image,
            scale,
            realism=realism,
            strength=strength,
            consistency=consistency,
            model=model,
            channel_axis=channel_axis,
        )
    )


def magnify_steps(
    image: Image,
    scale: float,
    *,
    realism: float = 0.0,
    strength: float = 1.0,
    consistency: bool | None = None,
    model: str | Path | None = None,
    channel_axis: int | Sequence[int] | None = None,
) -> Generator[Step, None, Image]:
    """Do as `magnify` does; yield a `Step` per tile and return the image."""
    recipe = Recipe("magnify", scale, realism, strength, model, consistency)
    return (yield from _steps(image, channel_axis, recipe))


def sharpen(
    image: Image,
    *,
    realism: float = 0.0,
    strength: float = 1.0,
    consistency: Literal[False] | None = None,
    model: str | Path | None = None,
    channel_axis: int | Sequence[int] | None = None,
) -> Image:
    """Sharpen `image` at its size with the study's U-Net.

    Parameters
    ----------
    image : (H, W), (H, W, 3) or (H, W, 4) array, or a stack of such
        uint8, uint16 or float. Grey is shown to the network as RGB; alpha stays as it is.
    realism : float
        0 (faithful weights) to 1 (GAN weights).
    strength : float
        0 (the image as it is) to 1 (all that the network adds).
    consistency : False or None
        None: if `image` looks like one that was reduced to half its size and enlarged again by
        interpolation, the result must give that smaller image back. False: not.
    model : str, Path or None
        A name of `list_models`, a weight file, ours or others' (see `load_model`), or the folder
        of a training, instead of the shipped ones.
    channel_axis : int or sequence of int, optional
        The axis of a stack that numbers its channels, sections or times, or several such axes: each
        plane is an image by itself, and one at a time is read (dask, Zarr). Default: `image` is no
        stack.

    Returns
    -------
    array
        Shape, dtype and channels of `image`.

    Raises
    ------
    MedRefineError
        If `image` is no image, an argument is out of range, or the model cannot be used.
    """
    return finish(
        sharpen_steps(
            image,
            realism=realism,
            strength=strength,
            consistency=consistency,
            model=model,
            channel_axis=channel_axis,
        )
    )


def sharpen_steps(
    image: Image,
    *,
    realism: float = 0.0,
    strength: float = 1.0,
    consistency: Literal[False] | None = None,
    model: str | Path | None = None,
    channel_axis: int | Sequence[int] | None = None,
) -> Generator[Step, None, Image]:
    """Do as `sharpen` does; yield a `Step` per tile and return the image."""
    recipe = Recipe("sharpen", 1.0, realism, strength, model, consistency)
    return (yield from _steps(image, channel_axis, recipe))


def _steps(
    image: Image, axes: int | Sequence[int] | None, recipe: Recipe
) -> Generator[Step, None, Image]:
    if axes is None:
        return (yield from generate_steps(_one_image(image), recipe))
    stack = Stack.of(image, axes)
    for number, plane in enumerate(stack):  # all, before any network runs
        checked = check_image(plane, "plane of the image")
        if number == 0:
            _check_memory(checked, recipe.result_shape(checked.shape), recipe.scale, stack.count)
    return (yield from stack_steps(stack, lambda plane: generate_steps(plane, recipe)))


def _one_image(image: Image) -> Image:
    shape = tuple(getattr(image, "shape", ()))
    if len(shape) > 3 or (len(shape) == 3 and shape[2] not in (3, 4)):
        raise MedRefineError(
            f"The image has shape {shape}; it must be (H, W) grey, (H, W, 3) RGB or (H, W, 4) "
            "RGBA, or its channel_axis be given."
        )
    return check_image(image)


def generate_steps(image: Image, recipe: Recipe) -> Generator[Step, None, Image]:
    """Do to a checked `image` what `recipe` says; yield a `Step` per tile and return the image."""
    shape = recipe.result_shape(image.shape)
    _check_memory(image, shape, recipe.scale)
    if recipe.leaves(image.shape):
        return image.copy()
    chain = recipe.chain(image.shape, *recipe.origin(image.shape, image))

    from napari_medrefine.superres.inference import run_steps

    doing = f"{recipe.task}ing" if chain.generator else "reducing"
    return (yield from run_steps(image, shape, chain, text=doing))


def _check_memory(image: Image, shape: tuple[int, int], scale: float, planes: int = 1) -> None:
    needed = planes * math.prod((*shape, *image.shape[2:])) * np.dtype(image.dtype).itemsize
    each = f" in each of {planes} planes" if planes > 1 else ""
    if math.prod(shape) > _MOST_PIXELS or needed > 0.9 * _memory():
        raise MedRefineError(
            f"At scale {scale:g} the image would have {shape[0]} x {shape[1]} pixels{each} "
            f"({needed / 1e9:.1f} GB), too many for this computer; magnify a part of it."
        )


def _memory() -> float:
    """Return the bytes of memory there are to have; infinity where the system does not say."""
    meminfo = Path("/proc/meminfo")
    try:
        if meminfo.exists():
            lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
            return 1024.0 * int(lines["MemAvailable"].split()[0])
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError, KeyError):
        return math.inf
