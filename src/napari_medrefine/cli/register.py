"""`medrefine register`: put photos on their overview."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medrefine._cluster import RETRIES
from napari_medrefine._photos.nominal import nominal_ratio
from napari_medrefine.cli._common import (
    Commands,
    add_command,
    add_overwrite,
    add_scheduler,
    argument,
    check_folder,
    check_free,
    cluster_of,
    items_with_progress,
    run_with_progress,
)
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.photos import Photo, PhotoHeader, read_header, read_photo

if TYPE_CHECKING:
    from napari_medrefine.registration import Placement
    from napari_medrefine.registration.window import Ratio


EXAMPLES = """\
  medrefine register slide1_4x.jpg slide1_40x_1.jpg slide1_40x_2.jpg -o placements
  medrefine register overview.tif field.tif --ratio 10 --angle any
  medrefine register overview.tif field.tif --ratio 8:12 --angle=-5:5
  medrefine register overview.tif fields/*.tif -o placements --scheduler tcp://10.0.0.1:8786"""

REFUSED, FAILED = 3, 1
RATIO = "a number, LOW:HIGH, 'auto' or 'unknown'"
ANGLE = "LOW:HIGH in degrees, or 'any'"


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands, "register", "put 10x/40x photos where they belong on a 4x photo", EXAMPLES
    )
    parser.add_argument("overview", type=Path, help="the photo of low magnification")
    parser.add_argument("fields", type=Path, nargs="+", help="photos of high magnification")
    parser.add_argument(
        "--ratio",
        type=argument(parse_ratio, RATIO),
        default="auto",
        help="how many field pixels make one overview pixel: a number (nominal), LO:HI, or "
        "'unknown' (default: from the objectives in the file names or metadata, else unknown)",
    )
    parser.add_argument(
        "--angle",
        type=argument(parse_angle, ANGLE),
        default=None,
        help="camera angles in degrees, LOW:HIGH or 'any' (default: -15:15, or any where the "
        "ratio is unknown)",
    )
    parser.add_argument(
        "--method",
        choices=["pyramid", "spiral"],
        default="pyramid",
        help="'spiral' is the study's brute-force RGB difference, for comparison (default: "
        "pyramid)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path(),
        help="folder for NAME.placement.json files (default: the current folder)",
    )
    add_scheduler(parser, "registers the photos")
    add_overwrite(parser)
    parser.set_defaults(run=run)


def parse_ratio(text: str) -> float | tuple[float, float] | str | None:
    """Return the ratio that `text` names; ``"auto"`` and None (unknown) are possible."""
    if text == "auto":
        return text
    if text == "unknown":
        return None
    return _range(text) if ":" in text else float(text)


def parse_angle(text: str) -> tuple[float, float]:
    """Return the range of angles that `text` names, in degrees."""
    return (-180.0, 180.0) if text == "any" else _range(text)


def run(arguments: argparse.Namespace) -> int:
    """Register every field and say in a line each what came of it."""
    check_folder(arguments.output)
    targets = [
        check_free(arguments.output / f"{field.stem}.placement.json", overwrite=arguments.overwrite)
        for field in arguments.fields
    ]
    if len({str(target).casefold() for target in targets}) < len(targets):
        raise MedRefineError("Two fields have the same file name; register them into two folders.")
    for path in (arguments.overview, *arguments.fields):
        read_header(path)  # a wrong path is told before the work
    status, saved = 0, False
    placed = _placed_elsewhere if arguments.scheduler else _placed
    for path, target, found in zip(arguments.fields, targets, placed(arguments), strict=True):
        if isinstance(found, MedRefineError):
            print(f"medrefine: {path.name} is left out: {found}", file=sys.stderr)
            status = FAILED
            continue
        arguments.output.mkdir(parents=True, exist_ok=True)
        placement = replace(found, field_name=path.name, overview_name=arguments.overview.name)
        placement.save(target)
        saved = True
        print(describe(path.name, placement))
        status = status or (0 if placement.accepted else REFUSED)
    if saved:
        print(f"Placements are in {arguments.output.resolve()}")
    return status


def _placed(arguments: argparse.Namespace) -> Iterator[Placement | MedRefineError]:
    """Register one field after the other; one that cannot be read does not stop the others."""
    from napari_medrefine.registration import Overview

    photo = read_photo(arguments.overview)
    overview = Overview(photo.image)
    for path in arguments.fields:
        try:
            field = read_photo(path)
            job = overview.register_steps(
                field.image,
                ratio=_ratio(arguments, photo, field),
                angle=arguments.angle,
                method=arguments.method,
            )
            found: Placement | MedRefineError = run_with_progress(job, path.name)
        except MedRefineError as error:
            found = error
        yield found


def _placed_elsewhere(arguments: argparse.Namespace) -> Iterator[Placement | MedRefineError]:
    """Register the fields on a cluster, which reads the files itself."""
    from napari_medrefine.registration.elsewhere import register_elsewhere_steps

    photo = read_header(arguments.overview)
    fields = [
        (partial(_pixels, path.absolute()), _ratio(arguments, photo, read_header(path)))
        for path in arguments.fields
    ]
    with cluster_of(arguments) as client:
        job = register_elsewhere_steps(
            partial(_pixels, arguments.overview.absolute()),
            fields,
            client.get_executor(pure=False, retries=RETRIES),
            angle=arguments.angle,
            method=arguments.method,
        )
        found: Iterator[Placement | MedRefineError] = items_with_progress(job, "registering")
        yield from found


def _pixels(path: Path) -> Image:
    return read_photo(path).image


def _ratio(
    arguments: argparse.Namespace, overview: Photo | PhotoHeader, field: Photo | PhotoHeader
) -> Ratio:
    given: Ratio = arguments.ratio
    return nominal_ratio(overview, field) if arguments.ratio == "auto" else given


def describe(name: str, placement: Placement) -> str:
    """Return one line that says where the field lies and how sure that is."""
    row, col = placement.matrix[:2, 2]
    mirrored = ", mirrored" if placement.mirrored else ""
    verdict = "placed. Its top left pixel lies at"
    if not placement.accepted:
        verdict = "REFUSED. The best guess puts its top left pixel at"
    return (
        f"{name}: {verdict} row {row:.2f}, column {col:.2f}; "
        f"ratio {placement.ratio:.3f}, angle {placement.angle:.2f} degrees, score "
        f"{placement.score:.2f}, {placement.overlap:.0%} of it on the overview, residual "
        f"{placement.residual:.2f} px{mirrored}. {placement.reason}"
    )


def _range(text: str) -> tuple[float, float]:
    low, high = (float(part) for part in text.split(":"))
    return low, high
