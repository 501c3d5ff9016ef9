"""`magnify` and `sharpen`: the networks on an image, whatever its size, dtype and channels.

Nothing here imports torch until a network runs, and bad input is refused before that.
"""

from __future__ import annotations

import math
import os
from collections.abc import Generator
from pathlib import Path
from typing import Literal

import numpy as np

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image
from napari_medrefine.progress import Step, finish

MOST_TIMES = 64
_MOST_PIXELS = 4_000_000_000


def magnify(
    image: Image,
    scale: float,
    *,
    realism: float = 0.0,
    strength: float = 1.0,
    consistency: bool | None = None,
    model: str | Path | None = None,
) -> Image:
    """Enlarge `image` with the low-resolution-trunk generator.

    Parameters
    ----------
    image : (H, W), (H, W, 3) or (H, W, 4) array
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
        A name of `list_models` or a weight file, instead of the shipped ones.

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
) -> Generator[Step, None, Image]:
    """Do as `magnify` does; yield a `Step` per tile and return the image."""
    image = check_image(image)
    _check_share(realism, "realism")
    _check_share(strength, "strength")
    shape = _enlarged(image, scale)
    if shape == image.shape[:2]:
        return image.copy()
    ratio = max(out / given for out, given in zip(shape, image.shape, strict=False))

    from napari_medrefine.superres.consistency import Reduction
    from napari_medrefine.superres.inference import Chain, choose_heads, run_steps
    from napari_medrefine.superres.origin import reduction_of
    from napari_medrefine.superres.ready import ready_generator

    if ratio <= 1:
        return (yield from run_steps(image, shape, Chain(None, ()), text="reducing"))
    generator = ready_generator("magnify", realism, model)
    heads = choose_heads(generator.scales, ratio)
    reduction = None
    if consistency is None and heads == (ratio,):
        faithful = ready_generator("magnify", 0.0, model)
        reduction = reduction_of(image, faithful, heads[0], generator)
    elif consistency:
        reduction = Reduction("area", heads[0])
    chain = Chain(generator, heads, strength, reduction)
    return (yield from run_steps(image, shape, chain, text="magnifying"))


def sharpen(
    image: Image,
    *,
    realism: float = 0.0,
    strength: float = 1.0,
    consistency: Literal[False] | None = None,
    model: str | Path | None = None,
) -> Image:
    """Sharpen `image` at its size with the study's U-Net.

    Parameters
    ----------
    image : (H, W), (H, W, 3) or (H, W, 4) array
        uint8, uint16 or float. Grey is shown to the network as RGB; alpha stays as it is.
    realism : float
        0 (faithful weights) to 1 (GAN weights).
    strength : float
        0 (the image as it is) to 1 (all that the network adds).
    consistency : False or None
        None: if `image` looks like one that was reduced to half its size and enlarged again by
        interpolation, the result must give that smaller image back. False: not.
    model : str, Path or None
        A name of `list_models` or a weight file, instead of the shipped ones.

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
            image, realism=realism, strength=strength, consistency=consistency, model=model
        )
    )


def sharpen_steps(
    image: Image,
    *,
    realism: float = 0.0,
    strength: float = 1.0,
    consistency: Literal[False] | None = None,
    model: str | Path | None = None,
) -> Generator[Step, None, Image]:
    """Do as `sharpen` does; yield a `Step` per tile and return the image."""
    image = check_image(image)
    _check_share(realism, "realism")
    _check_share(strength, "strength")
    if strength == 0:
        return image.copy()

    from napari_medrefine.superres.inference import Chain, run_steps
    from napari_medrefine.superres.origin import enlargement_of
    from napari_medrefine.superres.ready import ready_generator

    generator = ready_generator("sharpen", realism, model)
    enlargement = None
    if consistency is None:
        faithful = ready_generator("sharpen", 0.0, model)
        enlargement = enlargement_of(image, faithful, generator)
    chain = Chain(generator, (1,), strength, enlargement=enlargement)
    shape = (image.shape[0], image.shape[1])
    return (yield from run_steps(image, shape, chain, text="sharpening"))


def _check_share(value: float, name: str) -> None:
    if not 0 <= value <= 1:
        raise MedRefineError(f"The {name} is {value:g}; it must be between 0 and 1.")


def _enlarged(image: Image, scale: float) -> tuple[int, int]:
    if not (math.isfinite(scale) and 0 < scale <= MOST_TIMES):
        raise MedRefineError(
            f"The scale is {scale:g}; it must be above 0 and at most {MOST_TIMES}."
        )
    shape = (round(image.shape[0] * scale), round(image.shape[1] * scale))
    if 0 in shape:
        raise MedRefineError(f"At scale {scale:g} nothing would be left of the image.")
    needed = math.prod((*shape, *image.shape[2:])) * np.dtype(image.dtype).itemsize
    if math.prod(shape) > _MOST_PIXELS or needed > 0.9 * _memory():
        raise MedRefineError(
            f"At scale {scale:g} the image would have {shape[0]} x {shape[1]} pixels "
            f"({needed / 1e9:.1f} GB), too many for this computer; magnify a part of it."
        )
    return shape


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
