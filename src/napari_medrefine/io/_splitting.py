"""Which part each saved layer goes to: where it was, if that leaks nothing; else it is dealt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_medrefine.dataset.recipe import Recipe, Split
from napari_medrefine.dataset.split import SplitBy, refuse_leak, slide_of, split_photos
from napari_medrefine.errors import MedRefineError


@dataclass(frozen=True, slots=True)
class Dealt:
    """A photo to be dealt: what it shows, where it was, and how much there is of it.

    `sha256` is of the pixels: the same picture twice must not be on both sides.
    """

    name: str
    source: str
    sha256: str
    slide: str | None
    split: Split | None
    tiles: int


def decide(
    photos: Sequence[Dealt], recipe: Recipe
) -> tuple[SplitBy, dict[str, str], dict[str, Split]]:
    """Return what is kept together, and each photo's slide and part, by name."""
    first = {photo.sha256: photo for photo in reversed(photos)}
    slides = {photo.name: _slide(first[photo.sha256]) for photo in photos}
    kept = {photo.name: photo.split for photo in photos if photo.split}
    by = _kept_by(photos, slides, kept)
    if by is None:
        kept = {}
    if by == "slide":
        known = {slides[name]: split for name, split in kept.items()}
    else:
        known = {photo.sha256: kept[photo.name] for photo in photos if photo.name in kept}
    part = {
        photo.name: known[unit]
        for photo in photos
        if (unit := slides[photo.name] if by == "slide" else photo.sha256) in known
    }
    rest = [photo for photo in first.values() if photo.name not in part]
    if rest:
        asked = recipe.model_copy(update={"split_by": by or recipe.split_by})
        dealt_by, dealt = split_photos(
            {photo.name: slides[photo.name] for photo in rest},
            {photo.name: photo.tiles for photo in rest},
            asked,
        )
        by = by or dealt_by
        part |= {p.name: dealt[first[p.sha256].name] for p in photos if p.name not in part}
    return by or "photo", slides, part


def _kept_by(
    photos: Sequence[Dealt], slides: Mapping[str, str], kept: Mapping[str, Split]
) -> SplitBy | None:
    """Return what the parts that photos were in kept together; None: nothing, or no parts."""
    entries = [(photo, kept[photo.name]) for photo in photos if photo.name in kept]
    if not entries:
        return None
    try:
        refuse_leak([(photo.sha256, "", split) for photo, split in entries], "photo")
    except MedRefineError:
        return None
    try:
        refuse_leak([(photo.name, slides[photo.name], split) for photo, split in entries], "slide")
    except MedRefineError:
        return "photo"
    return "slide"


def _slide(photo: Dealt) -> str:
    return photo.slide or slide_of(photo.source)
