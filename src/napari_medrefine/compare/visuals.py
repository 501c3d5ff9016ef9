"""Pictures of a comparison, as RGB arrays: differences, a checkerboard, labelled panels."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from napari_medrefine.compare.metrics import comparable
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image, colours_of, from_unit, to_unit

Picture = npt.NDArray[np.uint8]  # (H, W, 3)

# Blue for darker, orange-red for brighter: told apart with every common colour blindness.
_DARKER = np.array([33.0, 102.0, 172.0])
_BRIGHTER = np.array([214.0, 96.0, 30.0])
_TEXT = (25, 25, 30)


def signed_difference(estimate: Image, truth: Image, *, gain: float = 4.0) -> Picture:
    """Return ``estimate - truth``: white where both agree, blue darker, orange brighter.

    The colour is full where the difference of the channels' mean is ``255 / gain``.

    Raises
    ------
    MedRefineError
        If the images differ in shape, dtype or range.
    """
    first, second = comparable(estimate, truth)
    return diverging(first - second, gain=gain)


def diverging(difference: npt.NDArray[np.floating], *, gain: float) -> Picture:
    """Return a difference in grey levels of 255 as colours: white is none, blue less, orange more.

    Parameters
    ----------
    difference : (H, W) or (H, W, C) array
        Of several channels, the mean is shown.
    gain : float
        The colour is full at ``255 / gain``.

    Notes
    -----
    Blue and orange are told apart with every common colour blindness, as red and green are not, and
    both grow darker with the size of the difference, so that it is seen without any colours, too.
    """
    grey = difference.mean(-1) if difference.ndim == 3 else difference
    share = np.clip(grey * np.float32(gain / 255), -1, 1)[..., None]
    colour = np.where(share < 0, _DARKER, _BRIGHTER)
    return _picture(255 + np.abs(share) * (colour - 255))


def checkerboard(first: Image, second: Image, *, squares: int = 8) -> Image:
    """Return squares of `first` and `second` in turn, `squares` across the longer side.

    Raises
    ------
    MedRefineError
        If the images differ in shape, dtype or range, or `squares` is below 2.
    """
    comparable(first, second)
    if squares < 2:
        raise MedRefineError(f"A checkerboard needs 2 squares or more, not {squares}.")
    side = max(1, round(max(first.shape[:2]) / squares))
    rows, cols = np.indices(first.shape[:2]) // side
    odd = (rows + cols) % 2 == 1
    return np.where(odd if first.ndim == 2 else odd[..., None], second, first)


def side_by_side(
    images: Sequence[tuple[str, Image]], *, columns: int | None = None, width: int = 256
) -> Picture:
    """Return the images in a grid, each under its label, for a report.

    Parameters
    ----------
    images : sequence of (label, image)
        Any sizes; each is shown `width` pixels wide, small ones with visible pixels. A label may
        hold several lines.
    columns : int, optional
        Images in one row; default all.
    width : int
        Width of each image in the panel.

    Returns
    -------
    (H, W, 3) uint8 array

    Raises
    ------
    MedRefineError
        If there is no image.
    """
    if not images:
        raise MedRefineError("There is no image to show.")
    columns = columns or len(images)
    lines = max(label.count("\n") for label, _ in images) + 1
    cells = [_labelled(label, image, width, lines) for label, image in images]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    return np.concatenate([_row(row, columns, width) for row in rows])


def _row(cells: list[Picture], columns: int, width: int) -> Picture:
    height = max(cell.shape[0] for cell in cells)
    row = np.full((height, columns * (width + 8), 3), 255, np.uint8)
    for k, cell in enumerate(cells):
        row[: cell.shape[0], k * (width + 8) : k * (width + 8) + width] = cell
    return row


def _labelled(label: str, image: Image, width: int, lines: int) -> Picture:
    shown = as_picture(image)
    height = max(1, round(shown.shape[0] * width / shown.shape[1]))
    how = Pillow.Resampling.NEAREST if shown.shape[1] < width else Pillow.Resampling.LANCZOS
    scaled = Pillow.fromarray(shown).resize((width, height), how)
    text = 18 * lines + 4
    canvas = Pillow.new("RGB", (width, text + height + 8), "white")
    font = ImageFont.load_default(13)
    ImageDraw.Draw(canvas).multiline_text((2, 1), label, _TEXT, font=font, spacing=4)
    canvas.paste(scaled, (0, text))
    return np.asarray(canvas)


def as_picture(image: Image, white: float | None = None) -> Picture:
    """Return any image as ``(H, W, 3)`` uint8, to be looked at; `white` as for `to_unit`."""
    unit = to_unit(check_image(image), white)
    return from_unit(colours_of(unit), np.zeros(1, np.uint8)).astype(np.uint8)


def png_of(picture: Picture) -> bytes:
    """Return a picture as a PNG file's bytes."""
    buffer = io.BytesIO()
    Pillow.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def _picture(levels: npt.NDArray[np.floating]) -> Picture:
    return np.asarray(np.clip(np.rint(colours_of(levels)), 0, 255), np.uint8)
