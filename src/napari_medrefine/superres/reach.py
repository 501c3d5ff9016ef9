"""How far into a picture a network looks: measured once, by changing what lies outside.

A strip of noise is changed on one side of a line, and the network run on both. Beyond the line,
what differs tells how far what is outside is felt, in the very weights at hand. Convolutions end at
a distance; where attention or a mean over the whole picture is at work, something is felt
everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

INSIDE = 96  # pixels of the strip that stay
_OUTSIDE = 96
_ROWS = 16  # more take longer and show the same
FARTHEST = 64  # pixels: a tile's surroundings, computed twice, take most of the time beyond
_FELT = 1e-5  # of white: a four hundredth of a grey level of 255
_LEAST = 32  # where the end is not sharp, whatever was measured


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a network looks.

    Attributes
    ----------
    halo : int
        Pixels of surroundings that a tile is to be computed with.
    left : float
        How much a pixel of a tile then still differs from that of the whole at the most, in units
        of white.
    """

    halo: int
    left: float


def reach_of(network: Callable[[Tensor], Tensor], scale: int, multiple: int) -> Reach:
    """Measure how far `network` looks, to either side.

    Parameters
    ----------
    network : callable
        From ``(1, 3, H, W)`` float32, white at 1, to ``(1, 3, scale * H, scale * W)``.
    scale : int
        Its enlargement.
    multiple : int
        It takes sides of this multiple.

    Returns
    -------
    Reach
        Of a halo that is a multiple of `multiple`.
    """
    rows, outside, inside = (_up(length, multiple) for length in (_ROWS, _OUTSIDE, INSIDE))
    noise = torch.rand(2, 3, rows, outside + inside, generator=torch.Generator().manual_seed(0))
    strip, other = noise[:1], torch.cat([noise[1:, ..., :outside], noise[:1, ..., outside:]], -1)
    with torch.inference_mode():
        seen = (strip, other, strip[..., outside:])
        whole, changed, tile = (network(one.clone()) for one in seen)
    felt = _columns(whole - changed, scale)[outside:]
    exact, near = _last(felt > 0), _last(felt > _FELT)
    halo = _up(exact if exact <= FARTHEST else min(max(_LEAST, 2 * near), FARTHEST), multiple)
    missed = _columns(whole[..., outside * scale :] - tile, scale)
    return Reach(halo, float(missed[min(halo, inside - 1) :].max()))


def _columns(difference: Tensor, scale: int) -> Tensor:
    """Return how large a difference is at the most in each column of pixels of the input."""
    columns = difference.abs().amax((0, 1, 2))
    most: Tensor = columns.unflatten(0, (-1, scale)).amax(1)
    return most


def _last(felt: Tensor) -> int:
    """Return how many pixels there are up to the last that is true."""
    places = felt.nonzero()
    return int(places.max()) + 1 if len(places) else 0


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
