"""A generator and all that `magnify` or `sharpen` do around it, in a form that torch can record.

Our own code goes over an image in bands, which a recording would fix at the height it was made
with. Here there is no loop over the image, so that the recorded program takes any size.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_medrefine.superres.consistency import drift
from napari_medrefine.superres.generator import Generator, interpolated_sub_pixels

_STEP = 8  # sides of an image are multiples of this
_LEAST = 64


class Recorded(nn.Module):
    """What `magnify` and `sharpen` make of an image, but for what is told from it.

    Parameters
    ----------
    generator : Generator
        With the weights; in float32.
    scale : int
        One of its `scales`.
    """

    def __init__(self, generator: Generator, scale: int) -> None:
        super().__init__()
        self.generator, self.scale = generator, scale
        self.margin = generator.halo

    def forward(self, image: Tensor) -> Tensor:
        """Return ``(N, 3, scale * H, scale * W)`` of ``(N, 3, H, W)``, both from 0 to 1."""
        shades = _mirrored(_mirrored(image, self.margin, 2), self.margin, 3) - 1
        residual = self.generator.residual(shades, self.scale)
        residual = residual - drift(residual, self.scale)
        cut = self.margin * self.scale
        if self.scale == 1:
            made = shades + residual
        else:
            made = _moved(interpolated_sub_pixels(shades, self.scale) + residual, self.scale)
        return (made + 1)[..., cut:-cut, cut:-cut].clamp(0, 1)


def record(generator: Generator, scale: int, path: Path) -> None:
    """Write the program that runs `generator` on images of any size, as TorchScript.

    Their sides have to be multiples of 8, and 64 at the least.
    """
    network = Recorded(generator, scale).eval().requires_grad_(requires_grad=False)
    example = torch.rand(1, 3, _LEAST, _LEAST + _STEP, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings(), torch.inference_mode(mode=False), torch.no_grad():
        # Constants that it warns of are constants. TorchScript is no longer developed, but the only
        # kind of program of torch's own that bioimage.io runs.
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(network, example, check_trace=False), str(path))


def _mirrored(image: Tensor, margin: int, axis: int) -> Tensor:
    """Return `image` with its mirror image around it along `axis`, outermost pixels twice."""
    before = image.narrow(axis, 0, margin).flip(axis)
    after = image.narrow(axis, image.shape[axis] - margin, margin).flip(axis)
    return torch.cat([before, image, after], axis)


def _moved(cells: Tensor, scale: int) -> Tensor:
    """Return sub-pixels, see `Generator.residual`, as an image."""
    apart = cells.unflatten(1, (scale, scale, 3)).permute(0, 3, 4, 1, 5, 2)
    image: Tensor = apart.flatten(4, 5).flatten(2, 3)
    return image
