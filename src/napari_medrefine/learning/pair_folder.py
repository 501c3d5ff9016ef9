"""Pairs written into a folder, whole or not at all."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from napari_medrefine.dataset.pair_files import write_manifest, write_pair
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.pyramid_writer import replacing_folder
from napari_medrefine.learning.pairing import Paired
from napari_medrefine.progress import Step


def write_pairs(paired: Paired, folder: Path) -> Generator[Step, None, Path]:
    """Write `paired` into the new `folder`, with each field's placement; yield a `Step` for each.

    Raises
    ------
    MedRefineError
        If the folder is there already, or cannot be written.
    """
    if folder.exists():
        raise MedRefineError(f"{folder} is already there; choose another folder.")
    total = len(paired.pairs)
    with replacing_folder(folder) as part:
        for done, (entry, pair, placement) in enumerate(
            zip(paired.manifest.pairs, paired.pairs, paired.placements, strict=True)
        ):
            yield Step(done, total, f"writing the pair of {entry.field.name}")
            own = part / entry.folder
            own.mkdir()
            write_pair(own, pair)
            placement.save(own / "placement.json")
        write_manifest(part, paired.manifest)
    return folder
