"""Training: it learns, it resumes to the same bits, and it leaves nothing half-done."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import wraps
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load_file
from skimage.data import immunohistochemistry

from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres import checkpoints, run
from napari_medrefine.superres.api import magnify, sharpen
from napari_medrefine.superres.data import Batch, MagnifyPairs, Tile, load_batches
from napari_medrefine.superres.models import load_model
from napari_medrefine.superres.optimisation import Optimisation
from napari_medrefine.superres.precision import Precision, choose_precision
from napari_medrefine.superres.training import (
    TrainingConfig,
    TrainingEvent,
    TrainingResult,
    train_steps,
)
from napari_medrefine.superres.validation import make_pairs

SMALL = {
    "epochs": 2,
    "steps_per_epoch": 3,
    "batch": 4,
    "crop": 16,
    "channels": 16,
    "blocks": 1,
    "validation_steps": 2,
    "adversarial": 0.5,
    "checkpoint_every": 2,
    "precision": "float32",
}
MAGNIFY = TrainingConfig(task="magnify", **SMALL)
SHARPEN = TrainingConfig(task="sharpen", **{**SMALL, "channels": 8, "crop": 32})


def cut(image: np.ndarray, slide: str) -> list[Tile]:
    places = [(r, c) for r in range(0, 192, 64) for c in range(0, 192, 64)]
    return [Tile(image[r : r + 64, c : c + 64].copy(), slide) for r, c in places]


@pytest.fixture(scope="module")
def sides() -> tuple[list[Tile], list[Tile]]:
    photo = immunohistochemistry()
    return cut(photo[:, :256], "left"), cut(photo[:, 256:], "right")


@pytest.fixture(scope="module", autouse=True)
def _on_the_cpu() -> Iterator[None]:
    """Same bits are promised on a CPU only, and machines with a GPU run these tests too."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in (torch.cuda, torch.backends.mps):
            none = wraps(kind.is_available)(lambda: False)  # torch 2.14 looks beneath its wrapper
            patch.setattr(kind, "is_available", none)
        yield


def follow(
    job: Generator[TrainingEvent, None, TrainingResult], stop_at: int | None = None
) -> tuple[list[TrainingEvent], TrainingResult | None]:
    events = []
    try:
        while True:
            events.append(next(job))
            if events[-1].done == stop_at:
                job.close()
                return events, None
    except StopIteration as stop:
        return events, stop.value


def weights(path: Path) -> bytes:
    return b"".join(tensor.numpy().tobytes() for _, tensor in sorted(load_file(path).items()))


def losses_in_log(folder: Path) -> list[object]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    timeless = ("epoch", "stage", "losses", "validation", "psnr", "plain_psnr")
    return [[line[name] for name in timeless] for line in lines]


@pytest.fixture(scope="module")
def whole(sides, tmp_path_factory) -> tuple[list[TrainingEvent], TrainingResult]:
    events, result = follow(train_steps(*sides, MAGNIFY, tmp_path_factory.mktemp("whole") / "run"))
    assert result is not None
    return events, result


def test_a_run_leaves_weights_a_log_and_a_sample_of_each_epoch(whole):
    events, result = whole
    assert [event.done for event in events] == list(range(7))
    assert {event.total for event in events} == {6}
    assert events[0].text == "epoch 1 of 2: ready to train on cpu in float32"
    ends = [event for event in events if event.validation is not None]
    assert [(event.done, event.epoch, event.stage) for event in ends] == [
        (3, 1, "pixel"),
        (6, 2, "adversarial"),
    ]
    assert ends[-1].seconds_left == 0
    assert all(event.seconds_left > 0 for event in events[1:-1])
    assert len(losses_in_log(result.folder)) == 2
    for event, name in zip(ends, ("epoch-001.png", "epoch-002.png"), strict=True):
        assert event.sample == result.folder / "samples" / name
        # three crops of 64 (16 at 4x, or less at smaller scales): input, generated, sharp
        picture = np.asarray(Pillow.open(event.sample))
        assert picture.ndim == 3
        assert picture.std() > 5
    assert result.best.is_file()
    assert result.gan is not None
    assert weights(result.gan) != weights(result.best)
    assert result.validation == ends[0].validation


