"""Running a chain over an image of any size, tile by tile; memory is bounded by the tile."""

from __future__ import annotations

from collections.abc import Generator as Iterating
from itertools import pairwise, product

import numpy as np
import torch

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.progress import Step
from napari_medrefine.superres.chain import Chain
from napari_medrefine.superres.rendering import Levels, Rendering

# The most pixels a side of a tile has, before and after. Larger ones take more memory; of smaller
# ones the surroundings, computed twice, take a larger share: of 384 before x4 a third of the time.
_TILE, _TILE_OUT = 512, 2048


def run_steps(
    image: Image, shape: tuple[int, int], chain: Chain, *, tile: int | None = None, text: str = ""
) -> Iterating[Step, None, Image]:
    """Run `chain` over `image`, reduce to `shape` what it enlarged too far; a `Step` per tile.

    Parameters
    ----------
    image : image
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``; grey is shown to the network as RGB, alpha is
        interpolated.
    shape : (int, int)
        Rows and columns of the result.
    chain : Chain
        What to do.
    tile : int, optional
        Side of a tile in input pixels; default: what keeps its memory within about 0.3 GB.
    text : str
        For the steps.

    Returns
    -------
    image
        Of the dtype and channels of `image`.

    Raises
    ------
    MedRefineError
        If there is not enough memory.
    """
    job = Rendering(image, shape, chain, Levels.of(image))
    side = tile or min(_TILE, max(1, min(_TILE_OUT, chain.largest or _TILE_OUT) // chain.factor))
    cuts = [_cuts(*lengths, side) for lengths in zip(image.shape, shape, strict=False)]
    tiles = list(product(pairwise(cuts[0]), pairwise(cuts[1])))
    try:
        result = np.empty((*shape, *image.shape[2:]), image.dtype)
        for done, (rows, columns) in enumerate(tiles):
            yield Step(done, len(tiles), f"{text}; {job.note}" if job.note else text)
            result[slice(*rows), slice(*columns)] = job.part(rows, columns)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise MedRefineError(
            f"There is not enough memory for an image of {shape[0]} x {shape[1]} pixels."
        ) from error
    yield Step(len(tiles), len(tiles), text)
    return result


def _cuts(n_in: int, n_out: int, side: int) -> list[int]:
    """Return where equal tiles of at most `side` input pixels begin and end in the result."""
    count = min(n_out, -(-n_in // side))
    return [n_out * number // count for number in range(count + 1)]
