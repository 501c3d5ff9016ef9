"""`medrefine magnify` and `medrefine sharpen`: photos through the SR-GAN."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_medrefine.cli._common import (
    Commands,
    add_command,
    add_overwrite,
    check_free,
    run_with_progress,
)
from napari_medrefine.photos import read_photo, write_image

MAGNIFY_EXAMPLES = """\
  medrefine magnify slide1_4x.jpg --scale 4 -o slide1_x4.png
  medrefine magnify slide1_4x.jpg --scale 10 --realism 1 -o slide1_as_40x.tif"""

SHARPEN_EXAMPLES = """\
  medrefine sharpen blurred.jpg -o sharp.png
  medrefine sharpen blurred.jpg --strength 0.5 -o sharp.png"""

NOTE = "Generated from the photo by a network: for research, not for diagnosis."


def add_to(commands: Commands) -> None:
    """Add both commands to the parser."""
    magnify = add_command(commands, "magnify", "enlarge a photo with the SR-GAN", MAGNIFY_EXAMPLES)
    _add_shared(magnify)
    magnify.add_argument(
        "--scale", type=float, default=4.0, help="output pixels per input pixel (default: 4)"
    )
    magnify.set_defaults(run=run_magnify)
    sharpen = add_command(
        commands, "sharpen", "sharpen a photo, same size, with the study's U-Net", SHARPEN_EXAMPLES
    )
    _add_shared(sharpen)
    sharpen.add_argument(
        "--strength", type=float, default=1.0, help="0 leaves the photo as it is (default: 1)"
    )
    sharpen.set_defaults(run=run_sharpen)


def _add_shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", type=Path, help="JPEG, PNG or TIFF")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="PNG, JPEG or TIFF to write"
    )
    parser.add_argument(
        "--realism",
        type=float,
        default=0.0,
        help="0 (default): faithful, the smallest error; 1: GAN, the most natural texture",
    )
    parser.add_argument("--model", help="a model's name or weight file (default: the shipped one)")
    add_overwrite(parser)


def run_magnify(arguments: argparse.Namespace) -> int:
    """Enlarge one photo."""
    from napari_medrefine.superres import magnify_steps

    check_free(arguments.output, overwrite=arguments.overwrite)
    photo = read_photo(arguments.photo)
    job = magnify_steps(
        photo.image, arguments.scale, realism=arguments.realism, model=arguments.model
    )
    enlarged = run_with_progress(job, arguments.photo.name)
    pixel_um = photo.pixel_um / arguments.scale if photo.pixel_um else None
    write_image(arguments.output, enlarged, pixel_um=pixel_um)
    print(f"Wrote {arguments.output} ({enlarged.shape[1]} x {enlarged.shape[0]}). {NOTE}")
    return 0


def run_sharpen(arguments: argparse.Namespace) -> int:
    """Sharpen one photo."""
    from napari_medrefine.superres import sharpen_steps

    check_free(arguments.output, overwrite=arguments.overwrite)
    photo = read_photo(arguments.photo)
    job = sharpen_steps(
        photo.image,
        realism=arguments.realism,
        strength=arguments.strength,
        model=arguments.model,
    )
    sharp = run_with_progress(job, arguments.photo.name)
    write_image(arguments.output, sharp, pixel_um=photo.pixel_um)
    print(f"Wrote {arguments.output} ({sharp.shape[1]} x {sharp.shape[0]}). {NOTE}")
    return 0
