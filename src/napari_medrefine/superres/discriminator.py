"""The discriminator: it says whether a patch looks like a photo or like a generator's work."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as nnf
from torch.nn.utils.parametrizations import spectral_norm


class Discriminator(nn.Module):
    """A PatchGAN (Isola et al. 2017) with spectral normalisation (Miyato et al. 2018).

    It sees pixel-unshuffled images (12 channels at half the size), which keeps the finest detail
    and a quarter of the work; 0.35 million weights at 48 channels.

    Parameters
    ----------
    channels : int
        Channels of the first layer; a multiple of 16.
    """

    def __init__(self, channels: int = 48) -> None:
        super().__init__()
        c = channels
        layers = [
            nn.Conv2d(12, c, 3, padding=1),
            nn.Conv2d(c, 2 * c, 4, stride=2, padding=1),
            nn.Conv2d(2 * c, 2 * c, 3, padding=1),
            nn.Conv2d(2 * c, 3 * c, 4, stride=2, padding=1),
        ]
        self.layers = nn.ModuleList(spectral_norm(layer) for layer in layers)
        self.verdict = nn.Conv2d(3 * c, 1, 3, padding=1)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return one score per patch, higher for photos, and the features it saw on the way.

        Parameters
        ----------
        image : Tensor
            ``(N, 3, H, W)``, even sides, white at 1.
        """
        features = nnf.pixel_unshuffle(image * 2 - 1, 2)
        seen = []
        for layer in self.layers:
            features = nnf.leaky_relu(layer(features), 0.2)
            seen.append(features)
        return self.verdict(features), seen
