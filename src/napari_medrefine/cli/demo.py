"""`medrefine demo`: the main job once, on embedded data."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_medrefine.cli._common import (
    Commands,
    add_command,
    add_overwrite,
    run_with_progress,
)
from napari_medrefine.cli._own_files import OwnFiles
from napari_medrefine.cli.register import describe
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import from_unit, to_unit
from napari_medrefine.photos import write_image

if TYPE_CHECKING:
    from napari_medrefine.registration import Placement
    from napari_medrefine.samples import SlidePhoto

EXAMPLES = """\
  medrefine demo
  medrefine demo -o my-folder --no-napari"""

Picture = npt.NDArray[np.uint8]
NOMINAL_UM = {4.0: 1.25, 10.0: 0.5, 40.0: 0.125}  # what a user knows of the objectives
FILES = ("slide_*.png", "slide_*.placement.json", "registered.png", "magnified.png")
SHOWN = 48  # overview pixels on a side that are shown magnified


EXPLANATION = """\
registered.png shows the fields on the overview. magnified.png shows one place, from left to right:
the 4x enlarged by interpolation, by the faithful and the GAN weights for photos, and the real 40x.
The generated pictures are for research, not for diagnosis.
Everything is in {folder}"""


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands, "demo", "register and magnify photos of a procedural slide", EXAMPLES
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("medrefine-demo"),
        help="folder for the pictures (default: medrefine-demo)",
    )
    parser.add_argument("--seed", type=int, default=0, help="another slide (default: 0)")
    parser.add_argument(
        "--no-napari", action="store_true", help="only write pictures, open no window"
    )
    add_overwrite(
        parser, "replace files of these names that no demo made, or that were changed since, too"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Photograph the slide, register, magnify, write pictures, and open napari if there is one."""
    folder: Path = arguments.output
    own = _own_files(folder, overwrite=arguments.overwrite)
    print("Photographing a procedural slide through 4x, 10x and 40x ...", flush=True)
    overview, fields = photograph(arguments.seed)
    for name, photo in {"4x": overview, **fields}.items():
        _write(own, folder / f"slide_{name}.png", photo.image, photo.pixel_um)
    placements = register(overview, fields, folder)
    for name in placements:
        own.made(_placement_file(folder, name))
    picture = overlaid(overview, fields, placements)
    _write(own, folder / "registered.png", picture, overview.pixel_um)
    last = list(fields)[-1]
    picture = magnified(overview, fields[last], placements[last])
    _write(own, folder / "magnified.png", picture, None)
    print(EXPLANATION.format(folder=folder.resolve()))
    if not arguments.no_napari and _has_napari_and_display():
        print("Opening napari with the same slide (close its window to end) ...", flush=True)
        return subprocess.call([sys.executable, "-m", "napari_medrefine.widgets.demo"])
    return 0


def _own_files(folder: Path, *, overwrite: bool) -> OwnFiles:
    """Return what an earlier demo made in `folder`; refuse to replace anything else."""
    own = OwnFiles(folder)
    foreign = own.foreign(FILES)
    if foreign and not overwrite:
        raise MedRefineError(
            f"{foreign[0]} is already there, and no demo made it so; say --overwrite to replace it."
        )
    return own


def _write(own: OwnFiles, path: Path, picture: Picture, pixel_um: float | None) -> None:
    write_image(path, picture, pixel_um=pixel_um)
    own.made(path)


def _placement_file(folder: Path, name: str) -> Path:
    return folder / f"slide_{name}.placement.json"


def photograph(seed: int) -> tuple[SlidePhoto, dict[str, SlidePhoto]]:
    """Return a 4x overview and its fields by name, 10x first."""
    from napari_medrefine.samples import demo_photos

    overview, photos = demo_photos(seed)
    fields: dict[str, SlidePhoto] = {}
    for photo in photos:
        same = sum(name.startswith(f"{photo.objective:g}x") for name in fields)
        fields[f"{photo.objective:g}x_{same + 1}"] = photo
    return overview, fields


def register(
    overview: SlidePhoto, fields: dict[str, SlidePhoto], folder: Path
) -> dict[str, Placement]:
    """Register every field, save its placement, and say how far it is from the truth."""
    from napari_medrefine.registration import Overview
    from napari_medrefine.samples import field_to_overview

    prepared = Overview(overview.image)
    placements = {}
    for name, field in fields.items():
        nominal = NOMINAL_UM[overview.objective] / NOMINAL_UM[field.objective]
        job = prepared.register_steps(field.image, ratio=nominal)
        placements[name] = placement = run_with_progress(job, name)
        placement.save(_placement_file(folder, name))
        height, width = field.image.shape[:2]
        corners = np.array([[0, 0], [0, width - 1], [height - 1, 0], [height - 1, width - 1]])
        truth = field_to_overview(field, overview)
        right = corners @ truth[:2, :2].T + truth[:2, 2]
        error = np.sqrt(((placement.to_overview(corners) - right) ** 2).sum(1).mean())
        print(f"{describe(name, placement)}\n    Its corners are {error:.3f} pixels off the truth.")
    return placements


def overlaid(
    overview: SlidePhoto, fields: dict[str, SlidePhoto], placements: dict[str, Placement]
) -> Picture:
    """Return the overview with every field on it, in a thin frame."""
    from napari_medrefine.registration.overlay import lay_over

    canvas = to_unit(overview.image)
    for name, field in fields.items():
        over = lay_over(placements[name], field.image)
        inner = over.mask.copy()
        inner[2:-2, 2:-2] &= over.mask[:-4, 2:-2] & over.mask[4:, 2:-2]
        inner[2:-2, 2:-2] &= over.mask[2:-2, :-4] & over.mask[2:-2, 4:]
        part = canvas[over.window]
        part[over.mask] = (0, 0, 0)
        part[inner] = over.image[inner]
    return np.asarray(from_unit(canvas, overview.image), np.uint8)


def magnified(overview: SlidePhoto, field: SlidePhoto, placement: Placement) -> Picture:
    """Return the same place four times: interpolated, faithful, GAN, and the real field."""
    from skimage.transform import resize

    from napari_medrefine.registration.overlay import lay_over
    from napari_medrefine.superres import magnify_steps
    from napari_medrefine.superres.model_files import PHOTOS, model_of

    zoom = round(placement.ratio)
    over = lay_over(placement, field.image, zoom)
    middle = [n // zoom // 2 for n in over.mask.shape]
    rows, cols = (slice(n - SHOWN // 2, n + SHOWN // 2) for n in middle)
    low = overview.image[over.window][rows, cols]
    size = (low.shape[0] * zoom, low.shape[1] * zoom)
    plain = resize(to_unit(low), (*size, 3), order=3, clip=True)
    name = model_of(PHOTOS)  # it was photographed through an objective
    generated = [
        to_unit(
            run_with_progress(magnify_steps(low, zoom, model=name, realism=realism), f"x{zoom}")
        )
        for realism in (0.0, 1.0)
    ]
    real = over.image[rows.start * zoom : rows.stop * zoom, cols.start * zoom : cols.stop * zoom]
    gap = np.ones((size[0], 8, 3), np.float32)
    panels = [plain, gap, generated[0], gap, generated[1], gap, real]
    return np.asarray(from_unit(np.concatenate(panels, axis=1), overview.image), np.uint8)


def _has_napari_and_display() -> bool:
    shown = (
        sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    return bool(shown) and find_spec("napari") is not None
