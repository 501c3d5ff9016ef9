"""How near an image comes to the truth: each number says which way is better.

All take ``(estimate, truth)`` of one shape, dtype and range and answer in units of an 8-bit image:
the truth's white is 255. An alpha channel is left out. A `mask`, ``(H, W)`` bool, says which pixels
count; what looks at a pixel's surroundings counts only where all of them do. Mismatched images are
refused, since the numbers they give look like results: an image of 0..255 against a filter's output
of 0..1 costs an MSE of 20,000 to 40,000, about what a black image costs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from skimage import color
from skimage.metrics import mean_squared_error, structural_similarity

from napari_medrefine._resample import area_mean
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image, colours_of, white_level

Levels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
_AT_ONCE = 1_000_000  # pixels whose colours are compared at once: it takes 200 bytes for each


def comparable(estimate: Image, truth: Image, *, same_shape: bool = True) -> tuple[Levels, Levels]:
    """Return both images in grey levels (white at 255), colours only.

    Raises
    ------
    MedRefineError
        If one is no image, or shape, channels, dtype or range differ.
    """
    check_image(estimate, "first image")
    check_image(truth, "second image")
    if estimate.shape[2:] != truth.shape[2:] or (same_shape and estimate.shape != truth.shape):
        raise MedRefineError(
            f"Images of shape {estimate.shape} and {truth.shape} cannot be compared pixel by pixel."
        )
    if estimate.dtype != truth.dtype:
        raise MedRefineError(
            f"A {estimate.dtype} image cannot be compared with a {truth.dtype} one: "
            "convert both to one dtype and range first."
        )
    white = white_level(truth)  # the estimate's own would tell of its overshoot
    if estimate.dtype.kind == "f" and (other := white_level(estimate)) != white:
        raise MedRefineError(
            f"One image has its white at {other:g}, the other at {white:g}: "
            "scale both to one range first."
        )
    both = [_colours(image) * np.float32(255 / white) for image in (estimate, truth)]
    return both[0], both[1]


def mse(estimate: Image, truth: Image, mask: Mask | None = None) -> float:
    """Return the mean squared error per pixel and channel, white at 255; lower is better.

    0 is identical; 65 is a typical error of 8 grey levels; a black image costs the mean square of
    the truth, 20,000 to 50,000 on a bright slide.
    """
    return float(mean_squared_error(*_counted(*comparable(estimate, truth), mask)))


def psnr(estimate: Image, truth: Image, mask: Mask | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB, ``10 log10(255^2 / MSE)``; higher is better.

    3 dB more is half the squared error. Identical images give infinity.
    """
    return psnr_of(mse(estimate, truth, mask))


def psnr_of(squared_error: float) -> float:
    """Return the PSNR in dB of a mean squared error (white at 255); infinite for 0."""
    return float("inf") if squared_error == 0 else float(10 * np.log10(255**2 / squared_error))


