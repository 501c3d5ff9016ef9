"""Weights that were fine-tuned on real fields, as files that every chooser takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from napari_medrefine import __version__
from napari_medrefine.dataset.pair_files import PairManifest
from napari_medrefine.superres.cards import LearnedPhoto, ModelCard, View
from napari_medrefine.superres.folds import Fold
from napari_medrefine.superres.learning_events import LearningRecord
from napari_medrefine.superres.models import Model, describe, load_model, save_model
from napari_medrefine.superres.run_folder import FAITHFUL, GAN

_BASES = {FAITHFUL: "magnify-faithful", GAN: "magnify-gan"}
_OPTICS = (
    "Those of this one overview and of the fields registered on it. On photos through other "
    "objectives or cameras the shipped weights serve better."
)
_DEGRADATION = (
    "None was made: the inputs are the real overview, the truths the real fields, resampled onto "
    "it by their registration and brought to its intensities."
)


def save_learned(
    folder: Path,
    learned: dict[str, Tensor],
    manifest: PairManifest,
    record: LearningRecord,
    fold: Fold,
) -> None:
    """Write the faithful weights and the GAN's, moved by the same difference.

    The GAN's texture lies in what its weights differ by from the faithful ones; the objective's
    blur, which is learned here, in what both share. The faithful file comes last: it is what makes
    a folder one with weights.

    Parameters
    ----------
    folder : Path
        Of the run.
    learned : dict
        The new faithful weights.
    manifest : PairManifest
        What was learned from.
    record : LearningRecord
        With the verdict.
    fold : Fold
        Which pairs were learned from, and which held out.

    Raises
    ------
    MedRefineError
        If the folder is read-only or the disk is full.
    """
    faithful, gan = load_model(_BASES[FAITHFUL]), load_model(_BASES[GAN])
    old = faithful.generator.state_dict()
    moved = {
        name: tensor + (learned[name] - old[name])
        for name, tensor in gan.generator.state_dict().items()
    }
    for name, model, state in ((GAN, gan, moved), (FAITHFUL, faithful, learned)):
        model.generator.load_state_dict(state)
        save_model(folder / name, model.generator, _card(model, manifest, record, fold))


def _card(base: Model, manifest: PairManifest, record: LearningRecord, fold: Fold) -> ModelCard:
    old, config = base.card, record.config
    assert isinstance(old, ModelCard)  # noqa: S101 - they ship with us
    photos = [
        LearnedPhoto(
            name=pair.field.name,
            sha256=pair.field.sha256,
            side="held out" if number in fold.out else "learned",
        )
        for number, pair in enumerate(manifest.pairs)
        if number in fold.learned + fold.out
    ]
    overview = LearnedPhoto(
        name=manifest.overview.name, sha256=manifest.overview.sha256, side="overview"
    )
    scores = {s.name: {"psnr_before": s.before, "psnr": s.after} for s in record.scores}
    how = "each held out in turn" if record.in_turn else "held out"
    faithful = old.weights == "faithful"
    moved = "" if faithful else " These GAN weights were moved by what the faithful ones learned."
    return ModelCard(
        name=f"{old.name} learned on {manifest.overview.name}"[:200],
        task=old.task,
        weights=old.weights,
        pixel_um=_finest(manifest),
        views=_views(manifest, old.scales),
        optics=_OPTICS,
        degradation=_DEGRADATION,
        training=f"{record.steps} batches of {config.batch} crops of {config.crop} pixels, squared "
        f"error, Adam, {config.learning_rate:g}, running mean, seed {config.seed}, from the "
        f"shipped {old.name} ({old.sha256}).{moved} Before that: {old.training}",
        data=f"{record.learned} fields registered on {manifest.overview.name}, of the user. "
        f"Before that: {old.data}",
        attribution=f"{old.attribution} The user's photos: as their owner wishes.",
        training_slides=old.training_slides,
        held_out_slides=old.held_out_slides,
        split_sha256=manifest.sha256,
        metrics={f"learned, fields {how}, before and after": scores} if faithful else {},
        licence=f"{old.licence} For the user's photos: ask their owner.",
        software=f"napari-medrefine {__version__}",
        learned_from=(overview, *photos),
        **describe(base.generator),
    )


def _finest(manifest: PairManifest) -> tuple[float, ...]:
    return () if manifest.pixel_um is None else (manifest.pixel_um / manifest.zoom,)


def _views(manifest: PairManifest, scales: Sequence[int]) -> tuple[View, ...]:
    size = manifest.pixel_um
    if size is None:
        return ()
    return tuple(View(scale=s, pixel_um_in=size, pixel_um_out=size / s) for s in scales)
