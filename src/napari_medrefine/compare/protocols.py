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

STUDY_MSE = 64.15
# Sharp pixels at x4: one camera pixel is what the blur of a 4x/0.10 objective is at 1.25 um, and of
# a 10x/0.25 at 0.5 um (against NA 0.65).
CAMERA_BLUR = 3.9
STUDY_NOTE = (
    "The study's table gives a mean squared error of 40463.4 for filters and 64.15 "
    "for its network. 40463.4 cannot be an error per pixel on 0-255: its root is 201 grey levels, "
    "about what a black image costs. It arises when an image of 0-255 is compared with a filter's "
    "output of 0-1; the same filters, correctly scaled, are in the table here. 64.15 is 30.06 dB. "
    "(scikit-image 0.26's unsharp_mask(channel_axis=-1) leaves memory uninitialised, which gives "
    "any number at all; here it is channel_axis=2.) The study measured on the photos it was "
    "trained on; do not compare its number with ones from slides held out."
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
    reduce : callable
        Float32 image (white at 1) -> what optics and sampling make of it, neither noisy nor
        rounded; by it a result is compared with its input.
    multiple : int
        The sharp image is cropped to a multiple of this many pixels.
    note : str
        What a reader of the table must know.
    noise : float
        Standard deviation of the camera's noise, in grey levels of 255; the same noise for images
        of one size.
    prepare : callable
        Image as photographed -> the sharp image of this protocol; default unchanged.
    """

    name: str
    scale: float
    reduce: Callable[[Floats], Floats]
    multiple: int
    note: str
    noise: float = 0.0
    prepare: Callable[[Image], Image] = lambda image: image

    def degrade(self, sharp: Image) -> Image:
        """Return the input that belongs to `sharp`: with noise, clipped, of its dtype."""
        seen = self.reduce(to_unit(sharp))
        if self.noise > 0:
            grain = np.random.default_rng(1).standard_normal(seen.shape, np.float32)
            seen = seen + grain * np.float32(self.noise / 255)
        return from_unit(np.clip(seen, 0, 1), sharp)

    @property
    def same_size(self) -> bool:
        """Whether the task is to sharpen; else to magnify."""
        return self.scale == 1

    @property
    def photographed(self) -> bool:
        """Whether the input is like a photo: with an objective's blur and a camera's noise."""
        return self.noise > 0


def area_protocol(scale: int = 4) -> Protocol:
    """Magnify: the input is the sharp image averaged over `scale` x `scale` pixels.

    Raises
    ------
    MedRefineError
        If `scale` is no whole number of 2 or more.
    """
    _check_whole(scale)
    note = f"Input: the sharp image averaged over {scale} x {scale} pixels, rounded to its dtype."
    return Protocol(f"magnify x{scale}", scale, lambda unit: box_mean(unit, scale), scale, note)


def bicubic_protocol(scale: int = 4) -> Protocol:
    """Magnify: the input is the sharp image reduced by antialiased bicubic interpolation.

    The kernel (a = -0.5) is stretched by `scale` and renormalised at the border, as in Pillow and
    in torch's ``interpolate(..., mode="bicubic", antialias=True)``.

    Raises
    ------
    MedRefineError
        If `scale` is no whole number of 2 or more.
    """
    _check_whole(scale)

    def reduce(unit: Floats) -> Floats:
        shape = (unit.shape[0] // scale, unit.shape[1] // scale)
        return resized(unit, shape, Pillow.Resampling.BICUBIC)

    note = f"Input: the sharp image reduced {scale} times by antialiased bicubic interpolation."
    return Protocol(f"magnify x{scale}, bicubic", scale, reduce, scale, note)


def optical_protocol(
    scale: int = 4, *, sigma: float = 1.85, noise: float = 1.5, name: str = "optical"
) -> Protocol:
    """Magnify: blurred by a smaller aperture, averaged, with camera noise.

    Parameters
    ----------
    scale : int
        Sharp pixels per input pixel.
    sigma : float
        Blur in sharp pixels; 1.85 is NA 0.25 against NA 0.65 at 0.25 um, `CAMERA_BLUR` what a
        camera sees whose pixels are as small as the objective is worth.
    noise : float
        Standard deviation in grey levels of 255.
    name : str
        Of this blur, for tables.
    """

    def reduce(unit: Floats) -> Floats:
        blur = (sigma, sigma, 0)[: unit.ndim]
        return box_mean(
            np.asarray(ndi.gaussian_filter(unit, blur, mode="reflect"), np.float32), scale
        )

    note = (
        f"Input: blurred by a Gaussian of {sigma:g} pixels, averaged over {scale} x {scale}, "
        f"noise of {noise:g} grey levels."
    )
    return Protocol(f"magnify x{scale}, {name}", scale, reduce, scale, note, noise)


def study_protocol(*, halved: bool = True) -> Protocol:
    """Sharpen: the study's own; the input is the sharp tile reduced by 2 and enlarged again.

    Parameters
    ----------
    halved : bool
        Whether the sharp tile is the photo halved, as the study did with its photos (3584 x 2560
        to 1792 x 1280); else the pixels as they are. The study's photos have about 0.125 um per
        pixel, its tiles 0.25 um: for images of 0.25 um the tile as it is comes nearest.
    """

    def reduce(unit: Floats) -> Floats:
        return resized(box_mean(unit, 2), unit.shape[:2], Pillow.Resampling.BICUBIC)

    if halved:
        what = "Sharp: the image halved, as the study's photos were. "
        name, prepare = "study (sharpen)", _halved
    else:
        what = "Sharp: the image as it is, for pixels of about 0.25 um as the study's tiles had. "
        name, prepare = "study, x2-blurred tile (sharpen)", _as_it_is
    note = f"{what}Input: that halved and enlarged again, which blurs it. {STUDY_NOTE}"
    return Protocol(name, 1, reduce, 4, note, prepare=prepare)


def _check_whole(scale: float) -> None:
    if scale != int(scale) or scale < 2:
        raise MedRefineError(f"The protocol needs a whole scale of 2 or more, not {scale:g}.")


def _as_it_is(image: Image) -> Image:
    return image


def _halved(image: Image) -> Image:
    return from_unit(box_mean(to_unit(image), 2), image)


def box_mean(unit: Floats, factor: int) -> Floats:
    """Return means of `factor` x `factor` pixels; what does not fill a block is left out.

    Summed in this order, or means halfway between two grey levels are rounded otherwise, and with
    them the inputs that published figures are of.
    """
    h, w = unit.shape[0] // factor, unit.shape[1] // factor
    blocks = unit[: h * factor, : w * factor].reshape(h, factor, w, factor, *unit.shape[2:])
    return np.asarray(blocks.mean((1, 3)), np.float32)


PROTOCOLS: Mapping[str, Protocol] = {
    "study": study_protocol(),
    "study-tiles": study_protocol(halved=False),
    "x2": area_protocol(2),
    "x4": area_protocol(4),
    "x4-bicubic": bicubic_protocol(4),
    "x4-optical": optical_protocol(4),
    "x4-camera": optical_protocol(4, sigma=CAMERA_BLUR, name="camera"),
}
