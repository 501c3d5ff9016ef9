"""How a sharp image becomes the one that a method is given: the rules of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow
from scipy import ndimage as ndi

from napari_medrefine.compare.filters import Floats, resized
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, from_unit, to_unit

STUDY_NOTE = (
    "Sharp: the image halved, as the study's photos were. Input: that halved again and enlarged, "
    "which blurs it. The study's table gives a mean squared error of 40463.4 for filters and 64.15 "
    "for its network. 40463.4 cannot be an error per pixel on 0-255: its root is 201 grey levels, "
    "about what a black image costs. It arises when an image of 0-255 is compared with a filter's "
    "output of 0-1; the same filters, correctly scaled, are in the table here. 64.15 is 30.06 dB. "
    "The study measured on the photos it was trained on; do not compare its number with ones from "
    "slides held out."
)


@dataclass(frozen=True, slots=True)
class Protocol:
    """One way to make the input, and what the method has to do with it.

    Attributes
    ----------
    name : str
        For tables and files.
    scale : float
        What the method is asked for: the sharp image is `scale` times the input's size.
    degrade : callable
        Sharp image -> input, same dtype.
    multiple : int
        The sharp image is cropped to a multiple of this many pixels.
    note : str
        What a reader of the table must know.
    prepare : callable
        Image as photographed -> the sharp image of this protocol; default unchanged.
    """

    name: str
    scale: float
    degrade: Callable[[Image], Image]
    multiple: int
    note: str
    prepare: Callable[[Image], Image] = lambda image: image

    @property
    def same_size(self) -> bool:
        """Whether the task is to sharpen; else to magnify."""
        return self.scale == 1


def area_protocol(scale: int = 4) -> Protocol:
    """Magnify: the input is the sharp image averaged over `scale` x `scale` pixels.

    Raises
    ------
    MedRefineError
        If `scale` is no whole number of 2 or more.
    """
    if scale != int(scale) or scale < 2:
        raise MedRefineError(f"The protocol needs a whole scale of 2 or more, not {scale:g}.")
    note = f"Input: the sharp image averaged over {scale} x {scale} pixels, rounded to its dtype."
    return Protocol(f"magnify x{scale}", scale, lambda sharp: _averaged(sharp, scale), scale, note)


def optical_protocol(scale: int = 4, *, sigma: float = 1.85, noise: float = 1.5) -> Protocol:
    """Magnify: blurred by a smaller aperture, averaged, with camera noise.

    Parameters
    ----------
    scale : int
        Sharp pixels per input pixel.
    sigma : float
        Blur in sharp pixels; 1.85 is NA 0.25 against NA 0.65 at 0.25 um.
    noise : float
        Standard deviation in grey levels of 255; the same noise for images of one size.
    """

    def degrade(sharp: Image) -> Image:
        unit = to_unit(sharp)
        blur = (sigma, sigma, 0)[: unit.ndim]
        reduced = _box(ndi.gaussian_filter(unit, blur, mode="reflect"), scale)
        grain = np.random.default_rng(1).standard_normal(reduced.shape, np.float32)
        return from_unit(np.clip(reduced + grain * (noise / 255), 0, 1), sharp)

    note = (
        f"Input: blurred by a Gaussian of {sigma:g} pixels, averaged over {scale} x {scale}, "
        f"noise of {noise:g} grey levels."
    )
    return Protocol(f"magnify x{scale}, optical", scale, degrade, scale, note)


def study_protocol() -> Protocol:
    """Sharpen: the study's own.

    The study halved its photos when it made its tiles (3584 x 2560 to 1792 x 1280); such a tile is
    the sharp image, and the input is the tile reduced by 2 and enlarged again.
    """

    def blur(sharp: Image) -> Image:
        halved = _box(to_unit(sharp), 2)
        return from_unit(resized(halved, sharp.shape[:2], Pillow.Resampling.BICUBIC), sharp)

    return Protocol("study (sharpen)", 1, blur, 4, STUDY_NOTE, prepare=_halved)


def _halved(image: Image) -> Image:
    return _averaged(image, 2)


def _averaged(sharp: Image, factor: int) -> Image:
    return from_unit(_box(to_unit(sharp), factor), sharp)


def _box(unit: Floats, factor: int) -> Floats:
    h, w = unit.shape[0] // factor, unit.shape[1] // factor
    blocks = unit[: h * factor, : w * factor].reshape(h, factor, w, factor, *unit.shape[2:])
    return np.asarray(blocks.mean((1, 3)), np.float32)


PROTOCOLS: Mapping[str, Protocol] = {
    "study": study_protocol(),
    "x2": area_protocol(2),
    "x4": area_protocol(4),
    "x4-optical": optical_protocol(4),
}