def ssim(estimate: Image, truth: Image, mask: Mask | None = None) -> float:
    """Return the structural similarity, at most 1; higher is better.

    Gaussian window of sigma 1.5 as Wang et al. (2004) define it, mean over the channels.
    """
    first, second = comparable(estimate, truth)
    if min(first.shape[:2]) < 11:
        raise MedRefineError(f"SSIM needs 11 x 11 pixels; the images are {first.shape[:2]}.")
    axis = 2 if first.ndim == 3 else None
    mean, similar = structural_similarity(
        first,
        second,
        data_range=255,
        channel_axis=axis,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return float(mean) if mask is None else float(similar[_within(mask, 5)].mean())


def high_frequency_ratio(estimate: Image, truth: Image, mask: Mask | None = None) -> float:
    """Return the fine detail's energy against the truth's; 1 is best.

    Below 1 the image is softer than the truth; above 1 there is noise or invented detail. Fine is
    what a Gaussian of sigma 1.5 pixels removes from the mean of the channels. NaN where the truth
    has no fine detail at all.
    """
    inside = None if mask is None else _within(mask, 6)
    first, second = (_fine_energy(image, inside) for image in comparable(estimate, truth))
    return first / second if second > 0 else float("nan")


def fine_energy(image: Image, mask: Mask | None = None) -> float:
    """Return the energy of an image's fine detail, in grey levels squared.

    See `high_frequency_ratio`.
    """
    inside = None if mask is None else _within(mask, 6)
    return _fine_energy(comparable(image, image)[0], inside)


def colour_difference(estimate: Image, truth: Image, mask: Mask | None = None) -> float:
    """Return the mean CIEDE2000 colour difference; lower is better, below 1 is invisible.

    Grey images count as sRGB greys.
    """
    both = [colours_of(image) for image in comparable(estimate, truth)]
    first, second = (image.reshape(-1, 3) for image in _counted(both[0], both[1], mask))
    total = 0.0
    for start in range(0, len(first), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        lab = [color.rgb2lab(np.clip(image[part] / 255, 0, 1)) for image in (first, second)]
        total += float(color.deltaE_ciede2000(*lab).sum())
    return total / len(first)


def mean_shift(estimate: Image, truth: Image, mask: Mask | None = None) -> float:
    """Return the largest difference of a channel's mean, in grey levels; 0 is no shift."""
    both = comparable(estimate, truth)
    channels = both[0].shape[2] if both[0].ndim == 3 else 1
    first, second = (image.reshape(-1, channels) for image in _counted(*both, mask))
    means = [image.mean(0, dtype=np.float64) for image in (first, second)]
    return float(np.abs(means[0] - means[1]).max())


def consistency(output: Image, given: Image) -> float:
    """Return how far a magnified image contradicts its input, in grey levels; lower is better.

    The mean absolute difference between `given` and `output` reduced to its size by area averaging.

    Raises
    ------
    MedRefineError
        If `output` is smaller than `given`, or as for every metric.
    """
    large, small = comparable(output, given, same_shape=False)
    if large.shape[0] < small.shape[0] or large.shape[1] < small.shape[1]:
        raise MedRefineError(
            f"The output {output.shape[:2]} is smaller than the input {given.shape[:2]}."
        )
    return float(np.abs(area_mean(large, small.shape) - small).mean())


def tile_errors(
    estimate: Image, truth: Image, side: int = 128, *, mask: Mask | None = None
) -> npt.NDArray[np.float64]:
    """Return the MSE (white at 255) of each tile of `side` pixels; the last ones may be smaller.

    Under a mask, of the tiles of which at least half counts; of the fullest if there is none.
    """
    first, second = comparable(estimate, truth)
    error = (first - second) ** 2
    error = error.mean(-1) if error.ndim == 3 else error
    counted = np.ones(error.shape) if mask is None else mask.astype(np.float64)
    sums, counts = _tiled(error * counted, side), _tiled(counted, side)
    full = counts >= min(_tiled(np.ones(error.shape), side).max() / 2, counts.max())
    # Without a mask every tile counts, however narrow.
    chosen = np.ones_like(full) if mask is None else full
    return np.asarray(sums[chosen] / counts[chosen], np.float64)


def _tiled(values: npt.NDArray[np.floating], side: int) -> npt.NDArray[np.float64]:
    """Return the sum over each tile, as one row."""
    rows, cols = (np.arange(0, n, side) for n in values.shape)
    sums = np.add.reduceat(np.add.reduceat(values, rows, 0, np.float64), cols, 1)
    return np.asarray(sums, np.float64).ravel()


def _counted(first: Levels, second: Levels, mask: Mask | None) -> tuple[Levels, Levels]:
    return (first, second) if mask is None else (first[mask], second[mask])


def _within(mask: Mask, reach: int) -> Mask:
    """Return where a pixel and all within `reach` rows and columns count.

    Raises
    ------
    MedRefineError
        If that is nowhere.
    """
    inside = ndi.minimum_filter(mask, 2 * reach + 1, mode="constant", cval=False)
    if not inside.any():
        raise MedRefineError(f"No part of {2 * reach + 1} x {2 * reach + 1} pixels counts.")
    return np.asarray(inside, np.bool_)


def _colours(image: Image) -> Levels:
    visible = image[..., :3] if image.ndim == 3 else image
    return np.asarray(visible, np.float32)


def _fine_energy(image: Levels, inside: Mask | None) -> float:
    grey = image.mean(-1, dtype=np.float64) if image.ndim == 3 else image.astype(np.float64)
    fine = grey - ndi.gaussian_filter(grey, 1.5)
    return float(fine.var() if inside is None else fine[inside].var())
