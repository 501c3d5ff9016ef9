"""How two pictures of one place are laid over each other: which pixel shows which of them.

All masks are for the upper picture: True where it is seen, False where the lower one is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_medrefine.compare.seen import View
from napari_medrefine.compare.visuals import Picture

Mask = npt.NDArray[np.bool_]
Seen = npt.NDArray[np.uint8]  # (H, W, 4): a picture, transparent where there is none


def over(upper: Seen, lower: Seen) -> Seen:
    """Return `upper` laid over `lower`; both are (H, W, 4) uint8, the result is a new array."""
    alpha = upper[..., 3:].astype(np.uint16)
    if np.isin(alpha, (0, 255)).all():
        return np.where(alpha > 0, upper, lower)
    colours = (upper[..., :3] * alpha + lower[..., :3] * (255 - alpha) + 127) // 255
    both = np.maximum(upper[..., 3:], lower[..., 3:])
    return np.concatenate([colours.astype(np.uint8), both], axis=-1)


def backed(picture: Seen, other: Seen, background: npt.NDArray[np.uint8]) -> Seen:
    """Return `picture` on `background` (3 values) wherever it or `other` has something to show.

    So nothing of what lies below shines through where only the other one is.
    """
    ground = np.empty_like(picture)
    ground[..., :3] = background
    ground[..., 3] = np.maximum(picture[..., 3], other[..., 3])
    return over(picture, ground)


def checkers(view: View, side: int) -> Mask:
    """Return the squares of a checkerboard, `side` pixels wide and fixed to the world."""
    rows, cols = (
        np.floor_divide(np.round(first / view.step) + np.arange(n), side).astype(np.int64)
        for first, n in zip(view.first, view.shape, strict=True)
    )
    return np.asarray((rows[:, None] + cols) % 2 == 0)


def disc(radius: int) -> Mask:
    """Return a disc in a square of ``2 * radius + 1`` pixels."""
    squares = np.arange(-radius, radius + 1) ** 2
    return np.asarray(squares[:, None] + squares <= radius * radius)


def rim(radius: int, width: int = 2) -> Mask:
    """Return the outermost `width` pixels of `disc`."""
    whole = disc(radius)
    inner = np.zeros_like(whole)
    inner[width:-width, width:-width] = disc(radius - width)
    return whole & ~inner


def opaque(colours: Picture, mask: Mask) -> Seen:
    """Return `colours` (H, W, 3) as seen where `mask` is True, and transparent elsewhere."""
    alpha = np.where(mask, np.uint8(255), np.uint8(0))
    return np.concatenate([colours, alpha[..., None]], axis=-1)


def fitted(
    first: npt.NDArray[np.float32], second: npt.NDArray[np.float32], mask: Mask
) -> npt.NDArray[np.float32]:
    """Return `first` with the mean and the contrast of `second` in each channel.

    Parameters
    ----------
    first, second : (H, W, C) float32 arrays
    mask : (H, W) bool array
        Where both can be compared. The contrast is the standard deviation there.

    Returns
    -------
    (H, W, C) float32 array
        `first` itself where fewer than two pixels can be compared or they are all the same.
    """
    ours, theirs = first[mask], second[mask]
    if len(ours) < 2:
        return first
    spread = ours.std(0)
    gain = np.where(spread > 0, theirs.std(0) / np.where(spread > 0, spread, 1), 1)
    shifted: npt.NDArray[np.float32] = (first - ours.mean(0)) * gain + theirs.mean(0)
    return shifted.astype(np.float32)
