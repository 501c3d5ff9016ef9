"""Photos that show what another one shows: saved again, resized, denoised."""

from __future__ import annotations

from pathlib import Path

from napari_medrefine.dataset._cut import CutPhoto
from napari_medrefine.dataset._picture import picture_from_tiles
from napari_medrefine.dataset.clean import is_copy, suspects
from napari_medrefine.dataset.manifest import LeftOut


def find_copies(cut: list[CutPhoto], output: Path) -> dict[str, LeftOut]:
    """Return the photos, by source, that show what one before them shows."""
    copies: dict[str, LeftOut] = {}
    kept: list[CutPhoto] = []
    marks: list[bytes] = []
    for one in cut:
        mark = bytes.fromhex(one.photo.fingerprint)
        candidates = (kept[i] for i in suspects(mark, marks))
        original = next((o for o in candidates if _shows_the_same(one, o, output)), None)
        if original is None:
            kept.append(one)
            marks.append(mark)
            continue
        copies[one.source] = LeftOut(
            source=one.source,
            sha256=one.sha256,
            reason=f"a copy of {original.source}",
            copy_of=original.source,
        )
    return copies


def _shows_the_same(one: CutPhoto, other: CutPhoto, output: Path) -> bool:
    return is_copy(picture_from_tiles(one, output), picture_from_tiles(other, output))
