"""Training, validation and test: by slide where there are enough, else by photo, never by tile.

Photos of one slide show the same cells, serial sections and stain; tiles of one photo even more so.
Where they end up on both sides, a network is tested on what it has seen.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

from napari_medrefine._photos.scale import name_after_objective, name_before_objective, objective_in
from napari_medrefine.dataset.recipe import SPLITS, Recipe, Split
from napari_medrefine.errors import MedRefineError

SplitBy = Literal["slide", "photo"]
_NUMBER = re.compile(r"[ _.,([-]+\d+[)\]]?$")  # of a photo: "_3", " (3)"; not that of "slide3"


def slide_of(source: str) -> str:
    """Return the slide a photo shows, by its path inside the folder of photos; upper case is lower.

    What stands before the objective in its name (``slide1_40x_3.jpg``: slide1), with its sub-folder
    in front. A photo whose name has nothing there belongs to the slide of its sub-folder
    (``slide1/40x/3.jpg``), and without one to that of its name without the objective and the number
    (``40x/slide1_3.jpg``). Of a sub-folder that names an objective counts what else it says
    (``slide1_40x``: slide1; ``40x``: nothing).
    """
    path = PurePosixPath(source)
    parts = [name for folder in path.parts[:-1] if (name := slide_of_folder(folder))]
    named = name_before_objective(path.stem)
    if named and named.lower() not in parts[-1:]:
        parts.append(named.lower())
    return "/".join(parts) or _without_number(path).lower()


def slide_of_folder(name: str) -> str:
    """Return the slide that the name of a folder says, or nothing if it only says an objective.

    Behind an objective a slide is told from words (``40x fields``) by its number.
    """
    if objective_in(name) is None:
        return name.lower()
    behind = name_after_objective(name)
    numbered = behind if re.search(r"\d", behind) else ""
    return (name_before_objective(name) or numbered).lower()


def slide_in_folder(source: str) -> str:
    """Return the slide a photo shows where sub-folders are slides, whatever its name says."""
    folders = (slide_of_folder(folder) for folder in PurePosixPath(source).parts[:-1])
    return "/".join(filter(None, folders)) or slide_of(source)


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


def _without_number(path: PurePosixPath) -> str:
    """Return a name without the objective in front and the photo's number behind it.

    Without any objective nothing says that the number is not the slide's.
    """
    stem = path.stem
    if objective_in(stem) is not None:
        stem = name_after_objective(stem) or stem
    elif objective_in(path.parent.name) is None:
        return stem
    return _NUMBER.sub("", stem) or stem


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
