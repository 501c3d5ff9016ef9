"""What the networks are trained to make small; all on ``(N, 3, H, W)`` with white at 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf


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
