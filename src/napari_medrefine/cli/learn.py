"""`medrefine learn`: fine-tune the network on a slide's own registered fields, if that helps."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_medrefine._photos.nominal import nominal_ratio
from napari_medrefine.cli._common import (
    Commands,
    add_command,
    argument,
    check_folder,
    run_with_progress,
    settings_of,
)
from napari_medrefine.cli.register import ANGLE, RATIO, parse_angle, parse_ratio
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import Photo, read_photo

if TYPE_CHECKING:
    from napari_medrefine.learning import LearnField
    from napari_medrefine.registration import Overview, Placement

EXAMPLES = """\
  medrefine learn slide1_4x.jpg slide1_40x_*.jpg -o learned
  medrefine learn slide1_4x.jpg slide1_40x_*.jpg -o learned --placements placements
  medrefine magnify slide1_4x.jpg --scale 10 --model learned/best.safetensors -o large.ome.zarr

Stopped with Ctrl-C, the same command goes on where it was."""

NOT_KEPT = 3


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands,
        "learn",
        "fine-tune the network on registered fields; kept only if it helps on others",
        EXAMPLES,
    )
    parser.add_argument("overview", type=Path, help="the photo of low magnification")
    parser.add_argument(
        "fields", type=Path, nargs="+", help="photos of high magnification of the same slide"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder for pairs, weights and verdict"
    )
    parser.add_argument(
        "--placements",
        type=Path,
        help="folder with NAME.placement.json files of 'medrefine register' (default: register)",
    )
    parser.add_argument(
        "--ratio",
        type=argument(parse_ratio, RATIO),
        default="auto",
        help="see 'register', whose default it has",
    )
    parser.add_argument(
        "--angle",
        type=argument(parse_angle, ANGLE),
        default=None,
        help="see 'register', whose default it has",
    )
    parser.add_argument("--steps", type=int, help="batches at most (default: 160)")
    parser.add_argument("--seed", type=int, help="of crops and of what is held out (default: 0)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Register, pair, learn, and say what came of it."""
    from napari_medrefine.learning import check_unused, learn_steps
    from napari_medrefine.superres.learning_events import LearningConfig

    config = settings_of(LearningConfig, {"steps": arguments.steps, "seed": arguments.seed})
    check_unused(check_folder(arguments.output))
    overview = read_photo(arguments.overview)
    fields = _fields(arguments, overview)
    job = learn_steps(
        overview.image,
        fields,
        arguments.output,
        config,
        name=overview.name,
        pixel_um=overview.pixel_um,
    )
    result = run_with_progress(job, "learning")
    _tell_pairs(arguments.output)
    for score in result.scores:
        photo = "" if score.photo is None else f", {score.photo:.2f} dB shipped for photos"
        print(f"{score.name}: {score.before:.2f} dB shipped{photo}, {score.after:.2f} dB learned")
    print(result.sentence[0].upper() + result.sentence[1:])
    if result.weights is not None:
        print(f"Use them with: medrefine magnify PHOTO -o OUTPUT --model {result.weights}")
    return 0 if result.kept else NOT_KEPT


def _fields(arguments: argparse.Namespace, overview: Photo) -> list[LearnField]:
    from napari_medrefine.learning import LearnField
    from napari_medrefine.registration import Overview

    prepared, fields = None, []
    for path in arguments.fields:
        photo = read_photo(path)
        if arguments.placements is not None:
            placement = _known(arguments.placements, path, overview, photo)
        else:
            prepared = prepared or Overview(overview.image)
            placement = _registered(prepared, overview, photo, arguments)
        fields.append(LearnField(photo.name, photo.image, placement))
    return fields


def _known(folder: Path, path: Path, overview: Photo, field: Photo) -> Placement:
    from napari_medrefine.images import sha256_of
    from napari_medrefine.registration import Placement

    file = folder / f"{path.stem}.placement.json"
    placement = Placement.load(file)
    made_for = (placement.overview_sha256, placement.field_sha256)
    here = (sha256_of(np.asarray(overview.image)), sha256_of(np.asarray(field.image)))
    if any(known and known != own for known, own in zip(made_for, here, strict=True)):
        raise MedRefineError(f"{file} was made for other photos; register them again.")
    return placement


def _registered(
    prepared: Overview, overview: Photo, field: Photo, arguments: argparse.Namespace
) -> Placement:
    ratio = nominal_ratio(overview, field) if arguments.ratio == "auto" else arguments.ratio
    job = prepared.register_steps(field.image, ratio=ratio, angle=arguments.angle)
    return run_with_progress(job, field.name)


def _tell_pairs(folder: Path) -> None:
    from napari_medrefine.dataset.pair_files import read_pairs
    from napari_medrefine.superres.learning_events import PAIR_FOLDER

    manifest = read_pairs(folder / PAIR_FOLDER)
    for pair in manifest.pairs:
        parts = ", ".join(f"{share:.0%} {reason}" for reason, share in pair.left_out.items())
        left = f" (left out: {parts})" if parts else ""
        print(f"{pair.field.name}: {pair.usable:.0%} of it can be learned from{left}")
    for one in manifest.refused:
        print(f"{one.field.name}: LEFT OUT, {one.reason}")
