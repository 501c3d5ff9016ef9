"""Which photos a training set is better off without: blank, out of focus, over-exposed, copies.

Everything is measured on the reduced grey picture, in octave bands of a block-mean pyramid: band
``k`` is what a block mean over ``2 ** (k + 1)`` pixels loses against one over ``2 ** k``. The
thresholds (`Cleaning`) were set on 44 real photos of four slides. As they were, the softest had a
sharpness of 0.42, the palest a contrast of 5.1, the brightest 0.10 clipped. A Gaussian blur with a
standard deviation of 8 photo pixels brought every one to a sharpness below 0.37, and 1.5 times the
light brought every one above 0.22 clipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from napari_medrefine.dataset.recipe import Cleaning, Pixels

Grey = npt.NDArray[np.uint8]
Means = npt.NDArray[np.float32]

CLIPPED = 254
FINGERPRINT = 16  # side of the picture by which copies are suspected
SUSPECT = 3.0  # grey levels (of 255) between two fingerprints
COMPARED = 256  # side of the pictures by which a suspicion is settled
SAME = 0.8  # correlation of their fine detail


@dataclass(frozen=True, slots=True)
class Quality:
    """What is measured of a photo.

    Attributes
    ----------
    contrast : float
        Standard deviation of the band of 8 to 16 pixels, in grey levels of 255.
    sharpness : float
        Standard deviation of the band of 2 to 4 pixels over that of 8 to 16; 0.25 for a picture
        that is nothing but smooth.
    clipped : float
        Share of the pixels other than pure white in which two channels are at the upper end.
    """

    contrast: float
    sharpness: float
    clipped: float


def grey_of(picture: Pixels) -> Grey:
    """Return the luma (ITU-R 601) of a picture (H, W, 3) as uint8 (H, W)."""
    return np.asarray(Pillow.fromarray(picture).convert("L"))


def measure(picture: Pixels) -> Quality:
    """Measure a reduced photo (H, W, 3)."""
    fine, coarse = _band_contrasts(grey_of(picture))
    return Quality(coarse, fine / max(coarse, 1e-6), _clipped(picture))


def fault(quality: Quality, limits: Cleaning) -> str | None:
    """Return why a photo of this quality is left out, or None."""
    if quality.clipped > limits.clipped:
        return f"over-exposed: {quality.clipped:.0%} of it (besides pure white) is clipped"
    if quality.contrast < limits.contrast:
        return f"blank: its structure has a contrast of {quality.contrast:.2f} grey levels"
    if quality.sharpness < limits.sharpness:
        return (
            f"out of focus: its fine detail is {quality.sharpness:.2f} of its coarse detail, "
            f"less than {limits.sharpness:g}"
        )
    return None


def fingerprint(picture: Pixels) -> bytes:
    """Return a grey picture of 16 x 16 block means as 256 bytes."""
    return np.rint(shrink(grey_of(picture), FINGERPRINT)).astype(np.uint8).tobytes()


def suspects(mark: bytes, others: list[bytes]) -> list[int]:
    """Return which of `others` look like `mark`: the numbers of the candidates for a copy."""
    if not others:
        return []
    marks = np.frombuffer(b"".join(others), np.uint8).reshape(len(others), -1).astype(np.int16)
    apart = np.abs(marks - np.frombuffer(mark, np.uint8).astype(np.int16)).mean(axis=1)
    return [int(i) for i in np.flatnonzero(apart < SUSPECT)]


def is_copy(one: Pixels, other: Pixels) -> bool:
    """Say whether two photos show the same fine detail in the same place (whatever their size)."""
    a, b = (_detail(shrink(grey_of(picture), COMPARED)) for picture in (one, other))
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return norm > 0 and float((a * b).sum()) / norm > SAME


def shrink(grey: Grey, side: int) -> Means:
    """Return `grey` as ``side x side`` block means (blocks differ by a pixel)."""
    rows, cols = (np.arange(side) * n // side for n in grey.shape)
    sums = np.add.reduceat(grey, rows, axis=0, dtype=np.float32)
    sums = np.add.reduceat(sums, cols, axis=1)
    counts = np.outer(np.diff(rows, append=grey.shape[0]), np.diff(cols, append=grey.shape[1]))
    return np.asarray(sums / np.maximum(counts, 1), np.float32)


def _band_contrasts(grey: Grey) -> tuple[float, float]:
    """Return the standard deviations of the bands of 2 to 4 and of 8 to 16 pixels.

    A block mean is an orthogonal projection: what it loses is a difference of two variances.
    """
    level, variances = grey.astype(np.float32), []
    for _ in range(4):
        level = _halve(level)
        variances.append(float(level.var(dtype=np.float64)))
    two, four, eight, sixteen = variances
    return max(two - four, 0) ** 0.5, max(eight - sixteen, 0) ** 0.5


def _halve(level: Means) -> Means:
    height, width = (n // 2 * 2 for n in level.shape)
    rows = level[:height:2, :width] + level[1:height:2, :width]
    return np.asarray((rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25))


def _clipped(picture: Pixels) -> float:
    high = (picture >= CLIPPED).view(np.uint8)
    full = high[..., 0] + high[..., 1] + high[..., 2]
    white = float(np.count_nonzero(full == 3) / full.size)
    # Where next to nothing is left besides pure white, there is nothing to see.
    return 1.0 if white > 0.98 else float(np.count_nonzero(full == 2) / full.size / (1 - white))


def _detail(small: Means) -> Means:
    """Return what block means over 8 x 8 pixels lose of a picture."""
    height, width = (n // 8 * 8 for n in small.shape)
    blocks = small[:height, :width].reshape(height // 8, 8, width // 8, 8)
    return np.asarray(blocks - blocks.mean(axis=(1, 3), keepdims=True))
