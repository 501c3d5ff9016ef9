"""The generators: the study's U-Net, and a residual trunk that works on the small image.

Both keep one contract, ``G(x, s) = interpolate(x, s) + strength * residual(x, s)``, on
``(N, 3, H, W)`` tensors with white at 1. Neither has biases, and both see ``x - 1``: of a white
area the residual is exactly zero (bias-free networks: Mohan et al. 2020). The convolutions run in
the dtype of the weights; interpolation and sum are float32 always.

What is enlarged stays at the size of the input until the very end, each pixel with all the
sub-pixels it becomes, as channels in the order (row, column, colour): they then move to their
places in runs of a whole row of one pixel, four times as fast as torch's own pixel shuffle.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from napari_medrefine._resample import cubic
from napari_medrefine.progress import look_up

BAND = 16  # rows that, enlarged, fit the processor's cache
CUBIC_REACH = 2  # pixels, of bicubic interpolation


class Generator(nn.Module, ABC):
    """What every generator shares.

    Attributes
    ----------
    scales : tuple of int
        The enlargements it has been built for; ``(1,)`` means any, after interpolation.
    halo : int
        How far, in pixels it works on, an input pixel reaches; a multiple of `multiple`.
    multiple : int
        Its input's sides must be multiples of this; others are padded by reflection.
    settled : bool
        Whether what it adds keeps to what `consistency` asks for: then its drift is taken off, and
        how an image was reduced is told from it. Of networks of others neither.
    may_round : bool
        Whether it may compute in bfloat16.
    largest : int or None
        The most pixels of the result a side that it may make at once, for the memory's sake.
    note : str
        What a user should know of its results.
    """

    scales: tuple[int, ...]
    halo: int
    multiple: int = 1
    settled: bool = True
    may_round: bool = True
    largest: int | None = None
    note: str = ""

    @abstractmethod
    def residual(self, shades: Tensor, scale: int) -> Tensor:
        """Return what to add to an interpolated image, as sub-pixels: ``(N, s * s * 3, H, W)``.

        Parameters
        ----------
        shades : Tensor
            The image less 1: white is 0.
        scale : int
            One of `scales`.
        """

    def forward(self, image: Tensor, scale: int = 1, strength: float = 1.0) -> Tensor:
        """Return `image` enlarged `scale` times, with `strength` (0..1) of the residual."""
        shades = image - 1
        if scale not in self.scales:
            shades, scale = interpolate(shades, scale), 1
        return compose(shades, self.residual(shades, scale), scale, strength)

    def sub_pixels(self, shades: Tensor, scale: int) -> Tensor:
        """Return the residual for enlarging `scale` times, whatever `scales` it is built for."""
        if scale in self.scales:
            return self.residual(shades, scale)
        return as_sub_pixels(self.residual(interpolate(shades, scale), 1), scale)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        return next(self.parameters()).dtype


class Trunk(Generator):
    """Residual blocks on the small image, one pixel-shuffle head per scale (EDSR, Lim et al. 2017).

    Parameters
    ----------
    channels : int
        A multiple of 16: others run at half the speed on a CPU.
    blocks : int
        Residual blocks of two convolutions.
    scales : tuple of int
        The heads.
    """

    def __init__(
        self, channels: int = 48, blocks: int = 6, scales: tuple[int, ...] = (2, 3, 4)
    ) -> None:
        super().__init__()
        self.scales = scales
        self.halo = 2 * blocks + 2
        self.entry = _conv(3, channels)
        self.blocks = nn.ModuleList(_Block(channels) for _ in range(blocks))
        self.heads = nn.ModuleDict({str(s): _conv(channels, 3 * s * s, gain=0.1) for s in scales})

    def residual(self, shades: Tensor, scale: int) -> Tensor:
        """See `Generator.residual`."""
        return self.headed(self.features(shades), scale)

    def features(self, shades: Tensor) -> Tensor:
        """Return what all heads work on, ``(N, channels, H, W)``."""
        features: Tensor = self.entry(shades.to(self.dtype))
        for block in self.blocks:
            features = block(features)
        return features

    def headed(self, features: Tensor, scale: int) -> Tensor:
        """Return the residual that the head of `scale` makes of `features`."""
        head: Tensor = self.heads.get_parameter(f"{scale}.weight")
        head = head.unflatten(0, (3, scale * scale)).transpose(0, 1)  # was (colour, row, column)
        return nnf.conv2d(features, head.flatten(0, 1), padding=1)


class UNet(Generator):
    """The study's generator: 3x256x256 to 128x32x32 by convolution and max-pooling, and back.

    On the way back each level is upsampled, concatenated with its like, and convolved. It sharpens
    without changing the size; enlarging is left to the interpolation before it. Residual blocks at
    half the size, which the study's did not have, do most of the work: what was blurred by halving
    holds no more detail than that, and a pixel there costs a quarter.

    Parameters
    ----------
    channels : int
        Channels of the first level; the deepest has four times as many.
    blocks : int
        Residual blocks of two convolutions; 0 is the study's network.
    """

    multiple = 8

    def __init__(self, channels: int = 32, blocks: int = 4) -> None:
        super().__init__()
        c = channels
        self.scales = (1,)
        self.halo = self.multiple * -(-(22 + 4 * blocks) // self.multiple)
        self.down = nn.ModuleList([_conv(3, c), _conv(c, 2 * c), _conv(2 * c, 4 * c)])
        self.blocks = nn.ModuleList(_Block(2 * c) for _ in range(blocks))
        self.up = nn.ModuleList([_conv(8 * c, 2 * c), _conv(4 * c, c), _conv(2 * c, c)])
        self.exit = _conv(c, 3, gain=0.1)

    def residual(self, shades: Tensor, scale: int) -> Tensor:  # noqa: ARG002 - always 1
        """See `Generator.residual`."""
        height, width = shades.shape[-2:]
        features = _pad_to_multiple(shades, self.multiple).to(self.dtype)
        passed = []
        for level, convolve in enumerate(self.down):
            features = nnf.relu_(convolve(features))
            if level == 1:
                for block in self.blocks:
                    features = block(features)
            passed.append(features)
            features = nnf.max_pool2d(features, 2)
        for convolve in self.up:
            features = nnf.interpolate(features, scale_factor=2.0, mode="nearest")
            features = nnf.relu_(convolve(torch.cat([features, passed.pop()], dim=1)))
        added: Tensor = self.exit(features)[..., :height, :width]
        return added


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = _conv(channels, channels, gain=0.1)

    def forward(self, features: Tensor) -> Tensor:
        look_up()
        changed: Tensor = self.second(nnf.relu_(self.first(features)))
        return changed.add_(features)  # in place: no convolution needs its own output again


def as_sub_pixels(image: Tensor, scale: int) -> Tensor:
    """Return ``(N, 3, scale * H, scale * W)`` as ``(N, scale * scale * 3, H, W)``.

    In the order (row, column, colour), see `Generator.residual`.
    """
    cells: Tensor = image.unflatten(3, (-1, scale)).unflatten(2, (-1, scale))
    return cells.permute(0, 3, 5, 1, 2, 4).flatten(1, 3)


def compose(shades: Tensor, residual: Tensor, scale: int, strength: float = 1.0) -> Tensor:
    """Return the image less 1 (`shades`), interpolated, plus `strength` times `residual`, plus 1.

    Parameters
    ----------
    shades : Tensor
        ``(N, 3, H, W)``, float32.
    residual : Tensor
        ``(N, scale * scale * 3, H, W)``, sub-pixels, see `Generator.residual`.
    scale : int
        Large pixels per small one.
    strength : float
        0 to 1.
    """
    if scale == 1:
        return torch.add(shades, residual, alpha=strength).add_(1)
    return _enlarged(shades, scale, 1.0, residual, strength)


def interpolated_sub_pixels(image: Tensor, scale: int) -> Tensor:
    """Return `image` enlarged as `interpolate` does, as sub-pixels, see `Generator.residual`."""
    with torch.autocast(image.device.type, enabled=False), _all_digits(image):
        padded = nnf.pad(image, (2, 2, 2, 2), mode="replicate")
        return nnf.conv2d(padded, _cubic_kernels(scale).to(image))


def interpolate(image: Tensor, scale: int) -> Tensor:
    """Return `image` enlarged by bicubic interpolation (a = -0.75), centre-aligned, in float32.

    One fixed convolution per sub-pixel position: faster than a general resize, and each output
    depends on its neighbours' values only, not on where in the image it lies.
    """
    return image if scale == 1 else _enlarged(image, scale)


def _enlarged(
    image: Tensor,
    scale: int,
    offset: float = 0.0,
    residual: Tensor | None = None,
    strength: float = 1.0,
) -> Tensor:
    """Return `image`, interpolated, plus `offset` and `residual`; colours are last in memory.

    Band by band, so that what lies between is still in the processor's cache when it is needed.
    All bands are of one height: torch may sum in another order in a lower one.
    """
    count, _, height, width = image.shape
    with torch.autocast(image.device.type, enabled=False), _all_digits(image):
        padded = nnf.pad(image, (2, 2, 2, 2), mode="replicate")
        kernels = _cubic_kernels(scale).to(image)
        offsets = image.new_full((len(kernels),), offset)
        result = image.new_empty((count, height, scale, width, 3 * scale))
        for top in bands(height):
            part = nnf.conv2d(padded[:, :, top : top + BAND + 4], kernels, offsets)
            if residual is not None:
                part = part.add_(residual[:, :, top : top + BAND], alpha=strength)
            cells = part.permute(0, 2, 3, 1).unflatten(3, (scale, 3 * scale))
            result[:, top : top + BAND] = cells.transpose(2, 3)
    return result.view(count, height * scale, width * scale, 3).permute(0, 3, 1, 2)


def bands(height: int) -> list[int]:
    """Return where bands of `BAND` rows begin that cover `height` rows; the last may overlap."""
    return [*range(0, height - BAND, BAND), max(0, height - BAND)]


def _all_digits(image: Tensor) -> AbstractContextManager[None]:
    """Keep a GPU from rounding to TF32, ten binary digits, in a convolution."""
    if not image.is_cuda:
        return nullcontext()
    exact: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, deterministic=True, allow_tf32=False
    )
    return exact


@lru_cache(maxsize=8)
@torch.inference_mode(mode=False)  # kept: training may use them, too
def _cubic_kernels(scale: int) -> Tensor:
    offset = (np.arange(scale) + 0.5) / scale - 0.5
    line = cubic(np.arange(-2, 3) - offset[:, None], -0.75)
    return sub_pixel_kernels(line)


def sub_pixel_kernels(lines: npt.NDArray[np.float64]) -> Tensor:
    """Return the kernels of a convolution from pixels to sub-pixels, each colour for itself.

    Parameters
    ----------
    lines : (scale, taps) ndarray
        Along one axis, the weights of the pixels around, for each sub-pixel.

    Returns
    -------
    Tensor
        float32 ``(scale * scale * 3, 3, taps, taps)``.
    """
    scale, taps = lines.shape
    planes = np.einsum("iy,jx->ijyx", lines, lines).reshape(scale * scale, taps, taps)
    kernels = np.einsum("ab,syx->sabyx", np.eye(3), planes).reshape(-1, 3, taps, taps)
    return torch.from_numpy(kernels).float()


def _conv(inputs: int, outputs: int, gain: float = 1.0) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    if layer.weight.is_meta:  # shapes alone; drawing here would import torch's compiler: seconds
        return layer
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    with torch.no_grad():
        layer.weight *= gain
    return layer


def _pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    height, width = image.shape[-2:]
    below, right = -height % multiple, -width % multiple
    if below == 0 and right == 0:
        return image
    mode = "reflect" if min(height, width) > multiple else "replicate"
    return nnf.pad(image, (0, right, 0, below), mode=mode)
