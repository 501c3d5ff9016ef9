"""`medrefine prepare`: photos into a tiled dataset."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medrefine._words import counted
from napari_medrefine.cli._common import (
    Commands,
    add_command,
    add_overwrite,
    argument,
    parse_objective,
    parse_positive,
    run_with_progress,
)
from napari_medrefine.errors import MedRefineError

if TYPE_CHECKING:
    from pydantic import ValidationError

    from napari_medrefine.dataset import Manifest, Recipe

EXAMPLES = """\
  medrefine prepare photos -o dataset
  medrefine prepare photos -o dataset --tile 128 --reduce 1 --objective 40
  medrefine prepare photos -o dataset --proportions 70:15:15 --pixel-um 40=0.125
  medrefine prepare photos -o dataset --crop 2048x2048 --split-by slide"""

_BOUNDS = {  # pydantic's words for what is wrong, in ours
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "greater_than": ("more than", "gt"),
    "less_than": ("less than", "lt"),
}


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands, "prepare", "clean, crop, resize, tile and split a folder of photos", EXAMPLES
    )
    parser.add_argument("photos", type=Path, help="folder of JPEG, PNG, TIFF or BMP photos")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the dataset")
    parser.add_argument("--tile", type=int, default=256, help="side of a tile (default: 256)")
    parser.add_argument(
        "--reduce", type=int, default=2, help="photo pixels per tile pixel (default: 2)"
    )
    parser.add_argument(
        "--crop",
        type=argument(parse_crop, "a height and a width, such as 2560x3584"),
        metavar="HEIGHTxWIDTH",
        help="photo pixels cut from the middle (default: as many whole tiles as fit)",
    )
    parser.add_argument(
        "--proportions",
        type=argument(parse_proportions, "three numbers, such as 560:240:560"),
        default=(560, 240, 560),
        help="training:validation:test (default: 560:240:560)",
    )
    parser.add_argument(
        "--split-by",
        choices=("auto", "slide", "photo"),
        default="auto",
        help="what is never divided (default: auto, slides where there are enough, else photos)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="decides which slides go where (default: 0)"
    )
    parser.add_argument(
        "--objective",
        type=argument(parse_objective, "an objective, such as 40 or 40x"),
        help="for photos whose name and metadata do not say theirs, e.g. 40 or 40x",
    )
    parser.add_argument(
        "--pixel-um",
        type=argument(parse_pixel_size, "an objective and a size, such as 40=0.125"),
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


def parse_crop(text: str) -> tuple[int, int]:
    """Return the two numbers of ``HEIGHTxWIDTH``."""
    height, width = (int(part) for part in re.split("[xX×]", text))
    return height, width


def parse_pixel_size(text: str) -> tuple[float, float]:
    """Return the two numbers of ``OBJECTIVE=UM``, e.g. ``40=0.125`` or ``40x=0.125``."""
    objective, _, size = text.partition("=")
    return parse_objective(objective), parse_positive(size)


def run(arguments: argparse.Namespace) -> int:
    """Prepare the dataset and say what became of the photos."""
    from napari_medrefine.dataset import SUMMARY, changed_parts, prepare_steps

    recipe, output = _recipe(arguments), arguments.output
    if recipe.objective is None:
        recipe = recipe.model_copy(update={"objective": _missing_objective(arguments, recipe)})
    before = _dataset_in(output)
    job = prepare_steps(arguments.photos, output, recipe, overwrite=arguments.overwrite)
    manifest = run_with_progress(job, "prepare")
    _report(manifest)
    if before and (changed := changed_parts(before, manifest)):
        print(
            f"The split was dealt anew: of the photos that were there before, {len(changed)} went "
            f"to another part ({_some(changed)}), so do not test networks here that were trained "
            "before."
        )
    print(f"The dataset is in {output.resolve()}")
    print(f"Its summary: {output.resolve() / SUMMARY}")
    return 0


def _recipe(arguments: argparse.Namespace) -> Recipe:
    from pydantic import ValidationError

    from napari_medrefine.dataset import Recipe

    try:
        return Recipe(
            tile=arguments.tile,
            reduce=arguments.reduce,
            crop=arguments.crop,
            proportions=arguments.proportions,
            split_by=arguments.split_by,
            seed=arguments.seed,
            objective=arguments.objective,
            pixel_um=_pixel_sizes(arguments.pixel_um),
        )
    except ValidationError as error:
        raise MedRefineError(_impossible(error)) from error


def _pixel_sizes(given: Sequence[tuple[float, float]]) -> dict[float, float]:
    sizes: dict[float, float] = {}
    for objective, size in given:
        if sizes.setdefault(objective, size) != size:
            raise MedRefineError(
                f"--pixel-um names two sizes for {objective:g}x, {sizes[objective]:g} and "
                f"{size:g}; name one."
            )
    return sizes


def _impossible(error: ValidationError) -> str:
    """Return what is wrong with the first value, by the name of its option."""
    problem = error.errors()[0]
    what = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:  # several values that do not go together
        return f"The recipe is impossible: {what}."
    option = str(problem["loc"][0]).replace("_", "-")
    bound, name = _BOUNDS.get(problem["type"], ("", ""))
    if not bound:
        return f"--{option} is impossible: {what}."
    limit = problem["ctx"][name]
    return f"--{option} is {problem['input']:g}; it must be {bound} {limit:g}."


def _missing_objective(arguments: argparse.Namespace, recipe: Recipe) -> float | None:
    """Return the objective of photos that do not say theirs: what was said before, or is asked."""
    from napari_medrefine.dataset import recipe_of, unknown_objectives_steps

    there = None if arguments.overwrite else recipe_of(arguments.output)
    if there and there.model_copy(update={"objective": None}) == recipe:
        return there.objective
    job = unknown_objectives_steps(arguments.photos, arguments.output)
    silent = run_with_progress(job, "look")
    if not silent:
        return None
    photos = (
        "1 photo does not say its"
        if len(silent) == 1
        else (f"{len(silent)} photos do not say their")
    )
    said = f"{photos} objective ({_some(silent)})"
    if sys.stdin.isatty() and sys.stderr.isatty():
        return _ask(f"{said}. Objective [leave unknown]: ")
    print(f"{said}; it is left unknown unless --objective tells it.", file=sys.stderr)
    return None


def _ask(question: str) -> float | None:
    print(question, end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip()
    if not answer:
        return None
    with suppress(ValueError):
        return parse_objective(answer)
    raise MedRefineError(f'"{answer}" is no objective; answer with a number such as 40.')


def _some(names: list[str]) -> str:
    """Return the first few names, long ones shortened."""
    first = [name if len(name) <= 40 else f"{name[:18]}...{name[-18:]}" for name in names[:3]]
    return ", ".join([*first, *(["..."] if len(names) > 3 else [])])


def _dataset_in(output: Path) -> Manifest | None:
    from napari_medrefine.dataset import load_manifest

    with suppress(MedRefineError):
        return load_manifest(output)
    return None


def _report(manifest: Manifest) -> None:
    from napari_medrefine.dataset.cautions import cautions_of

    counts = Counter(tile.split for tile in manifest.tiles)
    parts = ", ".join(f"{counts[split]} {split}" for split in ("train", "validation", "test"))
    tiles, photos = counted(len(manifest.tiles), "tile"), counted(len(manifest.photos), "photo")
    print(f"{tiles} of {photos}, split by {manifest.split_by}: {parts}.")
    for left_out in manifest.left_out:
        print(f"  left out: {left_out.source}: {left_out.reason}")
    for caution in cautions_of(manifest):
        print(f"Caution: {caution}")
