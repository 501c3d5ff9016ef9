"""The photos a dataset is made from: where they are, what they are called, what is in them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from napari_medrefine._names import as_text, safe_name
from napari_medrefine._paths import real
from napari_medrefine.dataset._journal import JOURNAL
from napari_medrefine.dataset.manifest import MANIFEST
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import find_photos, no_photos

LONGEST = 100  # bytes of a name: file systems hold 255, and tools append to it


def find_sources(photos: Path, output: Path) -> dict[str, Path]:
    """Return the photos below a folder by their path inside it, without those inside datasets.

    Raises
    ------
    MedRefineError
        If there is no such folder, no photo in it, or it is the output folder too.
    """
    if real(photos) == real(output):
        raise MedRefineError(f"The folder {photos} holds the photos: choose another to write to.")
    datasets = {real(output)}
    sources = {}
    for path in find_photos(photos, recursive=True):
        inside = path.relative_to(photos).parents
        folders = [photos / folder for folder in list(inside)[:-1]]
        if not any(real(folder) in datasets or _is_dataset(folder) for folder in folders):
            sources[as_text(path.relative_to(photos).as_posix())] = path
    if not sources:
        raise no_photos(photos)
    return sources


def _is_dataset(folder: Path) -> bool:
    return (folder / MANIFEST).exists() or (folder / JOURNAL).exists()


def name_photos(sources: Iterable[str]) -> dict[str, str]:
    """Return a name for each photo: unique (also without regard to case), good as a folder's name.

    The file's name without suffix, with its sub-folders in front; with the suffix too where two
    photos would have the same.
    """
    sources = list(sources)
    plain = {source: _safe(str(PurePosixPath(source).with_suffix(""))) for source in sources}
    times = Counter(name.casefold() for name in plain.values())
    return {
        source: name if times[name.casefold()] == 1 else _safe(f"{source}", apart=True)
        for source, name in plain.items()
    }


def _safe(text: str, *, apart: bool = False) -> str:
    name = safe_name(text, "photo")
    if apart or len(name.encode()) > LONGEST:
        short = name.encode()[: LONGEST - 20].decode(errors="ignore").strip(" .")
        return f"{short}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return name
