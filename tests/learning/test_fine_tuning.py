"""Learning from pairs: kept where it helps fields it did not see, and no trace of it elsewhere."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from deblurring import softer, stored, write

from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step, finish
from napari_medrefine.superres import load_model, magnify
from napari_medrefine.superres.fine_tuning import fine_tune_steps
from napari_medrefine.superres.folds import folds_of
from napari_medrefine.superres.learning_events import (
    FieldScore,
    LearningConfig,
    LearningResult,
    helps,
    read_learning,
)
from napari_medrefine.superres.models import weights_of

QUICK = LearningConfig(steps=8, every=4, batch=2, crop=24, learning_rate=2e-3)
FILES = ("best.safetensors", "gan.safetensors")


def hashes(folder: Path) -> list[str]:
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES]


@pytest.fixture(scope="module")
def blurred(tmp_path_factory) -> Path:
    """Return a folder with the pairs of four fields through one blurring objective."""
    return write(tmp_path_factory.mktemp("runs") / "run", [stored(k, 5.0) for k in range(4)])


@pytest.fixture(scope="module")
def learned(blurred: Path) -> LearningResult:
    return finish(fine_tune_steps(blurred, QUICK))


def copy_pairs(source: Path, target: Path) -> Path:
    shutil.copytree(source / "pairs", target / "pairs")
    return target


def test_what_helps_on_a_field_it_did_not_see_is_kept(learned: LearningResult) -> None:
    assert learned.kept
    assert len(learned.scores) == 1  # one of four is held out
    assert learned.gain >= 0.5
    assert f"{learned.gain:.2f} dB nearer to the real photo on 1 field" in learned.sentence
    assert "kept as run" in learned.sentence
    assert not (learned.folder / "checkpoint.pt").exists()


def test_the_weights_serve_everywhere_and_come_nearer_to_a_new_field(learned) -> None:
    new = stored(77, 5.0)
    errors = []
    for model in (None, learned.weights):
        made = magnify(new.given, 4, model=model)[96:-96, 96:-96].astype(float)
        errors.append(np.mean((made - new.target) ** 2))
    assert 10 * np.log10(errors[0] / errors[1]) > 0.5
    both = weights_of("magnify", 1.0, learned.weights)
    assert [one["name"].split()[0] for one in both] == ["magnify-faithful", "magnify-gan"]


def test_realism_still_works_and_comes_nearer_too(learned: LearningResult) -> None:
    new = stored(78, 5.0)
    made = {
        (model, realism): magnify(new.given, 4, realism=realism, model=model)[96:-96, 96:-96]
        for model, realism in ((None, 1.0), (learned.weights, 1.0), (learned.weights, 0.0))
    }
    before, after, faithful = (image.astype(float) for image in made.values())
    errors = [np.mean((image - new.target) ** 2) for image in (before, after)]
    assert errors[1] < errors[0]
    assert np.abs(after - faithful).mean() > 0.3  # grey levels of texture


def test_its_card_says_where_it_comes_from(learned: LearningResult) -> None:
    card, shipped = load_model(learned.weights).card, load_model("magnify-faithful").card
    assert shipped.attribution in card.attribution
    assert shipped.sha256 in card.training
    assert card.learned_from[0].name == "made overview"
    held = {p.name for p in card.learned_from if p.side == "held out"}
    assert held == {score.name for score in learned.scores}
    ((name, scores),) = card.metrics.items()
    assert "held out" in name
    assert {n: s["psnr"] - s["psnr_before"] for n, s in scores.items()} == pytest.approx(
        {score.name: score.gain for score in learned.scores}
    )


def test_what_does_not_help_enough_leaves_nothing_to_be_used(tmp_path) -> None:
    folder = write(tmp_path / "run", [stored(k, 5.0) for k in range(2)])
    result = finish(fine_tune_steps(folder, QUICK.model_copy(update={"margin": 9.0, "steps": 4})))
    assert not result.kept
    assert result.weights is None
    assert "not kept, at least 9 dB were asked for" in result.sentence
    assert sorted(p.name for p in folder.iterdir()) == [
        "medrefine-learning.json",
        "pairs",
        "running.lock",
    ]
    assert read_learning(folder).kept is False


def test_the_weights_for_photos_are_judged_on_the_same_field(learned: LearningResult) -> None:
    (score,) = learned.scores
    pair = next(stored(k, 5.0) for k in range(4) if f"{k}" in score.name)
    made = magnify(pair.given, 4, model="photo-faithful")[96:-96, 96:-96].astype(float)
    error = np.mean((made - pair.target) ** 2)
    assert score.photo == pytest.approx(10 * np.log10(255**2 / error), abs=0.05)
    assert f"weights for photos are {score.after - score.photo:.2f} dB behind" in learned.sentence


def test_what_the_weights_for_photos_do_without_learning_is_not_kept() -> None:
    near = FieldScore(name="a", before=24.0, after=25.0, photo=25.3)
    assert not helps([near], 0.5)
    assert helps([near.model_copy(update={"photo": 24.9})], 0.5)
    assert helps([near.model_copy(update={"photo": None})], 0.5)  # a record of before
    result = LearningResult(Path("run"), False, (near,), 3, 20, False, 0.5)
    assert "not kept, the shipped weights for photos come 0.30 dB nearer still" in result.sentence
    assert "'For photos'" in result.sentence


def test_where_nothing_is_learned_the_nearer_weights_for_photos_are_named() -> None:
    score = FieldScore(name="a", before=24.0, after=24.1, photo=25.0)
    result = LearningResult(Path("run"), False, (score,), 3, 20, False, 0.5)
    assert result.sentence.endswith(
        "The shipped weights stay in use. The shipped weights for photos are 1.00 dB nearer: "
        "--model photo-faithful, or 'For photos' in napari."
    )


@pytest.mark.parametrize("photo", [23.5, 24.0, None])
def test_weights_for_photos_that_are_no_nearer_are_not_named(photo: float | None) -> None:
    score = FieldScore(name="a", before=24.0, after=24.1, photo=photo)
    result = LearningResult(Path("run"), False, (score,), 3, 20, False, 0.5)
    assert result.sentence.endswith("The shipped weights stay in use.")


def test_what_helps_one_field_and_harms_another_is_not_kept(tmp_path) -> None:
    folder = write(tmp_path / "run", [stored(0, 5.0), softer(1)])
    result = finish(fine_tune_steps(folder, QUICK.model_copy(update={"steps": 4})))
    assert not result.kept, result.scores
    assert not list(folder.glob("*.safetensors"))


def run_until(job: Generator[Step, None, object], steps: int) -> None:
    for _ in range(steps):
        next(job)


@pytest.mark.parametrize("after", [3, 9])
def test_stopped_and_resumed_it_ends_with_the_same_bytes(blurred, learned, tmp_path, after) -> None:
    folder = copy_pairs(blurred, tmp_path)
    job = fine_tune_steps(folder, QUICK)
    run_until(job, after)
    job.close()
    assert not list(folder.glob("*.safetensors"))
    assert finish(fine_tune_steps(folder, QUICK)).scores == learned.scores
    assert hashes(folder) == hashes(learned.folder)


def test_killed_and_resumed_too(blurred, learned, tmp_path) -> None:
    folder, copy = copy_pairs(blurred, tmp_path / "a"), tmp_path / "b"
    job = fine_tune_steps(folder, QUICK)
    run_until(job, 14)  # past the last checkpoint
    shutil.copytree(folder, copy)  # as a killed process would have left it
    job.close()
    assert finish(fine_tune_steps(copy, QUICK)).scores == learned.scores
    assert hashes(copy) == hashes(learned.folder)


def test_of_two_or_three_fields_each_is_held_out_in_turn(tmp_path) -> None:
    folder = write(tmp_path / "run", [stored(k, 5.0) for k in range(2)])
    result = finish(fine_tune_steps(folder, QUICK))
    assert result.in_turn
    assert [score.name for score in result.scores] == ["field 0", "field 1"]
    assert result.kept
    assert result.learned == 2


def test_fields_of_one_place_are_not_judged_by_one_another(tmp_path) -> None:
    folder = write(tmp_path / "run", [stored(k, 5.0) for k in range(4)], lefts=[0] * 4)
    with pytest.raises(MedRefineError, match="lie on one another"):
        finish(fine_tune_steps(folder, QUICK))
    assert not list(folder.glob("*.safetensors"))


def test_a_field_that_only_shows_what_is_held_out_is_not_learned_from(tmp_path) -> None:
    (fold,) = folds_of(4, QUICK.seed)
    again = fold.learned[0]
    lefts = [100 * (fold.out[0] if n == again else n) for n in range(4)]
    folder = write(tmp_path / "run", [stored(k, 5.0) for k in range(4)], lefts)
    result = finish(fine_tune_steps(folder, QUICK))
    assert result.learned == 2
    known = {photo.name for photo in load_model(result.weights).card.learned_from}
    assert f"field {again}" not in known


def test_it_ends_where_the_last_look_is_the_best_and_comes_early(tmp_path) -> None:
    folder = write(tmp_path / "run", [stored(k, 5.0) for k in range(2)])
    result = finish(fine_tune_steps(folder, QUICK.model_copy(update={"steps": 6})))
    assert result.kept
    assert result.steps == 6
    assert "6 batches" in load_model(result.weights).card.training


def test_one_field_is_not_enough(tmp_path) -> None:
    folder = write(tmp_path / "run", [stored(0, 5.0)])
    with pytest.raises(MedRefineError, match="two are needed"):
        finish(fine_tune_steps(folder, QUICK))


def test_another_run_is_not_mixed_in(learned: LearningResult) -> None:
    with pytest.raises(MedRefineError, match="other settings"):
        finish(fine_tune_steps(learned.folder, QUICK.model_copy(update={"seed": 5})))
    assert finish(fine_tune_steps(learned.folder, QUICK)) == learned
