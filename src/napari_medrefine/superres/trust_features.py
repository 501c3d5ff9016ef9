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
_MARGIN = 8  # input pixels around a strip: half the widest window
_FLOOR = 0.2  # grey levels; less than rounding to 8 bits leaves

# Measured in grey levels: how far the two pictures differ, how far each differs from the image once
# reduced, the image's grain (Immerkaer 1996), how much detail it has in windows of 2 to 15 pixels,
# and how much of that is colour.
_PLANES = ("disagreement", "faithful off", "GAN off", "grain", "2", "3", "7", "15", "colour")
# The same of logarithms over cells of 4 x 4 pixels of the pictures: where most of a block is plain,
# its mean is that of its few edges. The contrast is that of the faithful picture within a cell.
_IN_CELLS = ("contrast in cells", "disagreement in cells")
_CELL = 4
_SQUARED = ("disagreement", "2", "7")
_CHANNELS = ("red", "green", "blue")
OVERALL = (*(f"{name} overall" for name in (*_PLANES[:-1], *_IN_CELLS)), "green overall")
FEATURES = (
    *OVERALL,
    *_PLANES,
    *(f"{name} around" for name in _PLANES),
    *_IN_CELLS,
    *(f"{name} around" for name in _IN_CELLS),
    *(f"{name} squared" for name in _SQUARED),
    *_CHANNELS,
    *(f"{name} density" for name in _CHANNELS),
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
        Those called "overall" are the same everywhere: they say how wrong the picture is as a
        whole. The others are deviations from their mean over the picture: they say where.
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
    begin = max(0, first - _MARGIN)
    around = _levels(image[begin : last + _MARGIN], to_grey)
    seen = around[first - begin : last - begin]
    theirs = own[0] * cover + rows[0] * cover - first, block_edges(width, image.shape[1])
    for picture in (faithful, gan):
        reduced = _reduced(picture, image.shape[:2], (first, last), to_grey)
        planes.append(block_means(np.abs(reduced - seen).mean(2), *theirs))
    planes += [
        block_means(detail[first - begin : last - begin], *theirs) for detail in _details(around)
    ]
    planes += _in_cells(pictures[0], pictures[1], own)
    colour = np.broadcast_to(block_means(seen, *theirs), (*planes[0].shape, 3))
    return np.concatenate([np.stack(planes, axis=-1), colour], axis=-1)


def _in_cells(faithful: Floats, gan: Floats, blocks: tuple[Doubles, Doubles]) -> list[Doubles]:
    """Return, as `_IN_CELLS` has them, logarithms over cells, their means over the blocks."""
    edges = [
        np.minimum(_CELL * np.arange(-(-length // _CELL) + 1.0), length)
        for length in faithful.shape[:2]
    ]
    means = [block_means(power, *edges) for power in (faithful, faithful**2)]
    contrast = np.sqrt(np.maximum(means[1] - means[0] ** 2, 0).mean(2))
    apart = block_means(np.abs(gan - faithful).mean(2), *edges)
    within = [np.ceil(side / _CELL) for side in blocks]
    return [block_means(_log(plane), *within) for plane in (contrast, apart)]


def _details(image: Floats) -> list[Floats]:
    """Return, as `_PLANES` has them, the image's grain, detail in windows, and colour."""
    grain = image
    for axis in (0, 1):
        grain = ndi.correlate1d(grain, [1.0, -2.0, 1.0], axis, mode="nearest")
    padded = np.pad(image, ((0, 1), (0, 1), (0, 0)), mode="edge")
    crossed = padded[:-1, :-1] - padded[1:, :-1] - padded[:-1, 1:] + padded[1:, 1:]
    windows = [
        image - ndi.uniform_filter(image, (size, size, 0), mode="nearest") for size in (3, 7, 15)
    ]
    colour = windows[0] - windows[0].mean(2, keepdims=True)
    return [np.abs(detail).mean(2) for detail in (grain / 6, crossed / 2, *windows, colour)]


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
    """Return the colours of `image` in whole grey levels of 255, ``(H, W, 1 or 3)``.

    Rounded, as on the images that it was calibrated on: a consistent picture gives its input back
    exactly before rounding.
    """
    colours = image[..., None] if image.ndim == 2 else image[..., :3]
    levels: Floats = np.rint(np.asarray(colours, np.float32) * np.float32(to_grey))
    return levels


def _features(planes: Doubles) -> Doubles:
    """Return `FEATURES` from what was measured."""
    amounts = {name: _log(planes[..., i]) for i, name in enumerate(_PLANES)}
    cells = np.moveaxis(planes[..., len(_PLANES) : -len(_CHANNELS)], -1, 0)
    colour = planes[..., -len(_CHANNELS) :] / 255
    density = -np.log(np.maximum(colour, 1 / 255))
    local = [
        *amounts.values(),
        *(_log(ndi.uniform_filter(planes[..., i], 3)) for i in range(len(_PLANES))),
        *cells,
        *(ndi.uniform_filter(plane, 3) for plane in cells),
        *(amounts[name] ** 2 for name in _SQUARED),
        *np.moveaxis(colour, -1, 0),
        *np.moveaxis(density, -1, 0),
    ]
    overall = [*(amounts[name] for name in _PLANES[:-1]), *cells, colour[..., 1]]
    same = [np.full(planes.shape[:2], plane.mean()) for plane in overall]
    return np.stack([*same, *(plane - plane.mean() for plane in local)], axis=-1)


def _log(plane: Doubles) -> Doubles:
    return np.asarray(np.log(plane + _FLOOR))
