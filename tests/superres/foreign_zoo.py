"""Weight files of others, made here: known architectures with weights drawn at random."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.spandrel_import import spandrel

SWIN = {"img_size": 32, "window_size": 8, "img_range": 1.0, "depths": [2, 2], "embed_dim": 12,
        "num_heads": [2, 2], "mlp_ratio": 2}  # fmt: skip


def known() -> Any:
    """spandrel, or a loud skip."""
    try:
        return spandrel(Path())
    except (MedRefineError, ImportError) as error:
        pytest.skip(f"SPANDREL MISSING: networks of others are not tested ({error})")


def network(name: str) -> nn.Module:
    """A network by a name such as ``esrgan4``: its architecture and its scale."""
    known()
    from spandrel.architectures import ESRGAN, SPAN, Compact, SwinIR

    kind, scale = name.rstrip("0123456789"), int(name[-1])
    torch.manual_seed(3)
    if kind == "compact":
        return Compact.Compact(num_feat=16, num_conv=4, upscale=scale)
    if kind == "greycompact":
        return Compact.Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=2, upscale=scale)
    if kind == "span":
        return SPAN.SPAN(num_in_ch=3, num_out_ch=3, feature_channels=16, upscale=scale)
    if kind == "esrgan":
        return ESRGAN.ESRGAN(num_filters=8, num_blocks=2, scale=scale)
    if kind == "unshuffled":  # Real-ESRGAN's x2
        return ESRGAN.ESRGAN(
            in_nc=12, num_filters=8, num_blocks=1, scale=2 * scale, shuffle_factor=2
        )
    return SwinIR.SwinIR(upscale=scale, upsampler="pixelshuffledirect", **SWIN)


def written(folder: Path, name: str, suffix: str = ".pth") -> Path:
    """Write the weights of `network`, and return the file."""
    path = folder / f"{name}{suffix}"
    state = {n: t.detach().clone().contiguous() for n, t in network(name).state_dict().items()}
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


class Doubler(nn.Module):
    """Doubles each pixel and adds what lies `shift` pixels to the left; writes into its input."""

    def __init__(self, shift: int = 5, share: float = 0.1) -> None:
        super().__init__()
        self.shift = shift
        self.share = nn.Parameter(torch.tensor(share))

    def forward(self, image: Tensor) -> Tensor:
        image.mul_(1 - self.share).add_(self.share * image.roll(self.shift, dims=-1))
        return nn.functional.interpolate(image, scale_factor=2.0, mode="nearest")


def described(model: nn.Module, scale: int = 2, **changes: Any) -> Any:
    """What spandrel would say of `model`."""

    class Descriptor(SimpleNamespace):
        def __call__(self, image: Tensor) -> Tensor:
            made: Tensor = self.model(image)
            return made.clamp(0, 1)

    facts = {
        "architecture": SimpleNamespace(id="Doubler", name="Doubler"),
        "purpose": "SR",
        "scale": scale,
        "input_channels": 3,
        "output_channels": 3,
        "size_requirements": SimpleNamespace(multiple_of=1),
    }
    return Descriptor(model=model, **(facts | changes))


def library(descriptor: Any) -> Any:
    """Something like spandrel, that finds `descriptor` in every file."""
    loader = SimpleNamespace(load_from_state_dict=lambda _: descriptor)
    return SimpleNamespace(ModelLoader=lambda _: loader, UnsupportedModelError=ArithmeticError)