def test_the_weights_are_models_that_magnify_uses(sides, whole):
    photo = sides[1][0].sharp[:40, :30]
    folder = whole[1].folder
    card = load_model(folder / "best.safetensors").card
    assert (card.task, card.weights, card.architecture) == ("magnify", "faithful", "trunk")
    assert (card.training_slides, card.held_out_slides) == (("left",), ("right",))
    best = magnify(photo, 4, model=folder / "best.safetensors")
    gan = magnify(photo, 4, model=folder / "gan.safetensors")
    assert best.shape == (160, 120, 3)
    assert np.any(best != magnify(photo, 4, strength=0, model=folder / "best.safetensors"))
    assert np.any(best != gan)
    # realism mixes the two files of the run
    assert np.array_equal(gan, magnify(photo, 4, realism=1, model=folder / "best.safetensors"))


def test_the_sample_shows_input_generated_and_sharp(whole):
    picture = np.asarray(Pillow.open(whole[1].folder / "samples" / "epoch-002.png"), float)
    side = (picture.shape[1] - 8) // 3
    seen, generated, sharp = (picture[:side, k * (side + 4) :][:, :side] for k in range(3))
    assert np.abs(generated - sharp).mean() < 40
    assert np.abs(seen - sharp).mean() < 40
    enlarged = seen.reshape(side // 2, 2, side // 2, 2, 3)
    assert np.ptp(enlarged, axis=(1, 3)).max() == 0  # the input's pixels stay visible
    assert np.ptp(sharp.reshape(side // 2, 2, side // 2, 2, 3), axis=(1, 3)).max() > 0


@pytest.mark.parametrize("stop_at", [0, 1, 3, 5, 6])
def test_stopped_and_resumed_is_the_same_bit_for_bit(sides, tmp_path, whole, stop_at):
    folder = tmp_path / "run"
    _, nothing = follow(train_steps(*sides, MAGNIFY, folder), stop_at)
    assert nothing is None
    events, result = follow(train_steps(*sides, MAGNIFY, folder, resume=True))
    assert events[0].done == stop_at
    assert result is not None
    assert weights(result.best) == weights(whole[1].best)
    assert weights(result.gan) == weights(whole[1].gan)
    assert losses_in_log(folder) == losses_in_log(whole[1].folder)


def test_a_killed_run_resumes_from_its_last_checkpoint(sides, tmp_path, whole, monkeypatch):
    def no_save(self):
        raise AssertionError("a killed process saves nothing")

    folder = tmp_path / "run"
    job = train_steps(*sides, MAGNIFY, folder)
    for _ in range(6):
        event = next(job)
    assert event.done == 5
    monkeypatch.setattr(run.Run, "save", no_save)
    with pytest.raises(AssertionError):
        job.close()
    monkeypatch.undo()
    events, result = follow(train_steps(*sides, MAGNIFY, folder, resume=True))
    assert events[0].done == 4
    assert weights(result.gan) == weights(whole[1].gan)


def test_a_finished_run_resumes_to_its_result(sides, whole):
    before = weights(whole[1].best)
    events, result = follow(train_steps(*sides, MAGNIFY, whole[1].folder, resume=True))
    assert len(events) == 1
    assert result == whole[1]
    assert weights(result.best) == before


def test_sharpening_trains_too_and_leaves_the_random_numbers_of_the_caller_alone(sides, tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    events, result = follow(train_steps(*sides, SHARPEN, tmp_path / "run"))
    assert torch.equal(torch.get_rng_state(), before)
    photo = sides[1][0].sharp
    assert sharpen(photo, model=result.best).shape == photo.shape
    assert load_model(result.gan).card.weights == "gan"
    assert {
        "consistency",
        "amplitude",
        "repetition",
        "perceptual",
        "features",
        "adversarial",
    } < set(events[-1].losses)


def test_without_adversarial_epochs_there_are_no_gan_weights(sides, tmp_path):
    config = MAGNIFY.model_copy(update={"adversarial": 0.0, "epochs": 1})
    events, result = follow(train_steps(*sides, config, tmp_path / "run"))
    assert result.gan is None
    assert result.best.is_file()
    assert {event.stage for event in events} == {"pixel"}


def test_the_losses_go_down_on_one_batch(sides):
    config = MAGNIFY.model_copy(update={"learning_rate": 3e-3})
    batch = make_pairs(sides[0], config, batch=4, steps=1, seed=0)[0]
    learn = Optimisation(config, Precision(channels_last=True))
    pixel = [learn.pixel_step(batch, done, 60)["pixel"] for done in range(60)]
    assert pixel[-1] < 0.75 * pixel[0]
    learn = Optimisation(config, Precision(channels_last=True))
    seen = [learn.adversarial_step(batch, done, 40) for done in range(40)]
    for name in ("pixel", "perceptual", "consistency"):
        assert seen[-1][name] < 0.9 * seen[0][name]


def test_the_discriminator_learns_to_tell_outputs_from_photos(sides):
    learn = Optimisation(MAGNIFY, Precision(channels_last=True))
    batch = make_pairs(sides[0], MAGNIFY, batch=4, steps=1, seed=0)[0]
    output, truth = learn._generate(batch)
    judged = [learn._discriminator_step(output.detach(), truth, 1e-3) for _ in range(40)]
    assert judged[-1] < 0.8 * judged[0]
    assert learn.discriminator(truth)[0].mean() > learn.discriminator(output)[0].mean()


def test_the_first_stage_ends_early_when_it_no_longer_gets_better(sides, tmp_path, monkeypatch):
    config = MAGNIFY.model_copy(
        update={"epochs": 9, "adversarial": 1 / 9, "patience": 2, "steps_per_epoch": 1}
    )
    worse = iter(range(1, 20))

    def scores(self, generator):
        return replace(real(self, generator), loss=float(next(worse)))

    real = run.Validation.scores
    monkeypatch.setattr(run.Validation, "scores", scores)
    events, result = follow(train_steps(*sides, config, tmp_path / "run"))
    assert [event.stage for event in events[1:]] == ["pixel"] * 3 + ["adversarial"]
    assert result.epochs == 4
    assert result.validation == 1.0
    assert events[-1].epochs == 4


def test_a_slide_on_both_sides_is_refused(sides, tmp_path):
    with pytest.raises(MedRefineError, match="'left' is on both sides"):
        next(train_steps(sides[0], [*sides[1], sides[0][0]], MAGNIFY, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_taken_is_left_alone(sides, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(MedRefineError, match="already there"):
        next(train_steps(*sides, MAGNIFY, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("workers", [-1, 100_000])
def test_an_impossible_number_of_workers_is_told_before_there_is_a_folder(sides, tmp_path, workers):
    with pytest.raises(MedRefineError, match=f"0 to 256, not {workers}"):
        next(train_steps(*sides, MAGNIFY, tmp_path / "run", workers=workers))
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process that is sent SIGTERM")
def test_processes_that_prepare_batches_go_on_when_their_group_is_to_end(sides):
    """The training would end in a traceback, instead of with a checkpoint."""
    pairs = make_pairs(sides[0], MAGNIFY, batch=1, steps=8, seed=0)
    before = set(active_children())
    batches = load_batches(pairs, range(8), workers=1)
    next(batches)
    (worker,) = set(active_children()) - before
    os.kill(worker.pid, signal.SIGTERM)
    assert len(list(batches)) == 7


class Stuck(MagnifyPairs):
    """The first batch comes at once, the second never."""

    def __getitem__(self, step: int) -> Batch:
        while step:
            time.sleep(1)
        return super().__getitem__(step)


def test_no_process_that_prepares_batches_is_left(sides):
    others = active_children()
    batches = load_batches(Stuck(sides[0], (2,), 1, 16, 0, 8), range(8), workers=1)
    next(batches)
    assert len(active_children()) == len(others) + 1
    batches.close()
    assert active_children() == others


def test_resuming_with_other_settings_or_tiles_is_refused(sides, whole, tmp_path):
    other = MAGNIFY.model_copy(update={"learning_rate": 0.5})
    with pytest.raises(MedRefineError, match=r"started with learning_rate 0\.001, not 0\.5"):
        next(train_steps(*sides, other, whole[1].folder, resume=True))
    with pytest.raises(MedRefineError, match="other tiles"):
        next(train_steps(sides[0][1:], sides[1], MAGNIFY, whole[1].folder, resume=True))
    with pytest.raises(MedRefineError, match="no training to resume"):
        next(train_steps(*sides, MAGNIFY, tmp_path / "none", resume=True))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_damaged_checkpoint_is_one_sentence(sides, whole, tmp_path, damage):
    content = (whole[1].folder / "checkpoint.pt").read_bytes()
    (tmp_path / "checkpoint.pt").write_bytes(content[:5000] if damage is None else damage)
    with pytest.raises(MedRefineError, match="damaged"):
        next(train_steps(*sides, MAGNIFY, tmp_path, resume=True))


def test_a_checkpoint_with_parts_missing_is_one_sentence(sides, tmp_path):
    torch.save({"format": "medrefine-training", "version": 1}, tmp_path / "checkpoint.pt")
    with pytest.raises(MedRefineError, match="missing or wrong"):
        next(train_steps(*sides, MAGNIFY, tmp_path, resume=True))


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(sides, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    job = train_steps(*sides, MAGNIFY, folder)
    for _ in range(3):
        event = next(job)
    assert event.done == 2
    kept = (folder / "checkpoint.pt").read_bytes()
    monkeypatch.setattr(
        "napari_medrefine.superres.losses.charbonnier",
        lambda output, truth: (output - truth).mean() * float("nan"),
    )
    with pytest.raises(MedRefineError, match="no longer a number"):
        next(job)
    assert (folder / "checkpoint.pt").read_bytes() == kept
    saved = checkpoints.load_checkpoint(folder)
    assert saved.progress.step == 2
    assert all(value.isfinite().all() for value in saved.networks["generator"].values())


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"crop": 15},
        {"task": "sharpen", "crop": 14},
        {"learning_rate": float("nan")},
        {"scales": ()},
        {"seed": 2**64},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="validation error"):
        TrainingConfig(**wrong)


def test_an_epoch_shows_each_pixel_about_once():
    assert TrainingConfig(batch=4, crop=16).steps_for(64 * 64 * 4 * 10) == 10
    assert TrainingConfig(steps_per_epoch=7).steps_for(10**9) == 7
    assert TrainingConfig().adversarial_epochs == 10
    assert TrainingConfig(epochs=1, adversarial=0.9).adversarial_epochs == 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_one_seed_is_one_result(sides, tmp_path, dtype):
    config = MAGNIFY.model_copy(update={"precision": dtype})
    runs = [follow(train_steps(*sides, config, tmp_path / name))[1] for name in ("a", "b")]
    assert weights(runs[0].gan) == weights(runs[1].gan)
    other = config.model_copy(update={"seed": 1, "adversarial": 0.0})
    _, third = follow(train_steps(*sides, other, tmp_path / "c"))
    assert weights(third.best) != weights(runs[0].best)


def test_the_measured_precision_is_never_float16():
    assert choose_precision().dtype in ("float32", "bfloat16")
