"""Short texts in a picture: letters that the font has, lines that fit.

Pillow brings one font, whose letters are little more than ASCII. Accents go, a few letters are
written in two, and what is left (Chinese, say) becomes an ellipsis: pictures are numbered, and the
summary has the names in full.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from PIL import ImageFont

ELLIPSIS = "…"
_SPELLED = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
    | {"đ": "d", "Đ": "D", "ı": "i", "×": "x", "µ": "u", "μ": "u", "–": "-", "—": "-", "·": "-"}
)


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's own font, set letter by letter: the same with and without Raqm."""
    loaded = ImageFont.load_default(size)
    assert isinstance(loaded, ImageFont.FreeTypeFont)  # noqa: S101  every Pillow wheel has FreeType
    return loaded.font_variant(layout_engine=ImageFont.Layout.BASIC)


def drawable(text: str) -> str:
    """Return `text` in letters that the font has."""
    plain = unicodedata.normalize("NFKD", text.translate(_SPELLED))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return " ".join(re.sub(r"[^\x20-\x7e…]+", ELLIPSIS, plain).split())


def fit(text: str, size: int, width: int, *, tail: float = 0.5) -> str:
    """Return `text` no wider than `width` pixels, what is too much left out from inside it.

    `tail` is the share of what stays that comes from the end of `text`.
    """
    if font(size).getlength(text) <= width:
        return text
    for kept in range(min(len(text) - 1, width), 0, -1):  # no letter is narrower than a pixel
        end = int(kept * tail)
        shorter = f"{text[: kept - end].rstrip()}{ELLIPSIS}{text[len(text) - end :].lstrip()}"
        if font(size).getlength(shorter) <= width:
            return shorter
    return ELLIPSIS


def two_lines(text: str, size: int, width: int) -> list[str]:
    """Return `text` as at most two lines no wider than `width`, broken between words."""
    words = text.split()
    first = words[:1]
    while len(first) < len(words):
        longer = [*first, words[len(first)]]
        if font(size).getlength(" ".join(longer)) > width:
            break
        first = longer
    rest = " ".join(words[len(first) :])
    lines = [" ".join(first), *([rest] if rest else [])]
    return [fit(line, size, width) for line in lines]
