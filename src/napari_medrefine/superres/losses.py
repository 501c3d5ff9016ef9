"""What the networks are trained to make small; all on ``(N, 3, H, W)`` with white at 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

_WINDOW = 8  # input pixels
_FAINT = 1e-5  # of white, squared: half a grey level of 255 and more, so that blanks count little


def charbonnier(output: Tensor, truth: Tensor, softness: float = 4e-3) -> Tensor:
    """Return the mean absolute error, rounded off below `softness` (one grey level)."""
    return torch.sqrt((output - truth) ** 2 + softness**2).mean()


def consistency(output: Tensor, truth: Tensor, reduction: Tensor) -> Tensor:
    """Return how far the output, degraded again, is from what the camera collected.

    Parameters
    ----------
    reduction : Tensor
        ``(N, n, N_sharp)``: the degradation of each square sample (`optics.Degradation.matrix`).
    """
    error = output - truth
    rows = torch.einsum("nij,ncjk->ncik", reduction, error)
    return torch.einsum("nij,nckj->ncki", reduction, rows).abs().mean()


def adversarial(own: Tensor, other: Tensor) -> Tensor:
    """Return the relativistic average loss (Jolicoeur-Martineau 2018): `own` should score higher.

    For the discriminator `own` are the photos; for the generator its outputs.
    """
    ahead, behind = own - other.mean(), other - own.mean()
    return (nnf.softplus(-ahead).mean() + nnf.softplus(behind).mean()) / 2


def feature_distance(output: list[Tensor], truth: list[Tensor]) -> Tensor:
    """Return the mean absolute difference of two lists of features."""
    pairs = zip(output, truth, strict=True)
    return torch.stack([(a - b.detach()).abs().mean() for a, b in pairs]).mean()


def amplitude(
    output: Tensor,
    truth: Tensor,
    faithful: Tensor | None = None,
    *,
    share: float = 0.88,
    most: float = 3.0,
) -> Tensor:
    """Return how far the energy of fine detail is off, in each crop: too smooth, or too busy.

    The squared logarithm of the ratio: what is far too smooth counts most. The pixel loss alone
    makes detail it is unsure of faint. Of all images with the energy that the truth has, the
    nearest one in squared error is the faithful one with its detail amplified (Freirich, Michaeli &
    Meir 2021), and that is where this loss pulls, together with a pixel loss.

    Parameters
    ----------
    output, truth : Tensor
        ``(N, 3, H, W)``.
    faithful : Tensor or None
        What the faithful weights make of the same inputs.
    share : float
        Of the energy of the truth's fine detail (what a Gaussian blur of 1.5 pixels takes away) to
        aim for: the last of it costs the most.
    most : float
        Times the energy of `faithful`, to aim for no more: behind an objective's blur of a pixel
        hardly any detail is left to amplify, and a network that has to show some paints a grid.
    """
    aim = share * _energy(truth)
    if faithful is not None:
        aim = torch.minimum(aim, most * _energy(faithful))
    return ((_energy(output) + _FAINT) / (aim + _FAINT)).log().square().mean()


def repetition(output: Tensor, truth: Tensor, scale: int) -> Tensor:
    """Return the energy of what repeats from pixel to pixel of the input, and not in the truth.

    Sub-pixel convolution makes such grids (Odena, Dumoulin & Olah 2016). The error is averaged over
    windows of 8 x 8 input pixels, each place in a pixel by itself.

    Parameters
    ----------
    output, truth : Tensor
        ``(N, 3, H, W)``, sides of at least 8 input pixels.
    scale : int
        Of an input pixel, the side in output pixels; 1 has no places in it, and no grid.
    """
    n, channels, *sides = output.shape
    rows, columns = (side // (_WINDOW * scale) for side in sides)
    inside = (..., slice(rows * _WINDOW * scale), slice(columns * _WINDOW * scale))
    error = (output - truth)[inside]
    places = error.reshape(n, channels, rows, _WINDOW, scale, columns, _WINDOW, scale).mean((3, 6))
    return (places - places.mean((3, 5), keepdim=True)).square().mean()


def _energy(image: Tensor) -> Tensor:
    grey = image.mean(1, keepdim=True)
    reach = torch.arange(-6, 7, device=grey.device, dtype=grey.dtype)
    taps = torch.exp(-0.5 * (reach / 1.5) ** 2)
    taps = taps / taps.sum()
    smooth = nnf.conv2d(grey, taps[None, None, :, None])
    smooth = nnf.conv2d(smooth, taps[None, None, None])
    return (grey[..., 6:-6, 6:-6] - smooth).square().mean((1, 2, 3))


class RandomPyramid(nn.Module):
    """Perceptual features without a download: a seeded random convolution pyramid.

    Random filters see texture and edges well enough to serve as a loss (He, Wang & Hopcroft 2016);
    as a metric they would mean nothing, and this is no LPIPS.
    """

    def __init__(self, channels: int = 32, levels: int = 3, seed: int = 7) -> None:
        super().__init__()
        chance = torch.Generator().manual_seed(seed)
        self.layers = nn.ModuleList()
        for level in range(levels):
            layer = nn.Conv2d(3 if level == 0 else channels, channels, 3, padding=1, bias=False)
            weight = torch.randn(layer.weight.shape, generator=chance)
            weight -= weight.mean(dim=(1, 2, 3), keepdim=True)  # blind to brightness alone
            layer.weight = nn.Parameter(weight / weight[0].numel() ** 0.5 * 2**0.5)
            self.layers.append(layer)
        self.requires_grad_(requires_grad=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features of each level, finest first."""
        features, seen = image, []
        for layer in self.layers:
            features = nnf.relu(layer(features))
            seen.append(features)
            features = nnf.avg_pool2d(features, 2)
        return seen
