"""What a file is, and so how it is verified."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import zarr

from napari_medrefine._paths import is_there
from napari_medrefine._photos.refusal import one_sentence
from napari_medrefine.atlas import RECORD, load_atlas
from napari_medrefine.dataset import open_dataset
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._layers import KEY
from napari_medrefine.io.layer_images import TIFF
from napari_medrefine.io.layer_reader import is_ome_zarr, layer_of, saved_pictures
from napari_medrefine.io.ome_zarr_attributes import FACTS_KEY
from napari_medrefine.io.reader import ENDING, MANIFEST
from napari_medrefine.io.slides import Stack, open_slide
from napari_medrefine.photos import SUFFIXES, read_note
from napari_medrefine.progress import Step, finish
from napari_medrefine.provenance import Provenance
from napari_medrefine.registration import Placement
from napari_medrefine.superres.cards import ModelCard
from napari_medrefine.verify.collections import verify_atlas, verify_dataset
from napari_medrefine.verify.facts import check_facts, check_inputs
from napari_medrefine.verify.inputs import Folders
from napari_medrefine.verify.levels import verify_levels
from napari_medrefine.verify.pictures import verify_photo, verify_pixels
from napari_medrefine.verify.placements import verify_placement
from napari_medrefine.verify.report import Report
from napari_medrefine.verify.stacks import verify_stack

MODEL = ".safetensors"
IN_VIEW = "what was in view"  # a layer that changes as one pans


def verify(
    path: str | Path, *, inputs: str | Path | None = None, everything: bool = False
) -> Report:
    """Make a result again, and compare; see `verify_steps`."""
    return finish(verify_steps(path, inputs=inputs, everything=everything))


def verify_steps(
    path: str | Path, *, inputs: str | Path | None = None, everything: bool = False
) -> Generator[Step, None, Report]:
    """Make a result again, and compare; a job, see `napari_medrefine.progress`.

    Parameters
    ----------
    path : path
        A picture that `medrefine` or the plugin made (PNG, JPEG, TIFF, OME-TIFF, OME-Zarr folder),
        a placement, a dataset, an atlas, or a model.
    inputs : path, optional
        Folder with what it was made from; default: its own.
    everything : bool
        Make all of a large picture and of an atlas again, not only a sample (always the same one).

    Returns
    -------
    Report

    Raises
    ------
    MedRefineError
        If it cannot be read, or does not say how it was made.
    """
    place = Path(path)
    folders = Folders.near(place, None if inputs is None else Path(inputs))
    report = Report(place.name)
    job = _job(place, folders, report, everything)
    yield from job
    return report


def _job(
    path: Path, folders: Folders, report: Report, everything: bool
) -> Generator[Step, None, None]:
    name = path.name.lower()
    if path.is_dir() and is_ome_zarr(path):
        return _pyramid(path, folders, report, everything)
    if name == RECORD or (path / RECORD).is_file():
        folder = path if path.is_dir() else path.parent
        return verify_atlas(folder, load_atlas(folder), report, everything=everything)
    if name == MANIFEST or name.endswith(ENDING) or (path / MANIFEST).is_file():
        return verify_dataset(open_dataset(path), folders, report)
    if name.endswith(MODEL):
        return _model(path, report)
    if name.endswith(".json"):
        return verify_placement(path, Placement.load(path), folders, report)
    if name.endswith(TIFF):
        return _layers(path, folders, report, everything)
    if path.suffix.lower() in SUFFIXES:
        return _photo(path, folders, report)
    if not is_there(path):
        raise MedRefineError(f"Cannot verify {path}: it is not there.")
    raise MedRefineError(
        f"{path} cannot be verified: choose a picture, a slide, a placement, a dataset, an atlas "
        "or a weight file."
    )


def _photo(path: Path, folders: Folders, report: Report) -> Generator[Step, None, None]:
    made = Provenance.of_text(read_note(path), path)
    if made is None:
        raise _silent(path)
    report.check_version(made.version)
    check_inputs(made, report)
    yield from verify_photo(path, made, folders, report)


def _layers(
    path: Path, folders: Folders, report: Report, everything: bool
) -> Generator[Step, None, None]:
    """Verify every derived layer of a saved file."""
    found = 0
    for picture, saved in saved_pictures(path):
        data, attributes, _ = layer_of(picture, saved)
        facts = (attributes.get("metadata") or {}).get(KEY)
        made = Provenance.of_facts(facts, path)
        if made is None or facts is None:
            continue
        found += 1
        if facts.get("region") == IN_VIEW:
            report.problems.append("It shows what was in view; which part is not recorded.")
            continue
        report.check_version(made.version)
        check_inputs(made, report)
        check_facts(facts, made, report)
        pixels = data[0] if isinstance(data, list) else data
        stacked = any(one.planes for one in made.inputs)
        if stacked:
            yield from verify_stack(pixels, made, folders, report, everything=everything)
        else:
            sides_um = None if isinstance(picture, Stack) else picture.sides_um
            yield from verify_pixels(
                pixels, made, folders, report, sides_um=sides_um, everything=everything
            )
        yield from verify_levels(picture, report, everything=everything)
    if not found:
        raise _silent(path)


def _pyramid(
    path: Path, folders: Folders, report: Report, everything: bool
) -> Generator[Step, None, None]:
    with one_sentence(path):
        group: Any = zarr.open_group(path, mode="r")
        facts: Any = group.attrs.asdict().get(FACTS_KEY)
    made = Provenance.of_facts(facts, path)
    if made is None:
        layered = not isinstance(facts, Mapping) or "layer" in facts
        if not layered:
            raise _silent(path)
        yield from _layers(path, folders, report, everything)
        return
    report.check_version(made.version)
    check_inputs(made, report)
    check_facts(facts, made, report)
    with open_slide(path) as slide:
        yield from verify_pixels(
            slide.levels[0],
            made,
            folders,
            report,
            sides_um=slide.sides_um,
            everything=everything,
        )
        yield from verify_levels(slide, report, everything=everything)


def _model(path: Path, report: Report) -> Generator[Step, None, None]:
    from napari_medrefine.superres import models

    yield Step(0, 1, "Reading the weights ...")
    card = models.load_model(path).card
    if not isinstance(card, ModelCard):
        raise MedRefineError(f"{path} has no model card of ours, so it cannot be verified.")
    report.confirmed.append(f"The weights are those that its card describes ({card.sha256[:12]}).")
    report.remarks.append(f"Written by {card.software or 'an unknown version'}; {card.training}")
    report.remarks.append("It was not trained again.")


def _silent(path: Path) -> MedRefineError:
    return MedRefineError(f"{path} does not say how it was made, so it cannot be verified.")
