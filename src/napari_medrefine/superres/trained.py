"""Trained weights as files that `magnify` and `sharpen` accept."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save

from napari_medrefine._atomic import write_bytes
from napari_medrefine.superres.events import TrainingConfig
from napari_medrefine.superres.generator import Generator
from napari_medrefine.superres.validation import Scores


def save_trained(path: Path, generator: Generator, config: TrainingConfig, scores: Scores) -> None:
    """Write the weights of `generator` with a model card."""
    state = {name: tensor.contiguous() for name, tensor in generator.state_dict().items()}
    write_bytes(path, save(state, {"config": config.model_dump_json(), "psnr": str(scores.psnr)}))
