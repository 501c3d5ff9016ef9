"""What to be cautious about in how a dataset was split, in words for terminal, window and page."""

from __future__ import annotations

import re
from collections import Counter

from napari_medrefine._words import counted
from napari_medrefine.dataset.contact_sheet import PART_NAMES, natural
from napari_medrefine.dataset.manifest import Manifest
from napari_medrefine.dataset.recipe import SPLITS

_NUMBER = re.compile(r"\d+(?=\D*$)")
_NAMED = 3  # slides


def cautions_of(manifest: Manifest) -> tuple[str, ...]:
    """Return sentences; none where the split is what was asked for."""
    return tuple(filter(None, (_by_photo(manifest), _empty(manifest), _series(manifest))))


def _by_photo(manifest: Manifest) -> str:
    if manifest.split_by != "photo" or manifest.recipe.split_by == "photo":
        return ""
    slides = counted(len({photo.slide for photo in manifest.photos}), "slide")
    return (
        f"there were too few slides ({slides}) to keep each in one part. It was split by photo: a "
        "test on this dataset says little about slides that were never seen."
    )


def _empty(manifest: Manifest) -> str:
    there = {tile.split for tile in manifest.tiles}
    shares = zip(SPLITS, manifest.recipe.proportions, strict=True)
    empty = [PART_NAMES[split] for split, share in shares if share and split not in there]
    if not empty:
        return ""
    units = {p.slide if manifest.split_by == "slide" else p.name for p in manifest.photos}
    few = counted(len(units), manifest.split_by)
    return (
        f"nothing is left for {' and '.join(empty)}: a {manifest.split_by} is never divided, and "
        f"there {'is' if len(units) == 1 else 'are'} only {few}."
    )


def _series(manifest: Manifest) -> str:
    """Name slides of one photo each whose names differ by their last number."""
    if manifest.split_by != "slide":
        return ""
    photos = Counter(photo.slide for photo in manifest.photos)
    series: dict[str, list[str]] = {}
    for slide in sorted(photos, key=natural):
        if _NUMBER.search(slide):
            series.setdefault(_NUMBER.sub("#", slide), []).append(slide)
    alike = [
        slide
        for slides in series.values()
        if len(slides) > 1 and all(photos[slide] == 1 for slide in slides)
        for slide in slides
    ]
    if not alike:
        return ""
    named = ", ".join(alike[:_NAMED]) + (", ..." if len(alike) > _NAMED else "")
    return (
        f"{len(alike):,} photos count as a slide each, though their names look like a series "
        f"({named}). If some show the same slide, put these into a sub-folder."
    )
