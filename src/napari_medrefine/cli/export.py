"""`medrefine export`: placements in other programs' terms."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medrefine._paths import check_no_input
from napari_medrefine.cli._common import (
    Commands,
    add_command,
    add_overwrite,
    check_free,
    check_place,
    run_with_progress,
)
from napari_medrefine.cli._sides import add_sides, check_made_for, side_of
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import sha256_of
from napari_medrefine.photos import find_photos
from napari_medrefine.registration import Placement
from napari_medrefine.registration.exchange import (
    FORMATS,
    Format,
    Side,
    format_of,
    write_placement,
    write_table,
)
from napari_medrefine.registration.exchange.sides import Sides

if TYPE_CHECKING:
    from napari_medrefine.io.scene import ScenePhoto

SCENE = "ome-zarr"
SCENE_ENDING = ".zarr"

EXAMPLES = """\
  medrefine export a.placement.json -o a.tfm
  medrefine export a.placement.json -o a.qupath.txt
  medrefine export a.placement.json -o a.napari.json --overview a_4x.tif --field a_40x.tif
  medrefine export *.placement.json -o placements.csv
  medrefine export *.placement.json -o folder --format itk
  medrefine export *.placement.json -o slide.ome.zarr --photos photos

A name that ends in .tfm is for ITK, SimpleITK and 3D Slicer (overview to field, as resampling wants
it); .qupath.txt is for QuPath's Interactive image alignment, .qupath.json for its scripts;
.napari.json is what napari pastes onto a layer. With the photos' pixel sizes, ITK gets millimetres
and napari micrometres, else both get pixels. A name that ends in .ome.zarr is a scene of OME-Zarr
0.6 with the photos in it, each in its place."""


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    out = add_command(
        commands, "export", "write placements for ITK, QuPath, napari, as a table", EXAMPLES
    )
    out.add_argument("placements", type=Path, nargs="+", help="NAME.placement.json files")
    out.add_argument(
        "-o", "--output", type=Path, required=True, help="file to write, or a folder for several"
    )
    out.add_argument(
        "--format", choices=[*FORMATS, SCENE], help="default: what the output's name ends in"
    )
    add_sides(out)
    out.add_argument("--photos", type=Path, help="folder with the photos that the placements name")
    out.add_argument(
        "--even-refused",
        action="store_true",
        help="also write best guesses that the registration refused; a table always has them",
    )
    add_overwrite(out)
    out.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write placements, and say what a format cannot hold."""
    placed = [(path, Placement.load(path)) for path in arguments.placements]
    if arguments.format == SCENE or arguments.output.suffix.lower() == SCENE_ENDING:
        _check_accepted(arguments, placed)
        return _run_scene(arguments, placed)
    chosen = _format(arguments, len(placed))
    if chosen.name != "csv":  # it says of each whether it was accepted
        _check_accepted(arguments, placed)
    known: dict[Path, Side] = {}
    sides = [_sides(arguments, *one, known) for one in placed]
    if chosen.name == "csv":
        write_table(
            check_place(_free(arguments, arguments.output)),
            [(p, s) for (_, p), s in zip(placed, sides, strict=True)],
        )
        print(f"Wrote {arguments.output}: {len(placed)} placements.")
        return 0
    targets = _targets(arguments, [path for path, _ in placed], chosen)
    for (_, place), both, target in zip(placed, sides, targets, strict=True):
        lost = write_placement(target, place, chosen.name, field=both.field, overview=both.overview)
        print(f"Wrote {target}. {lost}".rstrip())
    return 0


def _check_accepted(arguments: argparse.Namespace, placed: list[tuple[Path, Placement]]) -> None:
    """Refuse guesses, or say that they are among what is written: no other program can tell."""
    guesses = [place.field_name or path.name for path, place in placed if not place.accepted]
    if not guesses:
        return
    names = ", ".join(guesses[:3]) + (", ..." if len(guesses) > 3 else "")
    if not arguments.even_refused:
        raise MedRefineError(
            f"Of {names} the place is a guess that the registration REFUSED, which the output "
            "cannot say; leave it out, or say --even-refused."
        )
    print(f"REFUSED by the registration, and written all the same: {names}.")


