"""Letting networks of others be stopped between their layers, and within a large one.

Their code does not look up, as ours does. But PyTorch calls a hook ahead of every layer; and a
convolution over a large image, which may take seconds, is done in bands of rows instead, to the
same values: each looks only as far as its kernel.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.nn import functional as nnf

from napari_medrefine.progress import look_up

ENOUGH = 8_000_000_000  # multiplications between two looks: 0.3 s on one slow core
FEW = 16  # channels made at once: fewer take as long
LEAST_ROWS = 32  # of a band: torch may sum in another order in fewer


def let_stop(network: nn.Module) -> None:
    """Have `network` look up, see `progress.look_up`, before each of its layers and within them."""
    for layer in network.modules():
        layer.register_forward_pre_hook(_look_up)
        if type(layer) is nn.Conv2d and _goes_row_by_row(layer):
            layer.forward = partial(_in_bands, layer)  # type: ignore[method-assign]


def _look_up(_layer: nn.Module, _given: object) -> None:
    look_up()


def _goes_row_by_row(layer: nn.Conv2d) -> bool:
    plain = layer.stride == layer.dilation == (1, 1) and layer.padding_mode == "zeros"
    if not plain or isinstance(layer.padding, str):
        return False
    return layer.padding[0] < layer.kernel_size[0]  # or rows of nothing but bias would be made


def _in_bands(layer: nn.Conv2d, image: Tensor) -> Tensor:
    """Do as ``nn.Conv2d.forward``, band by band where the whole would take long."""
    if image.ndim != 4 or image.device.type != "cpu":
        return nn.Conv2d.forward(layer, image)
    (above, beside), (high, wide) = (int(n) for n in layer.padding), layer.kernel_size
    height, width = image.shape[2] + 2 * above - high + 1, image.shape[3] + 2 * beside - wide + 1
    effort = layer.weight[0].numel() * max(FEW, layer.out_channels)
    rows = max(LEAST_ROWS, ENOUGH // (len(image) * width * effort))
    if rows >= height:
        return nn.Conv2d.forward(layer, image)
    made = image.new_empty((len(image), layer.out_channels, height, width))
    for start in range(0, height, rows):
        look_up()
        top = min(start, height - rows)  # all of one height
        first, last = top - above, top + rows + high - 1 - above
        part = image[:, :, max(0, first) : last]
        outside = (0, 0, max(0, -first), max(0, last - image.shape[2]))
        part = nnf.pad(part, outside) if any(outside) else part
        made[:, :, top : top + rows] = nnf.conv2d(
            part, layer.weight, layer.bias, padding=(0, beside), groups=layer.groups
        )
    return made
