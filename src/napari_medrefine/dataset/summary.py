"""The summary of a dataset as one page: what is in it, how it was split, what was left out."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from napari_medrefine._words import counted
from napari_medrefine.dataset.cautions import cautions_of
from napari_medrefine.dataset.contact_sheet import (
    COLOURS,
    GROUPS,
    PART_NAMES,
    Group,
    cards_of,
    natural,
    objective_text,
)
from napari_medrefine.dataset.manifest import Manifest, PhotoEntry
from napari_medrefine.dataset.recipe import SPLITS, Recipe, Split

if TYPE_CHECKING:
    import jinja2

SUMMARY = "summary.html"
TEMPLATE = "summary.html.jinja"
MOST_SLIDES = 24  # named for each part; the table of photos has them all
STUDY_OBJECTIVES = {4.0: 4, 10.0: 8, 40.0: 32}
STUDY_SIZES = ("3584 × 2748", "3584 × 2560", "1792 × 1280", "256 × 256")
STUDY_TILES = (1400, 560, 240, 560)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A contact sheet: its file, inside the dataset, and that file's SHA-256."""

    name: str
    sha256: str


def render_summary(manifest: Manifest, sheets: Sequence[Sheet]) -> bytes:
    """Return the page as UTF-8; the same bytes for the same manifest and sheets.

    Everything that comes from file names is escaped. Nothing is loaded from elsewhere, and nothing
    in it depends on the day, the machine or the folder.
    """
    page = _template().render(
        manifest=manifest,
        manifest_digest=hashlib.sha256(manifest.model_dump_json().encode()).hexdigest(),
        sheets=sheets,
        colours=COLOURS,
        part_names=PART_NAMES,
        totals=group_totals(manifest),
        table1=_objectives(manifest),
        table2=_dimensions(manifest),
        table3=_division(manifest),
        slides=_slides(manifest),
        left_out=[card for card in cards_of(manifest) if card.group == "left out"],
        reasons={one.source: one.reason for one in manifest.left_out},
        photos=_photos(manifest),
        recipe=_recipe(manifest.recipe),
        cautions=cautions_of(manifest),
    )
    return page.encode()


def group_totals(manifest: Manifest) -> dict[Group, str]:
    """Return how much went where, in words, for each part (and what was left out, if any)."""
    photos = Counter(photo.split for photo in manifest.photos)
    tiles = Counter(tile.split for tile in manifest.tiles)
    totals: dict[Group, str] = {
        split: f"{PART_NAMES[split].capitalize()}: {counted(photos[split], 'photo')}, "
        f"{counted(tiles[split], 'tile')}"
        for split in SPLITS
    }
    if manifest.left_out:
        totals["left out"] = f"Left out: {counted(len(manifest.left_out), 'photo')}"
    return {group: totals[group] for group in GROUPS if group in totals}


@cache
def _template() -> jinja2.Template:
    import jinja2  # here: reading a dataset does not need it

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["shown"] = _shown
    environment.filters["count"] = counted
    text = files("napari_medrefine.dataset").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text)


def _shown(text: str) -> str:
    """Return `text` without control characters, which have no place in a page."""
    return "".join("\ufffd" if unicodedata.category(c) == "Cc" else c for c in text)


def _objectives(manifest: Manifest) -> dict[str, Any]:
    """Return Table 1: photos by objective, the dataset's and the study's."""
    here = Counter(photo.objective for photo in manifest.photos)
    known = sorted({*STUDY_OBJECTIVES, *(o for o in here if o is not None)})
    columns: list[float | None] = [*known, *([None] if here[None] else [])]
    return {
        "heads": ["Total", *("Unknown" if o is None else objective_text(o) for o in columns)],
        "here": [len(manifest.photos), *(here[o] for o in columns)],
        "study": [44, *(0 if o is None else STUDY_OBJECTIVES.get(o, 0) for o in columns)],
    }