def _format(arguments: argparse.Namespace, count: int) -> Format:
    """Return the format: of several placements a table, or what is said for a folder."""
    chosen: str | None = arguments.format
    output: Path = arguments.output
    table = chosen == "csv" or (chosen is None and output.suffix.lower() == ".csv")
    if count > 1 and chosen is None and not table:
        raise MedRefineError(
            f"{count} placements go into a table (.csv) or a folder: name one, and say which "
            "format its files are to have (--format)."
        )
    return format_of(output, chosen)


def _targets(arguments: argparse.Namespace, paths: list[Path], chosen: Format) -> list[Path]:
    """Return the file for each placement: the output itself, or one in the folder it is."""
    output: Path = arguments.output
    if len(paths) == 1 and not output.is_dir():
        return [check_place(_free(arguments, output))]
    names = [path.name.removesuffix(".json").removesuffix(".placement") for path in paths]
    if len(set(names)) < len(names):
        raise MedRefineError("Two placements have the same name; export them into two folders.")
    if output.is_file():
        raise MedRefineError(f"{output} is a file; several placements go into a folder.")
    targets = [output / f"{name}{chosen.ending}" for name in names]
    for target in targets:
        _free(arguments, target)
    output.mkdir(parents=True, exist_ok=True)
    return targets


def _free(arguments: argparse.Namespace, target: Path) -> Path:
    """Return `target` if it may be written, and is nothing that is read."""
    read = {*arguments.placements, arguments.overview, arguments.field}
    read |= set(find_photos(arguments.photos)) if arguments.photos is not None else set()
    return check_free(target, overwrite=arguments.overwrite, inputs=read)


def _sides(
    arguments: argparse.Namespace, path: Path, place: Placement, known: dict[Path, Side]
) -> Sides:
    """Return what the photos say: named ones, or those in the folder; each is read once."""
    field, overview = arguments.field, arguments.overview
    if arguments.photos is not None:
        field = field or arguments.photos / place.field_name
        overview = overview or arguments.photos / place.overview_name
    for photo in (one for one in (field, overview) if one is not None):
        known[photo] = known.get(photo) or side_of(photo, hashed=True)
    named = Sides(*(Side() if one is None else known[one] for one in (field, overview)))
    check_made_for(path, place, field=named.field, overview=named.overview)
    if not named.measured and any(one.pixel_um for one in (named.field, named.overview)):
        return named.in_pixels()
    return named


def _run_scene(arguments: argparse.Namespace, placed: list[tuple[Path, Placement]]) -> int:
    from napari_medrefine.io.scene import ScenePhoto, write_scene

    folder = arguments.photos
    names = {place.overview_name for _, place in placed}
    overview = arguments.overview or (folder / names.pop() if folder and len(names) == 1 else None)
    fields = [_field_file(arguments, place) for _, place in placed]
    sides = {(place.overview_name, place.overview_sha256) for _, place in placed}
    if overview is None or not all(fields) or len(sides) > 1:
        raise MedRefineError(
            "A scene holds the photos: name their folder (--photos), or --overview and --field; "
            "all placements must be on one overview."
        )
    check_place(_free(arguments, arguments.output))
    check_no_input(arguments.output, [overview, *fields])
    ground = ScenePhoto.read(overview)
    photos = [ScenePhoto.read(file) for file in fields if file is not None]
    below = _side(ground)
    for photo, (path, place) in zip(photos, placed, strict=True):
        check_made_for(path, place, field=_side(photo), overview=below)
    placements = [place for _, place in placed]
    pairs = list(zip(photos, placements, strict=True))
    job = write_scene(arguments.output, ground, pairs, overwrite=arguments.overwrite)
    lost = run_with_progress(job, arguments.output.name)
    print(f"Wrote {arguments.output}. {lost}".rstrip())
    return 0


def _side(photo: ScenePhoto) -> Side:
    height, width = photo.shape[:2]
    return Side(photo.name, shape=(height, width), sha256=sha256_of(photo.image))


def _field_file(arguments: argparse.Namespace, place: Placement) -> Path | None:
    if arguments.field is not None:
        return Path(arguments.field)
    if arguments.photos is None or not place.field_name:
        return None
    return Path(arguments.photos) / place.field_name
