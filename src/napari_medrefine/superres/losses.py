"""What the networks are trained to make small; all on ``(N, 3, H, W)`` with white at 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

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


def amplitude(output: Tensor, truth: Tensor, share: float = 0.88) -> Tensor:
    """Return how far the energy of fine detail is off, in each crop: too smooth, or too busy.

    The squared logarithm of the ratio: what is far too smooth counts most. The pixel loss alone
    makes detail it is unsure of faint. Of all images with the energy that the truth has, the
    nearest one in squared error is the faithful one with its detail amplified (Freirich, Michaeli &
    Meir 2021), and that is where this loss pulls, together with a pixel loss.

    Parameters
    ----------
    output, truth : Tensor
        ``(N, 3, H, W)``.
    share : float
        Of the energy of the truth's fine detail (what a Gaussian blur of 1.5 pixels takes away) to
        aim for: the last of it costs the most.
    """
    ratio = (_energy(output) + _FAINT) / (_energy(truth) + _FAINT)
    return (ratio.log() - math.log(share)).square().mean()


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
