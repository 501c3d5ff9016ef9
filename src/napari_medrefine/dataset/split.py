"""Training, validation and test: by slide where there are enough, else by photo, never by tile.

Photos of one slide show the same cells, serial sections and stain; tiles of one photo even more so.
Where they end up on both sides, a network is tested on what it has seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

from napari_medrefine._photos.scale import name_before_objective, objective_in
from napari_medrefine.dataset.recipe import SPLITS, Recipe, Split
from napari_medrefine.errors import MedRefineError

SplitBy = Literal["slide", "photo"]


def slide_of(source: str) -> str:
    """Return the slide a photo shows, by its path inside the folder of photos.

    What stands before the objective in its name (``slide1_40x_3.jpg``: slide1), with its sub-folder
    in front (unless that names an objective). A photo that names no objective belongs to the slide
    of its sub-folder, and without one is a slide of its own.
    """
    path = PurePosixPath(source)
    folder = "/".join(part for part in path.parts[:-1] if objective_in(part) is None)
    named = name_before_objective(path.stem)
    if named is None and objective_in(path.parent.name) is not None:
        named = path.stem.rstrip("0123456789").rstrip(" _-.") or path.stem
    if named is None and not folder:
        named = path.stem
    return "/".join(filter(None, (folder, named))) or path.stem


def split_photos(
    slides: Mapping[str, str], tiles: Mapping[str, int], recipe: Recipe
) -> tuple[SplitBy, dict[str, Split]]:
    """Return what was kept together, and the part that each photo goes to.

    Parameters
    ----------
    slides : mapping
        Photo name to slide.
    tiles : mapping
        Photo name to its number of tiles.
    recipe : Recipe
        Its `proportions`, `split_by` and `seed`.
    """
    parts = sum(share > 0 for share in recipe.proportions)
    by: SplitBy = "photo" if recipe.split_by == "photo" else "slide"
    if recipe.split_by == "auto" and len(set(slides.values())) < parts:
        by = "photo"
    unit_of = {name: slides[name] if by == "slide" else name for name in slides}
    sizes: dict[str, int] = {}
    for name, unit in unit_of.items():
        sizes[unit] = sizes.get(unit, 0) + tiles[name]
    part_of = _deal(sizes, recipe)
    return by, {name: part_of[unit] for name, unit in unit_of.items()}


def refuse_leak(photos: Sequence[tuple[str, str, Split]], by: SplitBy) -> None:
    """Refuse a split in which a slide (or, by photo, a photo) is in two parts.

    Parameters
    ----------
    photos : sequence of (name, slide, split)
    by : {"slide", "photo"}

    Raises
    ------
    MedRefineError
        Naming it.
    """
    seen: dict[str, Split] = {}
    for name, slide, split in photos:
        unit = slide if by == "slide" else name
        if seen.setdefault(unit, split) != split:
            raise MedRefineError(
                f"the {by} {unit} is in {seen[unit]} and in {split}; a network would be tested on "
                "what it was trained on"
            )


def _deal(sizes: Mapping[str, int], recipe: Recipe) -> dict[str, Split]:
    """Deal out units, the largest first, each to the part that lacks most tiles."""
    share = {
        s: n / sum(recipe.proportions) for s, n in zip(SPLITS, recipe.proportions, strict=True)
    }
    lacks = {split: share[split] * sum(sizes.values()) for split in SPLITS if share[split]}
    empty = set(lacks)
    part_of: dict[str, Split] = {}
    order = sorted(sizes, key=lambda unit: (-sizes[unit], _shuffled(unit, recipe.seed)))
    for left, unit in zip(range(len(order), 0, -1), order, strict=True):
        # The last units go to parts that would otherwise stay empty.
        choice = [split for split in lacks if split in empty or left > len(empty)]
        part = max(choice, key=lambda split: lacks[split])
        lacks[part] -= sizes[unit]
        empty.discard(part)
        part_of[unit] = part
    return part_of


def _shuffled(unit: str, seed: int) -> str:
    """Return a key that orders units at random, the same on every machine."""
    return hashlib.sha256(f"{seed} {unit}".encode()).hexdigest()
