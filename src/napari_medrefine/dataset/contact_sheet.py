"""The contact sheet: all photos of a dataset in small, by where they went."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from napari_medrefine._words import counted
from napari_medrefine.dataset._captions import drawable, fit, font, two_lines
from napari_medrefine.dataset._thumbnails import SIDE
from napari_medrefine.dataset.colours import SPLIT_COLOURS
from napari_medrefine.dataset.manifest import LeftOut, Manifest, PhotoEntry
from napari_medrefine.dataset.recipe import SPLITS, Pixels

Group = Literal["train", "validation", "test", "left out"]
GROUPS: tuple[Group, ...] = (*SPLITS, "left out")
COLOURS: Final[dict[Group, str]] = {
    "train": SPLIT_COLOURS["train"],
    "validation": SPLIT_COLOURS["validation"],
    "test": SPLIT_COLOURS["test"],
    "left out": "#999999",
}
PART_NAMES: Final[dict[Group, str]] = {
    "train": "training",
    "validation": "validation",
    "test": "test",
    "left out": "left out",
}
PER_SHEET = 198  # 33 rows

_COLUMNS, _FRAME, _GAP, _MARGIN = 6, 6, 14, 28
_CARD = SIDE + 2 * _FRAME
_TITLE, _HEADING, _NAME, _NOTE = 28, 20, 15, 14  # font sizes
_HEADED = 44  # what a heading takes with the space around it
_LINE = 18  # of the note, below the name
_BLACK, _GREY, _PALE = "#1f2328", "#59636e", "#eef0f2"
_DIMMED = 0.55  # how much white is laid over a photo that was left out


@dataclass(frozen=True, slots=True)
class Card:
    """One photo on the sheet: its number, where it went, and the two lines below it."""

    number: int
    group: Group
    source: str
    name: str
    note: str


def cards_of(manifest: Manifest) -> list[Card]:
    """Return a card for each photo, in the order of the sheet and the summary's tables."""
    tiles = Counter(tile.photo for tile in manifest.tiles)
    cut = sorted(manifest.photos, key=_order)
    cards = [
        Card(number, photo.split, photo.source, photo.name, _note(photo, tiles[photo.name]))
        for number, photo in enumerate(cut, 1)
    ]
    return cards + [
        Card(number, "left out", one.source, one.source, short_reason(one))
        for number, one in enumerate(manifest.left_out, len(cut) + 1)
    ]


def _order(photo: PhotoEntry) -> tuple[int, list[str], float, list[str]]:
    """Sort by part, slide, objective and name, the numbers in names by their size."""
    objective = float("inf") if photo.objective is None else photo.objective
    return SPLITS.index(photo.split), natural(photo.slide), objective, natural(photo.source)


def natural(text: str) -> list[str]:
    """Return a key that sorts names with the numbers in them by size: slide2 before slide10."""
    # Numbers stand at odd places; equally long they compare as text. No name has 400 digits.
    return [part.zfill(400) if i % 2 else part for i, part in enumerate(re.split("([0-9]+)", text))]


def short_reason(one: LeftOut) -> str:
    """Return why a photo was left out without the numbers that say how much."""
    if one.copy_of:
        return one.reason
    return one.reason.partition(": ")[0].partition(" (")[0]


def objective_text(objective: float | None) -> str:
    """Return "40x", or that it is not known."""
    return "objective unknown" if objective is None else f"{objective:g}x"


def _note(photo: PhotoEntry, tiles: int) -> str:
    return f"{objective_text(photo.objective)}, {counted(tiles, 'tile')}"


def sheet_name(number: int) -> str:
    """Return the file name of the sheet with that number, from 1."""
    return "contact-sheet.jpg" if number == 1 else f"contact-sheet-{number}.jpg"


def draw_sheet(
    cards: Sequence[Card],
    pictures: Sequence[Pixels | None],
    legend: dict[Group, str],
    which: tuple[int, int],
) -> bytes:
    """Return one sheet as JPEG, the same bytes for the same cards and pictures.

    Parameters
    ----------
    cards : sequence of Card
        In order; those of a group one after the other.
    pictures : sequence of (ndarray or None)
        Their thumbnails, uint8 (H, W, 3); None where there is none.
    legend : dict
        What is said of each group of the whole dataset; its heading.
    which : (int, int)
        The sheet's number, and how many there are.
    """
    rows = _rows(cards, pictures)
    columns = max(3, *(len(row) for row in rows))
    width = 2 * _MARGIN + columns * _CARD + (columns - 1) * _GAP
    top = _MARGIN + _TITLE + 22 + 30
    height = top + sum(_height(row) for row in rows) + _MARGIN
    height += len({card.group for card in cards}) * _HEADED
    sheet = Pillow.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    _draw_head(draw, width, legend, which)
    group = None
    for row in rows:
        if row[0][0].group != group:
            group = row[0][0].group
            top = _draw_heading(draw, top, width, group, legend[group])
        for column, (card, picture) in enumerate(row):
            left = _MARGIN + column * (_CARD + _GAP)
            _draw_card(sheet, draw, (left, top), card, picture, _picture_height(row))
        top += _height(row)
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=88, subsampling=0)
    return buffer.getvalue()


