"""Values of another range than they claim: found before they become numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_medrefine.compare.filters import Floats
from napari_medrefine.compare.metrics import Mask
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import white_level

_TIMES = 5.0  # two pictures of one place never differ by more in brightness
_SAMPLED = 512  # pixels a side that are looked at


def check_range(image: Any, what: str) -> None:
    """Refuse values that fit no range a camera has.

    Raises
    ------
    MedRefineError
        If all are 0 or 1 in an integer dtype (a mask, or floats that were cast), or many are
        negative (a normalised image).
    """
    seen = np.asarray(_sample(image))
    if seen.dtype.kind == "u" and seen.max() <= 1:
        raise MedRefineError(
            f"{what} holds only 0 and 1 as {seen.dtype}: a mask, or an image of 0 to 1 that lost "
            "its values when it was cast; convert it to 0 to 255 first."
        )
    if seen.dtype.kind == "f" and seen.min() < -0.25 * white_level(seen):
        raise MedRefineError(
            f"{what} holds values down to {seen.min():.3g}: it was normalised; bring it back to "
            "0 to 1 or 0 to 255 first."
        )


def _sample(image: Any) -> Any:
    """Return pixels from all over the image; of a lazy one its middle, or all would be read."""
    height, width = image.shape[:2]
    if isinstance(image, np.ndarray):
        return image[:: max(1, height // _SAMPLED), :: max(1, width // _SAMPLED)]
    top, left = (max(0, (n - _SAMPLED) // 2) for n in (height, width))
    return image[top : top + _SAMPLED, left : left + _SAMPLED]


def on_one_range(unit: Floats, reference: Floats, mask: Mask) -> None:
    """Refuse a picture that is far darker or brighter than what shows the same place.

    Raises
    ------
    MedRefineError
        Saying how far.
    """
    levels = [float(np.mean(image[mask])) for image in (unit, reference)]
    times = levels[0] / max(levels[1], 1e-6)
    if not 1 / _TIMES <= times <= _TIMES:
        raise MedRefineError(
            f"Its values are {max(times, 1 / max(times, 1e-6)):.3g} times "
            f"{'brighter' if times > 1 else 'darker'} than what it is measured against: another "
            "range or dtype than it seems; convert both to one range first."
        )
