"""What OME-XML says of one picture of a file; by its tags, so that no entity is ever expanded."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

_IMAGE = re.compile(r"<(?:\w+:)?Image\b.*?(?:</(?:\w+:)?Image\s*>|\Z)", re.DOTALL)
_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b[^>]*>")
_DESCRIPTION = re.compile(r"<(?:\w+:)?Description\s*>(.*?)</(?:\w+:)?Description\s*>", re.DOTALL)
_CHANNEL = re.compile(r"<(?:\w+:)?Channel\b[^>]*>")
_ATTRIBUTE = re.compile(r"\b([A-Za-z]+)\s*=\s*\"([^\"]*)\"")


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel: its name and its colour as ``RRGGBB``, empty where they are not given."""

    name: str
    colour: str


def image_part(text: str, height: int, width: int) -> str | None:
    """Return the ``<Image>`` that describes a picture of that size; None if there is none.

    A scanner's file also holds a label and a macro photo, whose pixels have other sizes.
    """
    for image in _IMAGE.finditer(text):
        pixels = _attributes(_PIXELS, image.group())
        if any((p.get("SizeX"), p.get("SizeY")) == (str(width), str(height)) for p in pixels):
            return image.group()
    return None


def descriptions(text: str) -> list[str]:
    """Return the description of every ``<Image>``, in order; empty where it has none."""
    found = (_DESCRIPTION.search(image.group()) for image in _IMAGE.finditer(text))
    return ["" if one is None else html.unescape(one.group(1)) for one in found]


def channels(image: str) -> list[Channel]:
    """Return the channels that an ``<Image>`` names, in order."""
    return [
        Channel(html.unescape(given.get("Name", "")), _rgb(given.get("Color", "")))
        for given in _attributes(_CHANNEL, image)
    ]


def _attributes(tag: re.Pattern[str], text: str) -> list[dict[str, str]]:
    return [dict(_ATTRIBUTE.findall(match.group())) for match in tag.finditer(text)]


def _rgb(colour: str) -> str:
    """Return OME's colour, a signed number RRGGBBAA, as ``RRGGBB``."""
    try:
        return f"{int(colour) & 0xFFFFFFFF:08X}"[:6]
    except ValueError:
        return ""
