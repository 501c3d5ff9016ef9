"""Trained weights as files that `magnify` and `sharpen` accept, each with its model card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from napari_medrefine import __version__
from napari_medrefine.superres.cards import ModelCard, View
from napari_medrefine.superres.checkpoints import split_sha256
from napari_medrefine.superres.data import Tile
from napari_medrefine.superres.events import TrainingConfig
from napari_medrefine.superres.generator import Generator
from napari_medrefine.superres.models import describe, save_model
from napari_medrefine.superres.run_folder import FAITHFUL, GAN
from napari_medrefine.superres.validation import Scores

_LOSSES = {
    "faithful": "Charbonnier loss",
    "gan": "squared error, consistency, amplitude, repetition, perceptual (random pyramid), "
    "feature and relativistic adversarial losses, from the faithful weights",
}
_DEGRADATION = {
    "magnify": "random, per crop (superres.optics.random_reduction): area or bicubic reduction, "
    "Gaussian blur, noise, JPEG; stains varied",
    "sharpen": "random, per crop (superres.optics.random_blur): reduced and enlarged again, "
    "Gaussian blur, noise, JPEG; stains varied",
}
_OWNER = "the owner of the training images"


class Trained:
    """Where a training's weights go, and what their cards say of its data.

    Parameters
    ----------
    folder : Path
        Of the run.
    config : TrainingConfig
        Of the run.
    training, validation : sequence of Tile
        Whose slides the cards name.
    """

    def __init__(
        self,
        folder: Path,
        config: TrainingConfig,
        training: Sequence[Tile],
        validation: Sequence[Tile],
    ) -> None:
        self.folder, self.config, self.tiles = folder, config, len(training)
        self.training = _slides(training)
        self.validation = _slides(validation)
        self.pixel_um = _pixel_sizes(training)
        self.split = split_sha256(training, validation)

    def save(
        self, generator: Generator, weights: Literal["faithful", "gan"], epoch: int, scores: Scores
    ) -> None:
        """Write ``best.safetensors`` (faithful) or ``gan.safetensors``, as of `epoch`.

        Raises
        ------
        MedRefineError
            If the folder is read-only or the disk is full.
        """
        config = self.config
        card = ModelCard(
            name=f"{config.task}-{weights}",
            task=config.task,
            weights=weights,
            pixel_um=self.pixel_um,
            views=views(config.enlargements, self.pixel_um),
            optics="Those of the objectives and the camera of the training images.",
            degradation=_DEGRADATION[config.task],
            training=f"Epoch {epoch} of {config.epochs}, seed {config.seed}: {_LOSSES[weights]}",
            data=f"{self.tiles} tiles of {len(self.training)} slides, of the user",
            attribution=f"As {_OWNER} wishes.",
            training_slides=self.training,
            held_out_slides=self.validation,
            split_sha256=self.split,
            metrics={"training": {"held-out slides": _measures(scores)}},
            licence=f"As the licence of the training images allows: ask {_OWNER}.",
            software=f"napari-medrefine {__version__}",
            **describe(generator),
        )
        save_model(self.folder / (GAN if weights == "gan" else FAITHFUL), generator, card)


def views(scales: Sequence[int], pixel_um: Sequence[float]) -> tuple[View, ...]:
    """Return what goes in and comes out at each scale for sharp pixels of `pixel_um`."""
    return tuple(
        View(scale=scale, pixel_um_in=scale * size, pixel_um_out=size)
        for scale in scales
        for size in pixel_um
    )


def _pixel_sizes(tiles: Sequence[Tile]) -> tuple[float, ...]:
    """Return the pixel sizes that are known, to three digits, each once."""
    known = {tile.pixel_um for tile in tiles}
    return tuple(sorted({float(f"{size:.3g}") for size in known if size is not None}))


def _measures(scores: Scores) -> dict[str, float]:
    return {"psnr": scores.psnr, "psnr_interpolated": scores.plain_psnr, "loss": scores.loss}


def _slides(tiles: Sequence[Tile]) -> tuple[str, ...]:
    return tuple(sorted({tile.slide for tile in tiles}))
