"""`medrefine register`: put photos on their overview."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medrefine.cli._common import (
    Commands,
    add_command,
    add_overwrite,
    check_free,
    run_with_progress,
)
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import Photo, read_photo

if TYPE_CHECKING:
    from napari_medrefine.registration import Placement

EXAMPLES = """\
  medrefine register slide1_4x.jpg slide1_40x_1.jpg slide1_40x_2.jpg -o placements
  medrefine register overview.tif field.tif --ratio 10 --angle any
  medrefine register overview.tif field.tif --ratio 8:12 --angle -5:5"""

REFUSED = 3


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands, "register", "put 10x/40x photos where they belong on a 4x photo", EXAMPLES
    )
    parser.add_argument("overview", type=Path, help="the photo of low magnification")
    parser.add_argument("fields", type=Path, nargs="+", help="photos of high magnification")
    parser.add_argument(
        "--ratio",
        type=parse_ratio,
        default="auto",
        help="how many field pixels make one overview pixel: a number (nominal), LO:HI, or "
        "'unknown' (default: from the objectives in the file names or metadata, else unknown)",
    )
    parser.add_argument(
        "--angle",
        type=parse_angle,
        default=None,
        help="camera angles in degrees, LOW:HIGH or 'any' (default: -15:15, or any where the "
        "ratio is unknown)",
    )
    parser.add_argument(
        "--method",
        choices=["pyramid", "spiral"],
        default="pyramid",
        help="'spiral' is the study's brute-force RGB difference, for comparison",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path(), help="folder for NAME.placement.json files"
    )
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
    from napari_medrefine.registration import Overview

    targets = [
        check_free(arguments.output / f"{field.stem}.placement.json", overwrite=arguments.overwrite)
        for field in arguments.fields
    ]
    if len(set(targets)) < len(targets):
        raise MedRefineError("Two fields have the same file name; register them into two folders.")
    photo = read_photo(arguments.overview)
    overview = Overview(photo.image)
    arguments.output.mkdir(parents=True, exist_ok=True)
    accepted = True
    for path, target in zip(arguments.fields, targets, strict=True):
        field = read_photo(path)
        job = overview.register_steps(
            field.image,
            ratio=_nominal(photo, field) if arguments.ratio == "auto" else arguments.ratio,
            angle=arguments.angle,
            method=arguments.method,
        )
        placement = run_with_progress(job, path.name)
        placement.save(target)
        print(describe(path.name, placement))
        accepted &= placement.accepted
    print(f"Placements are in {arguments.output.resolve()}")
    return 0 if accepted else REFUSED


def describe(name: str, placement: Placement) -> str:
    """Return one line that says where the field lies and how sure that is."""
    row, col = placement.matrix[:2, 2]
    mirrored = ", mirrored" if placement.mirrored else ""
    verdict = "placed" if placement.accepted else "REFUSED"
    return (
        f"{name}: {verdict}. Its first pixel lies at row {row:.2f}, column {col:.2f}; "
        f"ratio {placement.ratio:.3f}, angle {placement.angle:.2f} degrees, score "
        f"{placement.score:.2f}, {placement.overlap:.0%} of it on the overview, residual "
        f"{placement.residual:.2f} px{mirrored}. {placement.reason}"
    )


def _nominal(overview: Photo, field: Photo) -> float | None:
    """Return the ratio that the photos' own pixel sizes or objectives name, if they do."""
    if overview.pixel_um and field.pixel_um:
        return overview.pixel_um / field.pixel_um
    if overview.objective and field.objective:
        return field.objective / overview.objective
    return None


def _range(text: str) -> tuple[float, float]:
    low, high = (float(part) for part in text.split(":"))
    return low, high