def _dimensions(manifest: Manifest) -> dict[str, Any]:
    """Return Table 2: each distinct row of sizes with its number of photos, commonest first."""
    side = manifest.recipe.tile
    sizes = Counter(
        (
            *(_size(shape) for shape in (p.original_shape, p.crop_shape, p.shape)),
            _size((side, side)),
        )
        for p in manifest.photos
    )
    return {"here": sizes.most_common(), "study": STUDY_SIZES}


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[1]} × {shape[0]}"


def _division(manifest: Manifest) -> dict[str, Any]:
    """Return Table 3: tiles by part, and each part's share beside what the recipe asks for."""
    tiles = Counter(tile.split for tile in manifest.tiles)
    total, asked = len(manifest.tiles), manifest.recipe.proportions
    return {
        "here": [total, *(tiles[split] for split in SPLITS)],
        "shares": [f"{tiles[split] / total:.0%}" for split in SPLITS],
        "asked": [f"{share / sum(asked):.0%}" for share in asked],
        "study": STUDY_TILES,
    }


def _slides(manifest: Manifest) -> list[dict[str, Any]]:
    """Return, for each part, which slides its photos show, and of how many there was no room."""
    found: dict[Split, Counter[str]] = {split: Counter() for split in SPLITS}
    for photo in manifest.photos:
        found[photo.split][photo.slide] += 1
    return [
        {
            "group": split,
            "slides": sorted(slides.items(), key=lambda item: natural(item[0]))[:MOST_SLIDES],
            "more": max(0, len(slides) - MOST_SLIDES),
        }
        for split, slides in found.items()
    ]


def _photos(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the rows of the table of photos, in the order of the contact sheet."""
    tiles = Counter(tile.photo for tile in manifest.tiles)
    entries = {photo.name: photo for photo in manifest.photos}
    cut = [card for card in cards_of(manifest) if card.group != "left out"]
    return [{"number": c.number, "tiles": tiles[c.name], **_facts(entries[c.name])} for c in cut]


def _facts(photo: PhotoEntry) -> dict[str, Any]:
    return {
        "name": photo.name,
        "slide": photo.slide,
        "split": photo.split,
        "objective": "" if photo.objective is None else objective_text(photo.objective),
        "pixel_um": "" if photo.pixel_um is None else f"{photo.pixel_um:.4g}",
        "contrast": f"{photo.contrast:.1f}",
        "sharpness": f"{photo.sharpness:.2f}",
        "clipped": f"{photo.clipped:.1%}",
    }


def _recipe(recipe: Recipe) -> list[tuple[str, str]]:
    """Return the recipe in words."""
    cleaning = recipe.cleaning
    units = {"auto": "slides where there are enough, else photos"}
    scales = (f"{o:g}x: {um:g} µm" for o, um in sorted(recipe.pixel_um.items()))
    crop = "as many whole tiles as fit, from the middle"
    if recipe.crop:
        crop = f"{_size(recipe.crop)} photo pixels, from the middle"
    return [
        ("Crop", crop),
        ("Resize", f"the mean of {recipe.reduce} × {recipe.reduce} photo pixels is one tile pixel"),
        ("Tile", f"{recipe.tile} × {recipe.tile} pixels, PNG"),
        ("Training : validation : test", " : ".join(str(n) for n in recipe.proportions)),
        ("Never divided", units.get(recipe.split_by, f"{recipe.split_by}s")),
        ("Seed", str(recipe.seed)),
        ("Objective of photos that do not say", _or_none(recipe.objective)),
        ("Photo pixel of photos that do not say", ", ".join(scales) or "left unknown"),
        ("Left out as blank", f"contrast below {cleaning.contrast:g}"),
        ("Left out as out of focus", f"sharpness below {cleaning.sharpness:g}"),
        ("Left out as over-exposed", f"more than {cleaning.clipped:.0%} clipped"),
        ("Left out as copies", "yes" if cleaning.duplicates else "only files that are the same"),
    ]


def _or_none(objective: float | None) -> str:
    return "left unknown" if objective is None else objective_text(objective)
