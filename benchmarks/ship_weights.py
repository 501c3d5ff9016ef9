"""Trained weights to shipped files: float16 safetensors, each with its full model card.

usage: python benchmarks/ship_weights.py FAITHFUL.pt GAN.pt --task magnify
       --train ../shared/data/fields/train [--held-out giardia keloid-scar]
       --training "Charbonnier loss, ..." --gan-training "From the faithful weights: ..."
       [--to src/napari_medrefine/superres/weights] [--licence "MIT (weights)"]

The .pt files hold state dicts (plain, or under "ema"); the architecture is read off them. Metrics
of the old file are dropped: `superres.py --cards` writes new ones, measured.
"""

from __future__ import annotations

import argparse
import inspect
import math
from pathlib import Path

import torch
from torch import Tensor

import napari_medrefine.superres
from napari_medrefine import __version__
from napari_medrefine.superres import ModelCard, data, save_model
from napari_medrefine.superres.cards import View
from napari_medrefine.superres.checkpoints import split_sha256
from napari_medrefine.superres.data import (
    MagnifyPairs,
    SharpenPairs,
    read_folder,
    split_by_slide,
)
from napari_medrefine.superres.generator import Generator, Trunk, UNet
from napari_medrefine.superres.models import describe
from napari_medrefine.superres.optics import OBJECTIVES, random_blur, random_reduction

SHIPPED = Path(napari_medrefine.superres.__file__).parent / "weights"
PIXEL_UM = (0.25, 0.5)
NA_OUT = 0.65
# um times NA: sigma of the Gaussian nearest to the paraxial wide-field spot (Zhang, Zerubia &
# Olivo-Marin 2007).
_SPREAD = 0.225 * 0.55
_SIGMA = math.sqrt(math.prod(OBJECTIVES))  # camera pixels: the middle of random_reduction's
OPTICS = (
    "Sharp images: scans (nominal x20 and x40) that stand for photos of NA 0.65. Of the inputs "
    "three in ten are blurred as by an objective, by 0.57 to 1.74 times as much as the aperture in "
    "`views` does; most are clean reductions, which no objective makes."
)
PAIRS = {"magnify": MagnifyPairs, "sharpen": SharpenPairs}
DRAWN = {"magnify": random_reduction, "sharpen": random_blur}
ATTRIBUTION = (
    "Patoloji Atlasi / Histopathology Atlas (S. Balci and contributors, "
    "doi:10.5281/zenodo.6382734); case repositories under the MIT License, Copyright (c) 2022 "
    "Pathology Atlas; the atlas itself under CC BY 4.0."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("faithful", type=Path)
    parser.add_argument("gan", type=Path)
    parser.add_argument("--task", choices=("magnify", "sharpen"), required=True)
    parser.add_argument("--name", help="what the files are called; default: the task")
    parser.add_argument("--train", type=Path, required=True, help="folder of slides trained on")
    parser.add_argument("--held-out", nargs="+", default=["giardia", "keloid-scar"])
    parser.add_argument("--training", required=True, help="how the faithful weights were trained")
    parser.add_argument("--gan-training", required=True, help="how the GAN weights were trained")
    parser.add_argument("--licence", default="MIT (weights); attribution as given.")
    parser.add_argument("--to", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    common = what_is_known(arguments)
    for weights, path, training in (
        ("faithful", arguments.faithful, arguments.training),
        ("gan", arguments.gan, arguments.gan_training),
    ):
        generator = generator_of(path)
        name = f"{arguments.name or arguments.task}-{weights}"
        card = ModelCard(
            name=name,
            weights=weights,
            training=training,
            views=views(generator.scales),
            **common,
            **describe(generator),
        )
        file = arguments.to / f"{name}.safetensors"
        save_model(file, generator, card, half=True)
        print(f"{file.name}: {file.stat().st_size / 1e6:.2f} MB")
    total = sum(path.stat().st_size for path in arguments.to.glob("*.safetensors"))
    print(f"all weights: {total / 1e6:.2f} MB")


def what_is_known(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the fields of the card that both weights share."""
    training, held_out = split_by_slide(read_folder(arguments.train), arguments.held_out)
    slides = [tuple(sorted({t.slide for t in part})) for part in (training, held_out)]
    return {
        "task": arguments.task,
        "pixel_um": PIXEL_UM,
        "optics": OPTICS,
        "degradation": degradation(arguments.task),
        "data": f"{len(training)} fields of 1024 x 1024 pixels, of {len(slides[0])} slides, cut "
        "from whole-slide H&E scans (Leica Aperio AT2 / GT450), JPEG-compressed; 0.25 and 0.5 um "
        "per pixel. H&E only: other stains come in by other dyes and shades alone.",
        "attribution": ATTRIBUTION,
        "training_slides": slides[0],
        "held_out_slides": slides[1],
        "split_sha256": split_sha256(training, held_out),
        "licence": arguments.licence,
        "software": f"napari-medrefine {__version__}",
    }


def degradation(task: str) -> str:
    """Return how training inputs were made, in the words and with the numbers of the code."""
    drawn = DRAWN[task]
    body = (inspect.getdoc(drawn) or "").split("\n\n")[1]
    return (
        f"Random for each crop (superres.optics.{drawn.__name__}): {' '.join(body.split())} Crops "
        f"are turned and mirrored; {data.SYNTHETIC:.0%} are drawn discs; of the others "
        f"{data.RESTAINED:.0%} get other dyes, {data.JITTERED:.0%} other shades of their stains, "
        f"and {PAIRS[task].coarser:.0%} are shown at up to 2.5 times their pixel size. "
        f"{data.SOFT:.0%} of all are out of focus, by up to {data.SOFTEST} pixels (sigma), and so "
        "are their truths."
    )


def views(scales: tuple[int, ...]) -> tuple[View, ...]:
    """Return pixel sizes and apertures, in and out, at each scale."""
    return tuple(
        View(
            scale=scale,
            pixel_um_in=scale * pixel,
            pixel_um_out=pixel,
            na_in=None if scale == 1 else round(_aperture(_SIGMA * scale * pixel), 2),
            na_out=NA_OUT,
        )
        for scale in scales
        for pixel in PIXEL_UM
    )


def _aperture(blur_um: float) -> float:
    """Return the NA whose blur is that of `NA_OUT` and `blur_um` together."""
    return _SPREAD / math.hypot(blur_um, _SPREAD / NA_OUT)


def generator_of(path: Path) -> Generator:
    """Return the generator whose state dict `path` holds."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    state: dict[str, Tensor] = content.get("ema", content)
    blocks = len({name.split(".")[1] for name in state if name.startswith("blocks.")})
    generator: Generator
    if "entry.weight" in state:
        heads = tuple(sorted(int(name.split(".")[1]) for name in state if name.startswith("heads")))
        generator = Trunk(len(state["entry.weight"]), blocks, heads)
    else:
        generator = UNet(state["exit.weight"].shape[1], blocks)
    generator.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return generator


if __name__ == "__main__":
    main()
