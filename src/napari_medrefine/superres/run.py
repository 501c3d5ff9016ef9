"""One training: its networks, how far it has come, and the folder it writes to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.checkpoints import Checkpoint, Progress
from napari_medrefine.superres.data import Batch, Tile, load_batches
from napari_medrefine.superres.events import Stage, TrainingConfig, TrainingEvent, TrainingResult
from napari_medrefine.superres.optimisation import Optimisation
from napari_medrefine.superres.precision import Precision
from napari_medrefine.superres.run_folder import (
    CHECKPOINT,
    FAITHFUL,
    GAN,
    add_to_log,
    sample_path,
)
from napari_medrefine.superres.trained import Trained
from napari_medrefine.superres.validation import Scores, Validation, make_pairs

_ADVERSARIAL_COST = 2.5  # a batch of the second stage, in batches of the first, until measured


class Run:
    """A training that is going on.

    Parameters
    ----------
    training, validation : sequence of Tile
        Of different slides.
    config : TrainingConfig
        What to train and how.
    folder : Path
        Of the run.
    tiles : str
        The `split_sha256` of both sides.
    precision : Precision
        Where and how the networks run.
    """

    def __init__(
        self,
        training: Sequence[Tile],
        validation: Sequence[Tile],
        config: TrainingConfig,
        folder: Path,
        tiles: str,
        precision: Precision,
    ) -> None:
        self.training, self.config, self.folder, self.tiles = training, config, folder, tiles
        self.precision = precision
        self.progress = Progress()
        self.per_epoch = config.steps_for(sum(t.shape[0] * t.shape[1] for t in training))
        self.optimisation = Optimisation(config, precision)
        self.trained = Trained(folder, config, training, validation)
        self.judge = Validation(validation, config, precision)
        self.best: dict[str, Tensor] | None = None
        self.pace: dict[Stage, float] = {}
        self.clock = time.perf_counter()

    def restore(self, saved: Checkpoint) -> None:
        """Take up a checkpoint.

        Raises
        ------
        MedRefineError
            If its networks are not those of this training.
        """
        try:
            self.optimisation.restore(saved.networks)
            if saved.best is not None:
                self.optimisation.remember(saved.best)
        except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise MedRefineError(
                f"Cannot read {self.folder / CHECKPOINT}: its networks are not those of this "
                "training."
            ) from error
        self.progress, self.best = saved.progress, saved.best

    def save(self) -> None:
        """Write a checkpoint."""
        networks = self.optimisation.state()
        Checkpoint(
            self.config, self.tiles, self.precision, self.progress, networks, self.best
        ).save(self.folder)

    def planned_epochs(self, stage: Stage) -> int:
        """Return how many epochs a stage has unless it stops early."""
        adversarial = self.config.adversarial_epochs
        return adversarial if stage == "adversarial" else self.config.epochs - adversarial

    def batches(self, workers: int) -> Iterator[Batch]:
        """Yield the batches that are left of this epoch."""
        batch, seed = self.config.crops[0], self.config.seed
        if self.progress.stage == "adversarial":
            batch = max(1, batch // 2)  # the discriminator takes as much memory again
        first = self.progress.step
        last = first + self.per_epoch - self.progress.stage_step % self.per_epoch
        pairs = make_pairs(self.training, self.config, batch=batch, steps=last, seed=seed)
        yield from load_batches(pairs, range(first, last), workers)

    def step(self, batch: Batch) -> TrainingEvent:
        """Learn from one batch; at the end of an epoch also judge, show, log and save."""
        now = self.progress
        stage, planned = now.stage, self.planned_epochs(now.stage) * self.per_epoch
        learn = self.optimisation
        take = learn.pixel_step if stage == "pixel" else learn.adversarial_step
        losses = take(batch, now.stage_step, planned)
        now.step, now.stage_step = now.step + 1, now.stage_step + 1
        for name, loss in losses.items():
            now.sums[name] = now.sums.get(name, 0.0) + loss
        self._count_time(stage)
        if now.stage_step % self.per_epoch == 0:
            return self._end_epoch()
        if now.step % self.config.checkpoint_every == 0:
            self.save()
        return self.event(f"{losses['pixel']:.4f}", losses)

    def _count_time(self, stage: Stage) -> None:
        seconds = time.perf_counter() - self.clock
        self.clock += seconds
        self.progress.seconds += seconds
        self.pace[stage] = 0.9 * self.pace.get(stage, seconds) + 0.1 * seconds

    def _end_epoch(self) -> TrainingEvent:
        now, stage = self.progress, self.progress.stage
        now.epoch, now.stage_epoch = now.epoch + 1, now.stage_epoch + 1
        average = self.optimisation.average
        scores = self.judge.scores(average)
        picture = sample_path(self.folder, now.epoch)
        self.judge.save_sample(average, picture)
        if stage == "pixel":
            self._keep_if_better(scores)
        else:
            self.trained.save(average, "gan", now.epoch, scores)
        losses = {name: total / self.per_epoch for name, total in now.sums.items()}
        text = f"{losses['pixel']:.4f}, validation {scores.loss:.4f}, {scores.psnr:.2f} dB"
        event = replace(
            self.event(text, losses),
            validation=scores.loss,
            psnr=scores.psnr,
            plain_psnr=scores.plain_psnr,
            sample=picture,
        )
        add_to_log(self.folder, _log_line(event, now.seconds))
        now.sums, now.seconds = {}, 0.0
        self._advance()
        self.save()
        self.clock = time.perf_counter()
        return event

    def _keep_if_better(self, scores: Scores) -> None:
        now = self.progress
        if scores.loss < now.best:
            now.best, now.stale = scores.loss, 0
            state = self.optimisation.average.state_dict()
            self.best = {name: tensor.clone() for name, tensor in state.items()}
            self.trained.save(self.optimisation.average, "faithful", now.epoch, scores)
        else:
            now.stale += 1

    def _advance(self) -> None:
        now = self.progress
        ended = now.stage_epoch >= self.planned_epochs(now.stage)
        if now.stage == "pixel" and (ended or now.stale >= self.config.patience):
            now.stage, now.stage_step, now.stage_epoch = "adversarial", 0, 0
            if self.config.adversarial_epochs and self.best is not None:
                self.optimisation.begin_adversarial(self.best)
            else:
                now.stage = "done"
        elif ended:
            now.stage = "done"

    def event(self, text: str, losses: dict[str, float] | None = None) -> TrainingEvent:
        """Return a report of this moment."""
        now = self.progress
        left = self._left()
        going_on = now.stage_step % self.per_epoch != 0
        epochs = now.epoch + sum(left.values()) // self.per_epoch + going_on
        epoch = now.epoch + going_on
        return TrainingEvent(
            done=now.step,
            total=now.step + sum(left.values()),
            text=f"epoch {max(1, epoch)} of {epochs}: {text}",
            stage=now.stage,
            epoch=epoch,
            epochs=epochs,
            losses=losses or {},
            seconds_left=self._seconds_left(left),
        )

    def _left(self) -> dict[Stage, int]:
        now = self.progress
        left: dict[Stage, int] = {"pixel": 0, "adversarial": 0}
        if now.stage == "pixel":
            left["adversarial"] = self.planned_epochs("adversarial") * self.per_epoch
        if now.stage != "done":
            left[now.stage] = self.planned_epochs(now.stage) * self.per_epoch - now.stage_step
        return left

    def _seconds_left(self, left: dict[Stage, int]) -> float | None:
        if not self.pace:
            return None
        pixel = self.pace.get("pixel", 0.0)
        adversarial = self.pace.get("adversarial", _ADVERSARIAL_COST * pixel)
        return left["pixel"] * pixel + left["adversarial"] * adversarial

    def result(self) -> TrainingResult:
        """Return where everything is."""
        gan = self.folder / GAN
        return TrainingResult(
            self.folder,
            self.folder / FAITHFUL,
            gan if self.config.adversarial_epochs else None,
            self.progress.best,
            self.progress.epoch,
        )


def _log_line(event: TrainingEvent, seconds: float) -> dict[str, object]:
    return {
        "epoch": event.epoch,
        "epochs": event.epochs,
        "stage": event.stage,
        "losses": {name: round(loss, 6) for name, loss in event.losses.items()},
        "validation": event.validation,
        "psnr": event.psnr,
        "plain_psnr": event.plain_psnr,
        "seconds": round(seconds, 2),
        "eta": None if event.seconds_left is None else round(event.seconds_left, 1),
    }