_Row = list[tuple[Card, Pixels | None]]


def _rows(cards: Sequence[Card], pictures: Sequence[Pixels | None]) -> list[_Row]:
    """Return the cards with their pictures row by row; a group begins a new row."""
    rows = []
    pairs = zip(cards, pictures, strict=True)
    for _, group in groupby(pairs, lambda pair: pair[0].group):
        members = list(group)
        rows += [members[i : i + _COLUMNS] for i in range(0, len(members), _COLUMNS)]
    return rows


def _picture_height(row: _Row) -> int:
    heights = [picture.shape[0] for _, picture in row if picture is not None]
    return max([*heights, 0]) or SIDE * 5 // 7


def _height(row: _Row) -> int:
    lines = max(len(two_lines(drawable(card.note), _NOTE, _CARD)) for card, _ in row)
    return _picture_height(row) + 2 * _FRAME + 26 + lines * _LINE + 2 * _GAP


def _draw_head(
    draw: ImageDraw.ImageDraw, width: int, legend: dict[Group, str], which: tuple[int, int]
) -> None:
    """Draw the title and, below it, what each colour stands for."""
    title = "Contact sheet" + (f" {which[0]} of {which[1]}" if which[1] > 1 else "")
    draw.text((_MARGIN, _MARGIN - 8), title, _BLACK, font(_TITLE))
    left, top = _MARGIN, _MARGIN + _TITLE + 6
    for group in legend:
        text = PART_NAMES[group]
        draw.rectangle((left, top + 1, left + 16, top + 17), fill=COLOURS[group])
        draw.text((left + 24, top), text, _BLACK, font(_NAME))
        left += 24 + int(font(_NAME).getlength(text)) + 28
    draw.line((_MARGIN, top + 32, width - _MARGIN, top + 32), "#d1d9e0")


def _draw_heading(draw: ImageDraw.ImageDraw, top: int, width: int, group: Group, text: str) -> int:
    """Draw the heading of a group and return where its first row begins."""
    draw.rectangle((_MARGIN, top + 8, _MARGIN + 6, top + 10 + _HEADING), fill=COLOURS[group])
    line = fit(text, _HEADING, width - 2 * _MARGIN - 18)
    draw.text((_MARGIN + 16, top + 6), line, _BLACK, font(_HEADING))
    return top + _HEADED


def _draw_card(
    sheet: Pillow.Image,
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    card: Card,
    picture: Pixels | None,
    height: int,
) -> None:
    left, top = corner
    bottom = top + height + 2 * _FRAME
    draw.rectangle((left, top, left + _CARD - 1, bottom - 1), fill=COLOURS[card.group])
    inner = (left + _FRAME, top + _FRAME, left + _FRAME + SIDE - 1, bottom - _FRAME - 1)
    draw.rectangle(inner, fill=_PALE)
    if picture is None:
        middle = ((inner[0] + inner[2]) // 2, (inner[1] + inner[3]) // 2)
        draw.text(middle, "no picture", _GREY, font(_NAME), anchor="mm")
    else:
        high, wide = picture.shape[:2]
        shown = _dimmed(picture) if card.group == "left out" else picture
        place = (inner[0] + (SIDE - wide) // 2, inner[1] + (height - high) // 2)
        sheet.paste(Pillow.fromarray(shown), place)
    _draw_caption(draw, (left, bottom + 6), card)


def _draw_caption(draw: ImageDraw.ImageDraw, corner: tuple[int, int], card: Card) -> None:
    left, top = corner
    number = f"{card.number} "
    draw.text((left, top), number, _GREY, font(_NAME))
    taken = int(font(_NAME).getlength(number)) + 4
    name = fit(drawable(card.name), _NAME, _CARD - taken)
    draw.text((left + taken, top), name, _BLACK, font(_NAME))
    for i, line in enumerate(two_lines(drawable(card.note), _NOTE, _CARD)):
        draw.text((left, top + 20 + _LINE * i), line, _GREY, font(_NOTE))


def _dimmed(picture: Pixels) -> Pixels:
    return np.asarray(255 - (255 - picture) * (1 - _DIMMED), np.uint8)
