"""Every slide of an atlas as one pyramid file, its fields blended into the overview."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

from napari_medrefine.atlas.covered import placed_on
from napari_medrefine.atlas.layers import photos_folder
from napari_medrefine.atlas.record import Atlas, PhotoRecord
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.facts import facts_of
from napari_medrefine.io.ome_tiff import write_ome_tiff
from napari_medrefine.io.ome_zarr import write_ome_zarr
from napari_medrefine.photos import read_photo
from napari_medrefine.progress import Step, retold
from napari_medrefine.registration.assembly import Assembly, PlacedPhoto

_WRITERS: dict[str, tuple[str, Callable[..., Generator[Step, None, Path]]]] = {
    "ome-zarr": (".ome.zarr", write_ome_zarr),
    "ome-tiff": (".ome.tif", write_ome_tiff),
}
PARTS = 1000  # progress units per slide


def save_slides_steps(
    folder: str | Path,
    atlas: Atlas,
    kind: str,
    *,
    match: bool = False,
    overwrite: bool = False,
) -> Generator[Step, None, list[Path]]:
    """Write every slide of an atlas as one pyramid; a job, see `napari_medrefine.progress`.

    Stopped or killed, the same call goes on with the slides that are not there yet. The finest
    level of each has the pixel size of the finest field (40x), where that has its own pixels;
    elsewhere the overview is interpolated.

    Parameters
    ----------
    folder : path
        The atlas's; the files go there, named after the overviews.
    atlas : Atlas
        What `load_atlas` read from it.
    kind : {"ome-zarr", "ome-tiff"}
        The format.
    match : bool
        Fit each field's brightness and contrast to the overview; else its pixels stay as they are.
    overwrite : bool
        Replace files that are there.

    Returns
    -------
    list of Path
        One for each slide.

    Raises
    ------
    MedRefineError
        If a file of something else or all are there already, the disk is full, a photo is gone or
        has been changed, or a slide is taken away while others are written.
    """
    ending, write = _WRITERS[kind]
    targets = {slide.source: Path(folder) / f"{slide.name}{ending}" for slide in atlas.overviews}
    done = set() if overwrite else _check_free(folder, atlas, targets, match=match)
    total = PARTS * len(targets)
    for number, slide in enumerate(atlas.overviews):
        if slide.source in done:
            continue
        yield Step(PARTS * number, total, f"reading {slide.source}")
        assembly, facts = _assemble(folder, atlas, slide, match=match)
        job = write(
            targets[slide.source],
            assembly,
            pixel_um=slide.pixel_um / assembly.zoom if slide.pixel_um else None,
            name=slide.name,
            overwrite=overwrite,
            facts=facts,
        )
        yield from retold(job, partial(_within, number=number, total=total, name=slide.name))
    written = list(targets.values())
    _check_there(written)
    return written


def _check_there(targets: list[Path]) -> None:
    """Refuse to say that slides are written which somebody took away meanwhile."""
    missing = [path for path in targets if not path.exists()]
    if missing:
        raise MedRefineError(
            f"{missing[0]} was taken away while other slides were written; bring it back (is its "
            "drive plugged in?), or start again: what is missing is written then."
        )


def _check_free(
    folder: str | Path, atlas: Atlas, targets: dict[str, Path], *, match: bool
) -> set[str]:
    """Return the slides that an earlier call has written; refuse what is in the way of others."""
    there = [slide for slide in atlas.overviews if targets[slide.source].exists()]
    for slide in there:
        target = targets[slide.source]
        ours = facts_of(target) == json.loads(json.dumps(_facts(folder, atlas, slide, match=match)))
        if not ours or len(there) == len(targets):
            raise MedRefineError(
                f"{target} is already there; move it away, or say that it may be replaced."
            )
    return {slide.source for slide in there}


def _facts(folder: str | Path, atlas: Atlas, slide: PhotoRecord, *, match: bool) -> dict[str, Any]:
    """Return what a slide is put together from."""
    sources = [
        {"photo": x.source, "sha256": x.sha256, "matrix": place.matrix.tolist()}
        for x, place in placed_on(folder, atlas, slide)
    ]
    return {
        "software": atlas.software,
        "overview": {"photo": slide.source, "sha256": slide.sha256},
        "fields": sources,
        "colours": "fitted to the overview" if match else "as photographed",
    }


def _assemble(
    folder: str | Path, atlas: Atlas, slide: PhotoRecord, *, match: bool
) -> tuple[Assembly, dict[str, Any]]:
    """Return a slide put together, and what it was put together from."""
    photos = photos_folder(folder, atlas)
    placed = placed_on(folder, atlas, slide)
    fields = [PlacedPhoto(partial(_pixels, photos / x.source), place) for x, place in placed]
    facts = _facts(folder, atlas, slide, match=match)
    return Assembly(_pixels(photos / slide.source), fields, match=match), facts


def _pixels(path: Path) -> Any:
    return read_photo(path).image


def _within(step: Step, number: int, total: int, name: str) -> Step:
    """Return one slide's step as part of the whole job's."""
    done = PARTS * number + PARTS * step.done // max(step.total, 1)
    return Step(min(done, PARTS * (number + 1)), total, f"{name}: {step.text}")
