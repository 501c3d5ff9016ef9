"""Whether three or four channels are a colour picture, by their names and colours."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAMES = (("r", "red"), ("g", "green"), ("b", "blue"))
_COLOURS = ("FF0000", "00FF00", "0000FF")
_NUMBERED = re.compile(r"(?:channel|ch|c)?[ _:.-]*\d*(?:[ _:.-]\d+)*", re.IGNORECASE)


def are_rgb(names: Sequence[str], colours: Sequence[str], channels: int) -> bool:
    """Return whether the channels are red, green and blue, perhaps with alpha.

    Names decide where they mean something: "DAPI" shown in red is not the red of a colour picture,
    but "Channel 0" (Bio-Formats' name where there is none) is what its colour says.

    Parameters
    ----------
    names, colours : sequence of str
        One for each channel, or none at all; colours as ``RRGGBB``.
    channels : int
        How many there are.
    """
    if channels not in (3, 4):
        return False
    if len(names) == channels and not all(_NUMBERED.fullmatch(name) for name in names):
        given = [name.strip().lower() for name in names[:3]]
        return all(name in known for name, known in zip(given, _NAMES, strict=True))
    return tuple(colour.upper().lstrip("#") for colour in colours[:3]) == _COLOURS


def channel_names(names: Sequence[str], channels: int) -> tuple[str, ...]:
    """Return the names if every channel has one, else none."""
    return tuple(names) if len(names) == channels and all(names) else ()
