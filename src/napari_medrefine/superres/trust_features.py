"""What tells how wrong a generated picture may be, for each of its blocks.

Everything is measured in grey levels of 255 and used as a logarithm, so that a picture of half the
contrast is expected to have half the error.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from scipy import ndimage as ndi

from napari_medrefine.images import Image, white_level
from napari_medrefine.progress import Step
from napari_medrefine.superres.trust_blocks import Doubles, Floats, block_edges, block_means

_STRIP = 64  # blocks in a strip: memory is bounded, besides the pictures themselves
_FLOOR = 0.2  # grey levels; less than rounding to 8 bits leaves
FEATURES = (
    "disagreement",
    "disagreement squared",
    "disagreement around",
    "faithful inconsistency",
    "GAN inconsistency",
    "GAN inconsistency around",
    "GAN inconsistency overall",
    "red density",
    "blue density",
    "green",
    "green overall",
)


def features_steps(image: Image, faithful: Image, gan: Image) -> Generator[Step, None, Doubles]:
    """Measure `FEATURES` for each block; yield a `Step` per strip.

    Parameters
    ----------
    image : image
        What the pictures were made from.
    faithful, gan : image
        What the two weights make of it.

    Returns
    -------
    (rows, columns, len(FEATURES)) array
        The disagreement is the mean absolute difference of the two pictures; an inconsistency is
        that between a picture reduced by area averaging and `image`, which tells blurred and noisy
        images from clean ones.
    """
    edges = block_edges(faithful.shape[0])
    starts = range(0, len(edges) - 1, _STRIP)
    parts = []
    for done, start in enumerate(starts):
        yield Step(done, len(starts), "comparing")
        rows = int(edges[start]), int(edges[min(start + _STRIP, len(edges) - 1)])
        parts.append(_measured(image, faithful, gan, rows))
    yield Step(len(starts), len(starts), "comparing")
    return _features(np.concatenate(parts))


def _measured(image: Image, faithful: Image, gan: Image, rows: tuple[int, int]) -> Doubles:
    """Return, for the blocks of a strip of the pictures: disagreement, inconsistencies, colour."""
    to_grey = 255 / white_level(image)
    height, width = faithful.shape[:2]
    own = block_edges(rows[1] - rows[0]), block_edges(width)
    pictures = [_levels(picture[slice(*rows)], to_grey) for picture in (faithful, gan)]
    planes = [block_means(np.abs(pictures[1] - pictures[0]).mean(2), *own)]

    # The pixels of `image` that the strip touches, and those of the pictures that they cover.
    cover = image.shape[0] / height
    first, last = int(rows[0] * cover), min(image.shape[0], int(np.ceil(rows[1] * cover)))
    seen = _levels(image[first:last], to_grey)
    theirs = own[0] * cover + rows[0] * cover - first, block_edges(width, image.shape[1])
    for picture in (faithful, gan):
        reduced = _reduced(picture, image.shape[:2], (first, last), to_grey)
        planes.append(block_means(np.abs(reduced - seen).mean(2), *theirs))
    colour = np.broadcast_to(block_means(seen, *theirs), (*planes[0].shape, 3))
    return np.concatenate([np.stack(planes, axis=-1), colour], axis=-1)


def _reduced(
    picture: Image, shape: tuple[int, ...], rows: tuple[int, int], to_grey: float
) -> Doubles:
    """Return `rows` of `picture` reduced to `shape` by area averaging."""
    edges = np.arange(rows[0], rows[1] + 1) * (picture.shape[0] / shape[0])
    begin, end = int(edges[0]), int(np.ceil(edges[-1]))
    part = _levels(picture[begin:end], to_grey)
    if picture.shape[:2] == shape:
        return part.astype(np.float64)
    across = np.arange(shape[1] + 1) * (picture.shape[1] / shape[1])
    return block_means(part, edges - begin, across)


def _levels(image: Image, to_grey: float) -> Floats:
    """Return the colours of `image` in grey levels of 255, ``(H, W, 1 or 3)``."""
    colours = image[..., None] if image.ndim == 2 else image[..., :3]
    return np.asarray(colours, np.float32) * np.float32(to_grey)


def _around(plane: Doubles) -> Doubles:
    """Return the logarithm of the mean over 3 x 3 blocks."""
    return np.asarray(np.log(ndi.uniform_filter(plane, 3, mode="nearest") + _FLOOR))


def _features(planes: Doubles) -> Doubles:
    """Return the features from the measured planes: disagreement, inconsistencies, brightness."""
    apart, odd, odd_gan = np.moveaxis(np.log(planes[..., :3] + _FLOOR), -1, 0)
    colour = planes[..., 3:] / 255
    density = -np.log(np.clip(colour, 1 / 255, None))
    columns = (
        apart,
        apart**2,
        _around(planes[..., 0]),
        odd,
        odd_gan,
        _around(planes[..., 2]),
        np.full_like(apart, np.log(planes[..., 2].mean() + _FLOOR)),
        density[..., 0],
        density[..., 2],
        colour[..., 1],
        np.full_like(apart, colour[..., 1].mean()),
    )
    return np.stack(columns, axis=-1)
