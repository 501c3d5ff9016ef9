"""A model card as a reader of a report needs it: names and values, no more; without torch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from napari_medrefine.superres.cards import CAUTION, ModelCard, Task
from napari_medrefine.superres.foreign_files import ForeignCard
from napari_medrefine.superres.model_files import read_card


def shipped_cards(task: Task) -> list[dict[str, str]]:
    """Return the shipped cards of a task, faithful weights first, as names and values."""
    shipped = Path(__file__).parent / "weights"
    return [_facts_of(read_card(path)) for path in sorted(shipped.glob(f"{task}-*.safetensors"))]


def card_of(path: str | Path) -> dict[str, str]:
    """Return the card of a weight file, ours or others', or of a model of `list_models`.

    Raises
    ------
    MedRefineError
        If it cannot be read.
    """
    from napari_medrefine.superres.models import load_model

    card = load_model(path).card
    return _facts_of(card) if isinstance(card, ModelCard) else asdict(card)


def _facts_of(card: ModelCard | ForeignCard) -> dict[str, str]:
    """Return what a card says, as text; of networks of others little is known."""
    if isinstance(card, ForeignCard):
        return {
            "name": card.name,
            "task": f"{card.task} (x{card.scale})",
            "architecture": card.architecture,
            "file SHA-256": card.sha256,
            "caution": CAUTION,
        }
    scales = ", ".join(f"x{scale}" for scale in card.scales)
    return {
        "name": card.name,
        "task": f"{card.task} ({scales})",
        "architecture": f"{card.architecture}, {card.channels} channels, {card.blocks} blocks",
        "optics": card.optics,
        "degradation": card.degradation,
        "training": card.training,
        "data": card.data,
        "attribution": card.attribution,
        "learned from": ", ".join(f"{photo.name} ({photo.side})" for photo in card.learned_from),
        "training slides": ", ".join(card.training_slides),
        "held out": ", ".join(card.held_out_slides),
        "split SHA-256": card.split_sha256,
        "weights SHA-256": card.sha256,
        "licence": card.licence,
        "software": card.software,
        "caution": card.caution,
    }
