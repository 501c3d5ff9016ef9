"""Pictures of a comparison, as RGB arrays for files and reports."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import check_image, to_unit

Picture = npt.NDArray[np.uint8]
GAP = 6
LABEL_HEIGHT = 26


def as_picture(image: npt.ArrayLike) -> Picture:
    """Return any image as ``(H, W, 3)`` uint8."""
    unit = to_unit(check_image(image))
    rgb = np.repeat(unit[..., None], 3, -1) if unit.ndim == 2 else unit[..., :3]
    return np.asarray(np.clip(np.rint(rgb * 255), 0, 255), np.uint8)


def absolute_difference(image: npt.ArrayLike, truth: npt.ArrayLike, gain: float = 4.0) -> Picture:
    """Return `gain` times the absolute difference: black where the images agree.

    Raises
    ------
    MedRefineError
        If the shapes differ.
    """
    a, b = as_picture(image).astype(float), as_picture(truth).astype(float)
    if a.shape != b.shape:
        raise MedRefineError(f"Images of shapes {a.shape} and {b.shape} cannot be compared.")
    return np.asarray(np.clip(np.abs(a - b) * gain, 0, 255), np.uint8)


def side_by_side(pictures: Mapping[str, npt.ArrayLike]) -> Picture:
    """Return pictures of one height in a row, each under its label.

    Raises
    ------
    MedRefineError
        If there are none, or their heights differ.
    """
    if not pictures:
        raise MedRefineError("There is nothing to show side by side.")
    panels = [labelled(as_picture(picture), label) for label, picture in pictures.items()]
    if len({panel.shape[0] for panel in panels}) > 1:
        raise MedRefineError("Pictures of different heights do not stand side by side.")
    gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
    row = [part for panel in panels for part in (panel, gap)][:-1]
    return np.concatenate(row, axis=1)


def labelled(picture: Picture, label: str) -> Picture:
    """Return `picture` with `label` written above it."""
    strip = Pillow.new("RGB", (picture.shape[1], LABEL_HEIGHT), "white")
    font = ImageFont.load_default(size=16)
    ImageDraw.Draw(strip).text((4, 3), label, fill="black", font=font)
    return np.concatenate([np.asarray(strip), picture], axis=0)
