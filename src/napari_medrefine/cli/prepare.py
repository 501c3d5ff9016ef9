"""`medrefine prepare`: photos into a tiled dataset."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from napari_medrefine.cli._common import Commands, add_command, add_overwrite, run_with_progress
from napari_medrefine.errors import MedRefineError

EXAMPLES = """\
  medrefine prepare photos -o dataset
  medrefine prepare photos -o dataset --tile 128 --reduce 1 --objective 40
  medrefine prepare photos -o dataset --proportions 70:15:15 --pixel-um 40=0.125"""


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands, "prepare", "clean, crop, resize, tile and split a folder of photos", EXAMPLES
    )
    parser.add_argument("photos", type=Path, help="folder of JPEG, PNG or TIFF photos")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the dataset")
    parser.add_argument("--tile", type=int, default=256, help="side of a tile (default: 256)")
    parser.add_argument(
        "--reduce", type=int, default=2, help="photo pixels per tile pixel (default: 2)"
    )
    parser.add_argument(
        "--proportions",
        type=parse_proportions,
        default=(560, 240, 560),
        help="training:validation:test (default: 560:240:560)",
    )
    parser.add_argument("--seed", type=int, default=0, help="decides which slides go where")
    parser.add_argument(
        "--objective", type=float, help="for photos whose name and metadata do not say theirs"
    )
    parser.add_argument(
        "--pixel-um",
        type=parse_pixel_size,
        action="append",
        default=[],
        metavar="OBJECTIVE=UM",
        help="pixel size of an objective's photos in micrometres; may be repeated",
    )
    add_overwrite(parser)
    parser.set_defaults(run=run)


def parse_proportions(text: str) -> tuple[int, int, int]:
    """Return the three numbers of ``TRAINING:VALIDATION:TEST``."""
    training, validation, test = (int(part) for part in text.split(":"))
    return training, validation, test


def parse_pixel_size(text: str) -> tuple[float, float]:
    """Return the two numbers of ``OBJECTIVE=UM``, e.g. ``40=0.125`` or ``40x=0.125``."""
    objective, _, size = text.partition("=")
    return float(objective.rstrip("xX")), float(size)


def run(arguments: argparse.Namespace) -> int:
    """Prepare the dataset and say what became of the photos."""
    from pydantic import ValidationError

    from napari_medrefine.dataset import Recipe, prepare_steps

    try:
        recipe = Recipe(
            tile=arguments.tile,
            reduce=arguments.reduce,
            proportions=arguments.proportions,
            seed=arguments.seed,
            objective=arguments.objective,
            pixel_um=dict(arguments.pixel_um),
        )
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise MedRefineError(f"The recipe is impossible: {where} {problem['msg']}.") from error
    job = prepare_steps(arguments.photos, arguments.output, recipe, overwrite=arguments.overwrite)
    manifest = run_with_progress(job, "prepare")
    counts = Counter(tile.split for tile in manifest.tiles)
    parts = ", ".join(f"{counts[split]} {split}" for split in ("train", "validation", "test"))
    print(f"{len(manifest.tiles)} tiles of {len(manifest.photos)} photos: {parts}.")
    for left_out in manifest.left_out:
        print(f"  left out: {left_out.source}: {left_out.reason}")
    print(f"The dataset is in {arguments.output.resolve()}")
    return 0
