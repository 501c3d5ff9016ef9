"""Trained weights as files that `magnify` and `sharpen` accept."""

from __future__ import annotations

from pathlib import Path

from napari_medrefine.superres.cards import ModelCard
from napari_medrefine.superres.events import TrainingConfig
from napari_medrefine.superres.generator import Generator
from napari_medrefine.superres.models import describe, save_model
from napari_medrefine.superres.validation import Scores


def save_trained(path: Path, generator: Generator, config: TrainingConfig, scores: Scores) -> None:
    """Write the weights of `generator` with a model card."""
    card = ModelCard(
        name=path.stem,
        task=config.task,
        weights="gan" if path.stem == "gan" else "faithful",
        training=config.model_dump_json(),
        metrics={
            "training": {"held out": {"psnr": scores.psnr, "interpolated": scores.plain_psnr}}
        },
        licence="That of whoever trained it.",
        **describe(generator),
    )
    save_model(path, generator, card)
