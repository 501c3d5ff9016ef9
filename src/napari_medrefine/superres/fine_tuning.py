"""Fine-tuning on registered fields: judged on fields it did not learn from, or not kept.

Fields are held out whole, never crops of them, and with them what others show of the same place.
Of four or more, a quarter is held out: it says when to stop and what was gained. Of two or three,
each is held out in turn; what is kept has then learned from all, as long as was best. Which crops a
batch holds depends on the seed and its number alone, and a checkpoint holds the rest, so that a
stopped or killed run ends with the same bytes, given the same machine and number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from napari_medrefine.dataset.pair_files import PairManifest, read_pair, read_pairs
from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step, say_duration
from napari_medrefine.superres.folds import Fields, Fold, in_turn
from napari_medrefine.superres.generator import Trunk
from napari_medrefine.superres.learned import save_learned
from napari_medrefine.superres.learning_checkpoint import load_state, save_state
from napari_medrefine.superres.learning_events import (
    PAIR_FOLDER,
    RECORD,
    FieldScore,
    LearningConfig,
    LearningRecord,
    LearningResult,
    helps,
    read_learning,
    write_learning,
)
from napari_medrefine.superres.model_files import FOR_PHOTOS
from napari_medrefine.superres.models import load_model
from napari_medrefine.superres.photo_pairs import PhotoPair
from napari_medrefine.superres.run_folder import CHECKPOINT, FAITHFUL
from napari_medrefine.superres.run_lock import held
from napari_medrefine.superres.tuning import Tuning

BASE = "magnify-faithful"


def fine_tune_steps(folder: Path, config: LearningConfig) -> Generator[Step, None, LearningResult]:
    """Fine-tune the shipped weights on the pairs in ``folder/pairs``, or go on with that.

    Closing the generator leaves a checkpoint. At the end the weights are in `folder` if they were
    kept, and none if not; the checkpoint is gone.

    Parameters
    ----------
    folder : Path
        Of the run; its pairs are there already.
    config : LearningConfig
        Where a fine-tuning was begun in `folder`, it must be the same.

    Returns
    -------
    LearningResult

    Raises
    ------
    MedRefineError
        If there are fewer than two pairs or all show the same place, another process is at it, or a
        run with other settings or pairs was begun there.
    """
    manifest = read_pairs(folder / PAIR_FOLDER)
    if len(manifest.pairs) < 2:
        raise MedRefineError(
            f"{len(manifest.pairs)} of the fields can be learned from, and two are needed: one to "
            f"learn from, one to see whether it helped.{_why(manifest)}"
        )
    with held(folder):
        done = _begin(folder, manifest, config)
        if done is not None:
            return done
        course = _Course(folder, manifest, config)
        try:
            yield from course.run()
        except GeneratorExit:
            course.save()
            raise
        return course.end()


def _why(manifest: PairManifest) -> str:
    said = "".join(f" {one.field.name}: {one.reason}" for one in manifest.refused)
    return said and f" Left out:{said}"


def _begin(folder: Path, manifest: PairManifest, config: LearningConfig) -> LearningResult | None:
    """Note what is begun here; return the result if it has come to its end already."""
    record = LearningRecord(pairs_sha256=manifest.sha256, config=config)
    if not (folder / RECORD).exists():
        write_learning(folder, record)
        return None
    there = read_learning(folder)
    if (there.pairs_sha256, there.config) != (record.pairs_sha256, config):
        raise MedRefineError(
            f"The fine-tuning in {folder} was begun with other settings or pairs; choose another "
            "folder."
        )
    return there.result(folder, folder / FAITHFUL)


class _Course:
    """All folds of a fine-tuning, one after the other, and what they have shown so far."""

    def __init__(self, folder: Path, manifest: PairManifest, config: LearningConfig) -> None:
        self.folder, self.manifest, self.config = folder, manifest, config
        self.start = start = _shipped(BASE)
        where = folder / PAIR_FOLDER
        self.pairs = [
            PhotoPair.of(entry, read_pair(where, entry), start.halo) for entry in manifest.pairs
        ]
        self.fields = Fields(manifest.pairs, self.pairs)
        self.folds = self.fields.folds(config.seed)
        self.in_turn = in_turn(len(self.pairs))
        self.fold = 0
        self.looks: list[list[list[float]]] = [[] for _ in self.folds]  # fold, look, field
        self.photo: list[float] = []  # of the fields held out, one fold after the other
        self.best: dict[str, Tensor] | None = None
        self.tuning: Tuning | None = None
        self.pace: float | None = None
        self._restore()

    def run(self) -> Generator[Step, None, None]:
        """Go through the folds that are left, and learn from all fields after them."""
        while self.fold < len(self.folds):
            yield from self._run_fold()
        yield from self._look_with_photo_weights()
        if self.in_turn and self._helps():
            yield from self._learn_from_all()

    def _run_fold(self) -> Generator[Step, None, None]:
        fold = self.folds[self.fold]
        tuning = self._tuning(fold)
        while True:
            if self._look_is_due(tuning):
                yield from self._look(tuning.average, fold.out)
                self._keep_if_best(tuning)
                self.save()
            if self._over(tuning):
                break
            yield from self._batches(tuning)
        self.fold, self.tuning = self.fold + 1, None
        self.save()

    def _learn_from_all(self) -> Generator[Step, None, None]:
        tuning = self._tuning(self._everything())
        while tuning.step < self._best_steps():
            yield from self._batches(tuning)
            self.save()
        self.best = tuning.average.state_dict()

    def _batches(self, tuning: Tuning) -> Generator[Step, None, None]:
        """Take batches up to the next look."""
        every = self.config.every
        last = min(self.config.steps, (tuning.step // every + 1) * every)
        while tuning.step < last:
            began = time.perf_counter()
            for _ in tuning.batch():
                yield self._step(tuning)
            spent = time.perf_counter() - began
            self.pace = spent if self.pace is None else 0.8 * self.pace + 0.2 * spent

    def _look(self, network: Trunk, out: Sequence[int]) -> Generator[Step, None, None]:
        """Judge a network on the fields held out."""
        scores: list[float] = []
        for number in out:
            yield self._step(self.tuning, f"looking at {self.pairs[number].name}")
            scores.append(self.pairs[number].psnr(network))
        self.looks[self.fold].append(scores)

    def _look_with_photo_weights(self) -> Generator[Step, None, None]:
        """Judge the weights for photos, which ship too and know such a blur, on the same fields."""
        network = _shipped(FOR_PHOTOS)
        for number in (n for fold in self.folds for n in fold.out):
            yield self._step(None, f"looking at {self.pairs[number].name} with the photo weights")
            self.photo.append(self.pairs[number].psnr(network))

    def _look_is_due(self, tuning: Tuning) -> bool:
        """Whether it has come to a look that was not taken; it may have been stopped just there."""
        steps, every = tuning.step, self.config.every
        there = steps % every == 0 or steps == self.config.steps
        return there and len(self.looks[self.fold]) <= -(-steps // every)

    def _keep_if_best(self, tuning: Tuning) -> None:
        if not self.in_turn and self._best_look() == len(self.looks[self.fold]) - 1:
            self.best = {k: v.clone() for k, v in tuning.average.state_dict().items()}

    def _over(self, tuning: Tuning) -> bool:
        """Whether a fold has had its batches, or has not become better for long enough."""
        means = [np.mean(look) for look in self.looks[self.fold]]
        stale = len(means) - 1 - int(np.argmax(means))
        return tuning.step >= self.config.steps or stale >= self.config.patience

    def _everything(self) -> Fold:
        return Fold(tuple(range(len(self.pairs))))

    def _tuning(self, fold: Fold) -> Tuning:
        if self.tuning is None:
            self.tuning = Tuning(self.start, self.config, self.fields.learned(fold))
        return self.tuning

    def _best_look(self) -> int:
        """Return the look at which the held-out fields were nearest on average; 0: as shipped."""
        common = min(len(looks) for looks in self.looks)
        means = [np.mean([np.mean(looks[k]) for looks in self.looks]) for k in range(common)]
        return int(np.argmax(means))

    def _best_steps(self) -> int:
        """Return the batches before that look; the last look may come early."""
        return min(self.config.steps, self._best_look() * self.config.every)

    def scores(self) -> tuple[FieldScore, ...]:
        """Return what the held-out fields gained at the best look."""
        look, photo = self._best_look(), iter(self.photo)
        return tuple(
            FieldScore(
                name=self.pairs[n].name,
                before=looks[0][k],
                after=looks[look][k],
                photo=next(photo),
            )
            for fold, looks in zip(self.folds, self.looks, strict=True)
            for k, n in enumerate(fold.out)
        )

    def _helps(self) -> bool:
        return helps(self.scores(), self.config.margin)

    def end(self) -> LearningResult:
        """Write the weights if they helped, and the verdict; return it."""
        kept = self._helps() and self.best is not None
        scores = self.scores()
        fold = self._everything() if self.in_turn else self.folds[0]
        record = LearningRecord(
            pairs_sha256=self.manifest.sha256,
            config=self.config,
            kept=kept,
            scores=scores,
            learned=len(fold.learned),
            steps=self._best_steps(),
            in_turn=self.in_turn,
        )
        if kept and self.best is not None:
            save_learned(self.folder, self.best, self.manifest, record, fold)
        write_learning(self.folder, record)
        with suppress(OSError):
            (self.folder / CHECKPOINT).unlink(missing_ok=True)
        result = record.result(self.folder, self.folder / FAITHFUL)
        assert result is not None  # noqa: S101 - it was just written
        return result

    def _step(self, tuning: Tuning | None, doing: str = "") -> Step:
        rounds = len(self.folds) + self.in_turn
        done = self.fold * self.config.steps + (tuning.step if tuning else 0)
        total = rounds * self.config.steps
        looks = self.looks[min(self.fold, len(self.folds) - 1)]
        words = [doing or f"learning, batch {tuning.step if tuning else 0} of {self.config.steps}"]
        if rounds > 1:
            words[0] += f", round {self.fold + 1} of {rounds}"
        if len(looks) > 1:
            gain = np.mean(looks[-1]) - np.mean(looks[0])
            words.append(f"{gain:+.2f} dB on fields it does not learn from")
        if self.pace is not None:
            words.append(f"at most {say_duration(self.pace * (total - done))} left")
        return Step(done, total, "; ".join(words))

    def save(self) -> None:
        """Write a checkpoint."""
        state: dict[str, Any] = {
            "pairs": self.manifest.sha256,
            "config": self.config.model_dump_json(),
            "fold": self.fold,
            "looks": self.looks,
            "best": self.best,
            "tuning": None if self.tuning is None else self.tuning.state(),
        }
        save_state(self.folder / CHECKPOINT, state)

    def _restore(self) -> None:
        state = load_state(self.folder / CHECKPOINT)
        if state is None:
            return
        begun = state["pairs"], state["config"]
        if begun != (self.manifest.sha256, self.config.model_dump_json()):
            raise MedRefineError(
                f"{self.folder / CHECKPOINT} is of other settings or pairs; choose another folder."
            )
        self.fold, self.looks, self.best = state["fold"], state["looks"], state["best"]
        if state["tuning"] is None:
            return
        fold = self.folds[self.fold] if self.fold < len(self.folds) else self._everything()
        try:
            self._tuning(fold).restore(state["tuning"])
        except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise MedRefineError(
                f"Cannot read {self.folder / CHECKPOINT}: its network is not that of this "
                "fine-tuning."
            ) from error


def _shipped(name: str) -> Trunk:
    generator = load_model(name).generator
    assert isinstance(generator, Trunk)  # noqa: S101 - it ships with us
    return generator
