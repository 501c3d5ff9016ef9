"""Which axes of an image are rows and columns, and what the others number: t, c or z."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napari_medrefine.io._layer_attributes import MICROMETRES, SECONDS

LEAST_COLUMNS = 8  # of a picture: what is shorter numbers channels
MOST_CHANNELS = 32
COLUMNS = ("x", "col", "cols", "column", "columns")
CHANNELS = ("c", "ch", "channel", "channels")
NAMES = {
    **dict.fromkeys(CHANNELS, "c"),
    **dict.fromkeys(("t", "time", "times", "timepoint", "timepoints", "frame", "frames"), "t"),
    **dict.fromkeys(("z", "depth", "focus", "plane", "planes"), "z"),
    **dict.fromkeys(("section", "sections", "slice", "slices"), "z"),
}
FREE = "zct"  # the order in which what nobody has named becomes one, the last axis first


def picture_axes(
    shape: Sequence[int], labels: Sequence[str] | None = None, *, rgb: bool = False
) -> tuple[int, int]:
    """Return which axes of an image are rows and columns; the others number its planes.

    The last two, unless the last one is called channels, or is too short for a picture's columns.

    Parameters
    ----------
    shape : sequence of int
        Without the colours' axis.
    labels : sequence of str, optional
        Names of the axes.
    rgb : bool
        Whether there are colours: then the last two it is.
    """
    last = len(shape) - 1
    if last > 1 and not rgb and _are_channels(shape, str(labels[-1]) if labels else ""):
        last -= 1
    return last - 1, last


def _are_channels(shape: Sequence[int], label: str) -> bool:
    *_, rows, cols, last = shape
    sides = min(rows, cols)
    short = last < LEAST_COLUMNS <= sides or (last <= MOST_CHANNELS and 4 * last <= sides)
    return label.lower() in CHANNELS or (short and label.lower() not in COLUMNS)


def axis_letters(
    picture: tuple[int, int],
    count: int,
    *,
    labels: Sequence[str] | None = None,
    units: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    free: str = FREE,
) -> str:
    """Return a letter for each axis: y, x, and t, c or z for each of the others.

    What the labels say, else what stands in the metadata under ``axes``, else what the unit says (a
    length: z; a time: t), else channels if it comes after the columns. What is left gets what is
    left of z, c and t, the last axis first: so a stack of which nothing is known is ``tczyx``.

    Parameters
    ----------
    picture : (int, int)
        The axes of rows and columns.
    count : int
        How many axes there are.
    labels, units : sequence of str, optional
        One for each axis.
    metadata : mapping, optional
        The layer's.
    free : str
        What nobody has named may become.

    Returns
    -------
    str
        ``?`` for an axis for which there is no letter.
    """
    letters = ["?"] * count
    letters[picture[0]], letters[picture[1]] = "y", "x"
    told = _told((metadata or {}).get("axes"), count)
    for axis in range(count):
        said = _named(labels, axis) or _named(told, axis) or _measured(units, axis)
        said = said or ("c" if axis > picture[1] else "")
        if letters[axis] == "?" and said and said not in letters:
            letters[axis] = said
    left = [letter for letter in free if letter not in letters]
    for axis in reversed(range(count)):
        if letters[axis] == "?" and left:
            letters[axis] = left.pop(0)
    return "".join(letters)


def _named(labels: Sequence[str] | None, axis: int) -> str:
    return NAMES.get(labels[axis].strip().lower(), "") if labels else ""


def _measured(units: Sequence[str] | None, axis: int) -> str:
    unit = units[axis] if units else ""
    return "z" if unit in MICROMETRES else "t" if unit in SECONDS else ""


def _told(axes: object, count: int) -> list[str] | None:
    """Return the axes' names from metadata: as tifffile (a letter each) or OME-Zarr gives them."""
    if not isinstance(axes, str | list | tuple):
        return None
    names = [one.get("name") if isinstance(one, Mapping) else one for one in axes]
    texts = [str(name) for name in names if str(name).lower() not in ("s", "rgb", "samples")]
    return texts if len(texts) == count else None
