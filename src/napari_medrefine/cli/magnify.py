"""`medrefine magnify` and `medrefine sharpen`: photos through the SR-GAN."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_medrefine._paths import is_folder
from napari_medrefine.cli._common import (
    Commands,
    add_command,
    add_overwrite,
    add_scheduler,
    check_free,
    check_place,
    cluster_of,
    run_with_progress,
)
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, sha256_of
from napari_medrefine.io._layers import image_layer
from napari_medrefine.io.layer_images import TIFF, save_image_steps
from napari_medrefine.photos import read_photo, write_image, writer_of
from napari_medrefine.provenance import Input
from napari_medrefine.superres.recipe import Recipe

MAGNIFY_EXAMPLES = """\
  medrefine magnify reduced.png --scale 4 -o large.png
  medrefine magnify slide1_4x.jpg --scale 10 --model photo-faithful -o as_40x.ome.zarr
  medrefine magnify slide.svs --scale 4 -o slide_x4.ome.zarr
  medrefine magnify slide.svs --scale 4 -o slide_x4.ome.zarr --scheduler tcp://10.0.0.1:8786

An output named .zarr is an OME-Zarr pyramid, written block by block whatever its size. Stopped or
killed, the same command goes on where it was."""

SHARPEN_EXAMPLES = """\
  medrefine sharpen blurred.jpg -o sharp.png
  medrefine sharpen blurred.jpg --strength 0.5 -o sharp.png"""

NOTE = "Generated from the photo by a network: for research, not for diagnosis."
NO_NETWORK = "No network had a part in it: at this setting nothing is generated."


def add_to(commands: Commands) -> None:
    """Add both commands to the parser."""
    magnify = add_command(commands, "magnify", "enlarge a photo with the SR-GAN", MAGNIFY_EXAMPLES)
    _add_shared(
        magnify,
        "a weight file, also of others, a run's folder, or a model's name (default: the shipped "
        "weights for scans and clean reductions; for a camera photo name photo-faithful)",
    )
    magnify.add_argument(
        "--scale", type=float, default=4.0, help="output pixels per input pixel (default: 4)"
    )
    magnify.set_defaults(run=run_magnify)
    sharpen = add_command(
        commands, "sharpen", "sharpen a photo, same size, with the study's U-Net", SHARPEN_EXAMPLES
    )
    _add_shared(
        sharpen,
        "a weight file, also of others, a run's folder, or a model's name (default: the shipped "
        "one)",
    )
    sharpen.add_argument(
        "--strength", type=float, default=1.0, help="0 leaves the photo as it is (default: 1)"
    )
    sharpen.set_defaults(run=run_sharpen)


def _add_shared(parser: argparse.ArgumentParser, model: str) -> None:
    parser.add_argument(
        "photo",
        type=Path,
        help="JPEG, PNG, TIFF or BMP; for .zarr output also OME-Zarr, SVS, pyramidal TIFF or Deep "
        "Zoom",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="PNG, JPEG, TIFF or .zarr to write"
    )
    parser.add_argument(
        "--realism",
        type=float,
        default=0.0,
        help="0 (default): faithful, the smallest error; 1: GAN, the most natural texture",
    )
    parser.add_argument("--model", help=model)
    add_scheduler(parser, "makes the .zarr output")
    parser.add_argument(
        "--ome-zarr",
        choices=("0.5", "0.4"),
        default="0.5",
        help="version of .zarr output (default: 0.5; 0.4 for older programs)",
    )
    add_overwrite(parser)


def run_magnify(arguments: argparse.Namespace) -> int:
    """Enlarge one photo or slide."""
    recipe = Recipe("magnify", arguments.scale, arguments.realism, 1.0, arguments.model)
    return _run(arguments, recipe)


def run_sharpen(arguments: argparse.Namespace) -> int:
    """Sharpen one photo or slide."""
    how = (arguments.realism, arguments.strength, arguments.model)
    return _run(arguments, Recipe("sharpen", 1.0, *how))


def _run(arguments: argparse.Namespace, recipe: Recipe) -> int:
    inputs = (arguments.photo, Path(arguments.model) if arguments.model else None)
    check_free(arguments.output, overwrite=arguments.overwrite, inputs=inputs)
    check_place(arguments.output)
    _check_model(recipe)
    if arguments.output.suffix.lower() == ".zarr":
        return _run_slide(arguments, recipe)
    if arguments.scheduler:
        raise MedRefineError("A cluster makes OME-Zarr: let the output's name end in .zarr.")
    return _run_photo(arguments, recipe)


def _check_model(recipe: Recipe) -> None:
    """Refuse to magnify with a network that sharpens: it would only interpolate, and sharpen."""
    from napari_medrefine.superres.model_files import look_at
    from napari_medrefine.superres.models import files_for

    if recipe.task == "magnify" and recipe.model is not None:
        (file, *_) = files_for(recipe.task, 0.0, recipe.model)
        if look_at(file).task == "sharpen":
            raise MedRefineError(f"The model {recipe.model} is for sharpening; it cannot magnify.")


def _note(recipe: Recipe, shape: tuple[int, ...]) -> str:
    return NOTE if recipe.generates(shape) else NO_NETWORK


def _run_photo(arguments: argparse.Namespace, recipe: Recipe) -> int:
    from napari_medrefine.superres.api import generate_steps
    from napari_medrefine.superres.made import made_um

    writer_of(arguments.output)
    if is_folder(arguments.output):
        raise MedRefineError(f"{arguments.output} is a folder; choose a file's name.")
    if is_folder(arguments.photo):
        raise MedRefineError(
            f"Cannot read {arguments.photo}: it is a folder, not a photo; an OME-Zarr becomes "
            "another one, so let the output's name end in .zarr."
        )
    photo = read_photo(arguments.photo)
    made = run_with_progress(generate_steps(photo.image, recipe), arguments.photo.name)
    pixel_um = made_um(photo.pixel_um, photo.image.shape, made.shape)
    one = Input(name=photo.path.name, sha256=sha256_of(photo.image), shape=photo.image.shape)
    _write(arguments.output, made, pixel_um, recipe, one)
    said = _note(recipe, photo.image.shape)
    print(f"Wrote {arguments.output} ({made.shape[1]} x {made.shape[0]}). {said}")
    return 0


def _write(path: Path, made: Image, pixel_um: float | None, recipe: Recipe, one: Input) -> None:
    """Write what was made, and how; an OME-TIFF as napari's layers are saved."""
    from napari_medrefine.superres.made import made_facts, provenance_of

    if not path.name.lower().endswith(TIFF):
        note = provenance_of(recipe, [one]).as_text()
        write_image(path, made, pixel_um=pixel_um, note=note)
        return
    layer = image_layer(made, path.name, pixel_um, made_facts(recipe, one.name, [one]))
    run_with_progress(save_image_steps(path, [layer]), path.name)


def _run_slide(arguments: argparse.Namespace, recipe: Recipe) -> int:
    from napari_medrefine.io.slides import open_slide
    from napari_medrefine.slides import magnify_slide_steps

    with open_slide(arguments.photo) as slide:
        said = _note(recipe, slide.levels[0].shape)
    with cluster_of(arguments) as client:
        job = magnify_slide_steps(
            arguments.photo,
            arguments.output,
            recipe,
            overwrite=arguments.overwrite,
            version=arguments.ome_zarr,
            client=client,
        )
        run_with_progress(job, arguments.photo.name)
    print(f"Wrote {arguments.output}. {said}")
    return 0
