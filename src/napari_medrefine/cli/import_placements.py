"""`medrefine import`: placements from other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_medrefine.cli._common import (
    Commands,
    add_command,
    add_overwrite,
    check_free,
    check_place,
)
from napari_medrefine.cli._sides import add_sides, check_made_for, side_of
from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration.exchange import FORMATS, read_placement

EXAMPLES = """\
  medrefine import a.tfm --overview a_4x.tif --field a_40x.tif -o a.placement.json
  medrefine import a.qupath.txt --overview a_4x.tif --field a_40x.tif -o a.placement.json
  medrefine import slide.ome.zarr -o folder"""


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands, "import", "take over a placement from ITK, QuPath or napari", EXAMPLES
    )
    parser.add_argument(
        "transform",
        type=Path,
        help=".tfm, .qupath.txt, .qupath.json, .napari.json, .json, or .ome.zarr (a scene)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="NAME.placement.json; of a scene, a folder"
    )
    readable = [name for name, one in FORMATS.items() if one.read is not None]
    parser.add_argument("--format", choices=readable, help="default: what the name ends in")
    add_sides(parser)
    add_overwrite(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read a transform and save it as a placement."""
    if arguments.transform.is_dir():
        return _import_scene(arguments)
    read = (arguments.transform, arguments.overview, arguments.field)
    target = check_place(check_free(arguments.output, overwrite=arguments.overwrite, inputs=read))
    field, overview = (side_of(one, hashed=True) for one in (arguments.field, arguments.overview))
    place = read_placement(arguments.transform, arguments.format, field=field, overview=overview)
    check_made_for(arguments.transform, place, field=field, overview=overview)
    place.save(target)
    print(
        f"Wrote {target}: ratio {place.ratio:.3f}, angle {place.angle:.2f} degrees. {place.reason}"
    )
    return 0


def _import_scene(arguments: argparse.Namespace) -> int:
    from napari_medrefine.io.scene import read_scene

    if arguments.overview or arguments.field:
        raise MedRefineError("A scene holds its photos; leave --overview and --field out.")
    found = read_scene(arguments.transform)
    folder: Path = arguments.output
    for name in found:
        check_free(folder / f"{name}.placement.json", overwrite=arguments.overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    for name, place in found.items():
        place.save(folder / f"{name}.placement.json")
    print(f"Wrote {len(found)} placements to {folder}.")
    return 0
