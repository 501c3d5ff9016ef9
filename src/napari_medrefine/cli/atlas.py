"""`medrefine atlas`: a folder of photos put in order."""

from __future__ import annotations

import argparse
import csv
import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medrefine._atomic import cannot
from napari_medrefine._paths import SMALL, read_file
from napari_medrefine._words import counted
from napari_medrefine.cli._common import (
    Commands,
    add_command,
    add_overwrite,
    add_scheduler,
    argument,
    cluster_of,
    parse_objective,
    run_with_progress,
)
from napari_medrefine.errors import MedRefineError

if TYPE_CHECKING:
    from napari_medrefine.atlas import Atlas

EXAMPLES = """\
  medrefine atlas photos -o atlas
  medrefine atlas photos -o atlas --overviews a.jpg b.jpg
  medrefine atlas photos -o atlas --objective a.jpg=4 --objective c.jpg=40
  medrefine atlas photos -o atlas --scheduler tcp://10.0.0.1:8786
  medrefine atlas photos -o atlas --save-as ome-zarr      (each slide as one pyramid)"""


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands, "atlas", "find out which photos are overviews and where all others lie", EXAMPLES
    )
    parser.add_argument("photos", type=Path, help="folder of JPEG, PNG, TIFF or BMP photos")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the atlas")
    parser.add_argument(
        "--overviews", nargs="+", metavar="FILE",
        help="the photos that are overviews (default: those of the lowest objective; where file "
        "names and metadata do not say it, it is found out from the pictures)",
    )  # fmt: skip
    parser.add_argument(
        "--objective", type=argument(parse_file, "a file and its objective, such as a.jpg=4"),
        action="append", default=[], metavar="FILE=4",
        help="objective of a photo that does not say it, or says it wrongly; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--objectives", type=Path, metavar="TABLE.csv",
        help="the same for many photos: a table with a file and its objective in each row",
    )  # fmt: skip
    parser.add_argument(
        "--save-as", choices=("ome-zarr", "ome-tiff"),
        help="also save each slide as one pyramid, its fields blended into the overview",
    )  # fmt: skip
    parser.add_argument(
        "--match-colours", action="store_true",
        help="in the pyramids, fit the fields' brightness and contrast to the overview (default: "
        "their pixels stay as they were photographed)",
    )  # fmt: skip
    add_scheduler(parser, "looks for the photos")
    add_overwrite(parser)
    parser.set_defaults(run=run)


def parse_file(text: str) -> tuple[str, float]:
    """Return the two parts of ``FILE=OBJECTIVE``, e.g. ``a.jpg=4`` or ``a.jpg=4x``."""
    name, _, objective = text.rpartition("=")
    if not name:
        raise ValueError(text)
    return name, parse_objective(objective)


def read_objectives(path: Path) -> dict[str, float]:
    """Read a table with a file and its objective in each row; a heading may stand above.

    Raises
    ------
    MedRefineError
        If it cannot be read, or a row is something else.
    """
    try:
        text = read_file(path, SMALL).decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(row)]
    except OSError as error:
        raise MedRefineError(cannot("read", path, error)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise MedRefineError(f"Cannot read {path}: it is no table of text (UTF-8).") from error
    found: dict[str, float] = {}
    for number, row in enumerate(rows):
        try:
            name, objective = parse_file("=".join(cell.strip() for cell in row[:2]))
        except ValueError as error:
            if number == 0:
                continue  # the heading
            raise MedRefineError(
                f"Row {number + 1} of {path} is not a file and its objective: {', '.join(row)!r}."
            ) from error
        found[name] = objective
    return found


def run(arguments: argparse.Namespace) -> int:
    """Make the atlas and say what every photo turned out to be."""
    from napari_medrefine.atlas import coverage_rows, describe_coverage

    atlas = _made(arguments)
    covered = describe_coverage(coverage_rows(arguments.output, atlas))
    for line in [*describe(atlas), "Photographed:", *covered]:
        print(line)
    print(f"The atlas is in {arguments.output.resolve()}")
    if arguments.save_as:
        _save(arguments, atlas)
    return 0


def _made(arguments: argparse.Namespace) -> Atlas:
    """Make the atlas; if only its slides are missing, keep the one that is there."""
    from napari_medrefine.atlas import atlas_steps, finished_steps

    objectives = read_objectives(arguments.objectives) if arguments.objectives else {}
    objectives |= dict(arguments.objective)
    told: dict[str, Any] = {"overviews": arguments.overviews, "objectives": objectives}
    if arguments.save_as and not arguments.overwrite:
        looking = finished_steps(arguments.photos, arguments.output, **told)
        if (atlas := run_with_progress(looking, "atlas")) is not None:
            print(f"The atlas of these photos is there already: {arguments.output.resolve()}")
            return atlas
    with cluster_of(arguments) as client:
        job = atlas_steps(
            arguments.photos,
            arguments.output,
            **told,
            overwrite=arguments.overwrite,
            client=client,
        )
        return run_with_progress(job, "atlas")


def describe(atlas: Atlas) -> list[str]:
    """Return what every photo turned out to be, slide by slide."""
    roles = Counter(photo.role for photo in atlas.photos)
    lines = [
        ", ".join(
            (
                counted(roles["overview"], "overview"),
                f"{counted(roles['field'], 'field')} placed",
                f"{roles['refused']} refused",
                f"{roles['unreadable']} unreadable",
            )
        )
    ]
    for overview in atlas.overviews:
        fields = atlas.fields_of(overview.source)
        lines.append(f"{overview.source}: {counted(len(fields), 'field')}")
        lines += [f"  {photo.source}: {photo.reason}" for photo in fields]
    others = [photo for photo in atlas.photos if photo.role in ("refused", "unreadable")]
    return lines + [f"{photo.role}: {photo.source}: {photo.reason}" for photo in others]


def _save(arguments: argparse.Namespace, atlas: Atlas) -> None:
    from napari_medrefine.atlas.slides import save_slides_steps

    job = save_slides_steps(
        arguments.output,
        atlas,
        arguments.save_as,
        match=arguments.match_colours,
        overwrite=arguments.overwrite,
    )
    for path in run_with_progress(job, arguments.save_as):
        print(f"Saved {path}")
