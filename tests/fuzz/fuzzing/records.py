"""What the plugin writes itself: placements, datasets, atlases, weights, trainings; all tiny."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fuzzing.photos import picture
from napari_medrefine.atlas import load_atlas
from napari_medrefine.atlas.record import Atlas, PhotoRecord, save_atlas
from napari_medrefine.dataset import Recipe, prepare_steps
from napari_medrefine.dataset.recipe import Cleaning
from napari_medrefine.photos import write_image
from napari_medrefine.progress import finish
from napari_medrefine.registration import Placement
from napari_medrefine.superres.cards import ModelCard
from napari_medrefine.superres.data import Tile
from napari_medrefine.superres.events import TrainingConfig
from napari_medrefine.superres.generator import Trunk
from napari_medrefine.superres.models import describe, save_model
from napari_medrefine.superres.training import train_steps

CONFIG = TrainingConfig(
    epochs=2,
    steps_per_epoch=1,
    batch=1,
    crop=8,
    channels=4,
    blocks=1,
    scales=(2,),
    validation_steps=1,
    adversarial=0.5,
    precision="float32",
)


def placement() -> Placement:
    """Return a placement with distortion."""
    from napari_medrefine.registration.lens import Lens
    from napari_medrefine.registration.placement import Distortion

    matrix = np.array([[0.1, 0.01, 3.0], [-0.01, 0.1, 2.0], [0, 0, 1]])
    bent = Distortion(matrix, Lens((180, 240), 0.01), Lens((30, 40), -0.02))
    return Placement(
        matrix,
        (180, 240),
        (30, 40),
        accepted=True,
        reason="Parts agree.",
        score=0.8,
        distortion=bent,
    )


def write_photos(folder: Path, count: int = 3) -> None:
    """Write photos of 40 x 72 that look nothing like each other."""
    folder.mkdir(parents=True)
    for number in range(count):
        part = np.roll(picture(96, 160), 31 * number, axis=(0, 1))[:40, :72]
        write_image(folder / f"s{number}_40x.png", np.ascontiguousarray(part), pixel_um=0.25)


def write_dataset(folder: Path) -> Path:
    """Write a dataset of two tiles a photo; return its folder."""
    write_photos(folder / "photos")
    recipe = Recipe(
        tile=32,
        reduce=1,
        split_by="photo",
        objective=40.0,
        cleaning=Cleaning(sharpness=0, contrast=0, clipped=1, duplicates=False),
    )
    finish(prepare_steps(folder / "photos", folder / "dataset", recipe))
    return folder / "dataset"


def write_atlas(folder: Path) -> Path:
    """Write the record of an atlas of two photos and a placement; return its folder."""
    write_photos(folder / "photos", 2)
    output = folder / "atlas"
    (output / "placements").mkdir(parents=True)
    placement().save(output / "placements" / "s1_40x.placement.json")
    common = {"sha256": "0" * 64, "shape": (40, 72), "pixel_um": 0.25, "objective": 40.0}
    photos = (
        PhotoRecord(source="s0_40x.png", name="s0_40x", role="overview", **common),
        PhotoRecord(
            source="s1_40x.png",
            name="s1_40x",
            role="field",
            overview="s0_40x.png",
            placement="placements/s1_40x.placement.json",
            **common,
        ),
    )
    save_atlas(output, Atlas(software="test", folder="../photos", photos=photos))
    load_atlas(output)
    return output


def write_weights(folder: Path) -> Path:
    """Write the smallest weights; return their file."""
    generator = Trunk(4, 1, (2,))
    card = ModelCard(name="tiny", task="magnify", **describe(generator))
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder / "tiny.safetensors", generator, card)
    return folder / "tiny.safetensors"


def sides() -> tuple[list[Tile], list[Tile]]:
    """Return two slides of a tile each."""
    return tuple(
        [Tile(np.ascontiguousarray(picture(96, 160)[:40, x : x + 40]), name)]
        for name, x in (("a", 0), ("b", 80))
    )


def write_training(folder: Path) -> Path:
    """Train for two batches; return the run's folder."""
    finish(train_steps(*sides(), CONFIG, folder, source=folder.parent / "dataset"))
    return folder


def as_json(path: Path) -> object:
    """Return what a JSON file holds."""
    return json.loads(path.read_bytes())
