"""Menus that pages and messages name, against those of a real napari window."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"\b(?:File|Layers|Plugins) > |(?<!Plugins > )\bMedRefine > ")
SUFFIX = " (MedRefine)"  # napari tells so whose a contribution is


def entries(menu, above: tuple[str, ...] = ()) -> Iterator[str]:
    """Every entry as a user reads it, with the menus above it."""
    for action in menu.actions():
        name = re.sub("&(.)", r"\1", action.text()).removesuffix(SUFFIX).removesuffix("...")
        way = (*above, name)
        if action.menu() is None and name:  # a separator has none
            yield " > ".join(way)
        elif action.menu() is not None:
            action.menu().aboutToShow.emit()  # napari fills some when they open
            yield from entries(action.menu(), way)


def pages() -> Iterator[tuple[str, str]]:
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        yield path.name, path.read_text(encoding="utf-8")


def messages() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path.name, node.value


def test_menus_are_named_as_napari_shows_them(real_viewer):
    there = "|".join(map(re.escape, entries(real_viewer.window._qt_window.menuBar())))
    right = re.compile(rf"{there}|Plugins > MedRefine(?! > )")
    named = [
        (source, text[found.start() :][:70])
        for source, said in (*pages(), *messages())
        for text in [" ".join(said.split())]
        for found in NAMED.finditer(text)
    ]
    assert len(named) > 20
    assert [one for one in named if not right.match(one[1])] == []
