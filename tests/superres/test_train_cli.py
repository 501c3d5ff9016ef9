"""`medrefine train`, as typed: a prepared dataset or folders of photos in, weights out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from skimage.data import immunohistochemistry

from napari_medrefine.cli import main
from napari_medrefine.dataset import MANIFEST, Recipe, prepare_steps
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import read_photo, write_image
from napari_medrefine.progress import finish
from napari_medrefine.superres.data import read_dataset, read_photos
from napari_medrefine.superres.training import TrainingConfig, read_sides, train_steps

QUICK = ["--epochs", "2", "--steps-per-epoch", "2", "--batch", "1", "--crop", "16"]


@pytest.fixture(scope="module")
def slides(tmp_path_factory) -> Path:
    """Return a folder with a photo of each of four slides."""
    folder = tmp_path_factory.mktemp("slides")
    photo = immunohistochemistry()
    for k, name in enumerate(("ash", "beech", "cedar", "date")):
        (folder / name).mkdir()
        row, col = divmod(k, 2)
        part = photo[row * 256 :, col * 256 :][:256, :256]
        write_image(folder / name / "one.png", part)
        write_image(folder / name / "two.png", part[::-1, :, ::-1].copy())
    return folder


@pytest.fixture(scope="module")
def dataset(slides, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dataset") / "tiles"
    finish(prepare_steps(slides, folder, Recipe(tile=128, reduce=1, proportions=(2, 1, 1))))
    return folder


def test_a_prepared_dataset_becomes_weights(dataset, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["train", str(dataset), "-o", str(run), *QUICK]) == 0
    said = capsys.readouterr().out
    assert "epoch 1/2 (pixel): pixel 0." in said
    assert "epoch 2/2 (adversarial):" in said
    assert "left" in said
    assert f"--model {run / 'best.safetensors'}" in said
    assert "Caution" not in said
    assert (run / "best.safetensors").stat().st_size > 100_000
    assert (run / "gan.safetensors").is_file()
    photo, large = tmp_path / "photo.png", tmp_path / "large.png"
    write_image(photo, immunohistochemistry()[:40, :30])
    best = str(run / "best.safetensors")
    assert main(["magnify", str(photo), "--scale", "4", "-o", str(large), "--model", best]) == 0
    assert read_photo(large).image.shape == (160, 120, 3)
    assert sorted(p.name for p in (run / "samples").iterdir()) == ["epoch-001.png", "epoch-002.png"]


def test_the_dataset_s_own_split_is_used_and_its_test_tiles_are_not(dataset):
    manifest = json.loads((dataset / MANIFEST).read_text())
    slide_of = {photo["name"]: photo["slide"] for photo in manifest["photos"]}
    expected = {
        split: sorted(slide_of[t["photo"]] for t in manifest["tiles"] if t["split"] == split)
        for split in ("train", "validation", "test")
    }
    sides = read_dataset(dataset)
    assert sorted(tile.slide for tile in sides.training) == expected["train"]
    assert sorted(tile.slide for tile in sides.validation) == expected["validation"]
    assert expected["test"]
    assert not set(expected["test"]) & {t.slide for t in (*sides.training, *sides.validation)}
    assert sides.caution == ""


def test_a_dataset_split_by_photo_is_used_with_a_caution(slides, tmp_path, capsys):
    photos = tmp_path / "photos"
    for name in ("one", "two"):
        (photos / "ash").mkdir(parents=True, exist_ok=True)
        (photos / "ash" / f"{name}.png").write_bytes((slides / "ash" / f"{name}.png").read_bytes())
    folder = tmp_path / "tiles"
    finish(prepare_steps(photos, folder, Recipe(tile=128, reduce=1, proportions=(1, 1, 0))))
    sides = read_dataset(folder)
    assert "split by photo" in sides.caution
    assert not {t.slide for t in sides.training} & {t.slide for t in sides.validation}
    assert main(["train", str(folder), "-o", str(tmp_path / "run"), *QUICK, "--no-gan"]) == 0
    assert "Caution: the dataset is split by photo" in capsys.readouterr().out
    assert not (tmp_path / "run" / "gan.safetensors").exists()


@pytest.mark.parametrize(("task", "room"), [("magnify", 32), ("sharpen", 128)])
def test_crops_that_the_tiles_have_no_room_for_are_a_caution(dataset, task, room):
    config = TrainingConfig(task=task, crop=100_000)
    assert f"128 pixels a side, has room for crops of {room} input" in (
        read_sides(dataset, config).caution
    )
    assert read_sides(dataset, config.model_copy(update={"crop": room})).caution == ""
    assert read_sides(dataset, TrainingConfig(task=task)).caution == ""


def test_a_dataset_without_validation_tiles_is_refused(slides, tmp_path):
    folder = tmp_path / "tiles"
    finish(prepare_steps(slides, folder, Recipe(tile=128, reduce=1, proportions=(1, 0, 1))))
    with pytest.raises(MedRefineError, match="no validation tiles"):
        read_dataset(folder)


def test_folders_of_photos_hold_out_whole_slides(slides):
    sides = read_photos(slides, held_out=0.5, seed=3)
    held = {tile.slide for tile in sides.validation}
    assert len(held) == 2
    assert len(sides.training) == len(sides.validation) == 4
    assert not held & {tile.slide for tile in sides.training}
    assert {tile.slide for tile in read_photos(slides, 0.5, seed=3).validation} == held
    chosen = {frozenset(t.slide for t in read_photos(slides, 0.2, s).validation) for s in range(9)}
    assert len(chosen) > 1


def test_folders_of_one_slide_and_two_objectives_are_held_out_together(slides, tmp_path):
    for folder in ("ash_10x", "ash_40x", "beech_40x"):
        shutil.copytree(slides / folder.partition("_")[0], tmp_path / folder)
    sides = read_photos(tmp_path, held_out=0.5, seed=3)
    assert {len({tile.slide for tile in side}) for side in sides[:2]} == {1}
    assert len(sides.training) + len(sides.validation) == 6


def test_one_slide_is_not_enough(slides, tmp_path, capsys):
    (tmp_path / "one" / "ash").mkdir(parents=True)
    photo = (slides / "ash" / "one.png").read_bytes()
    (tmp_path / "one" / "ash" / "one.png").write_bytes(photo)
    assert main(["train", str(tmp_path / "one"), "-o", str(tmp_path / "run")]) == 1
    assert "one slide only" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_ctrl_c_keeps_a_checkpoint_and_says_how_to_go_on(slides, tmp_path):
    run = tmp_path / "run"
    settings = [
        "--task",
        "sharpen",
        "--epochs",
        "50",
        "--steps-per-epoch",
        "2",
        "--batch",
        "1",
        "--crop",
        "16",
    ]
    command = [sys.executable, "-m", "napari_medrefine.cli", "train", str(slides), "-o", str(run)]
    with subprocess.Popen(
        [*command, *settings], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        while not process.stdout.readline().startswith("epoch 1/"):
            assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"go on with: medrefine train {slides} -o {run} --resume" in errors
    assert "Traceback" not in errors
    before = len((run / "log.jsonl").read_text().splitlines())
    assert before < 50
    with pytest.raises(MedRefineError, match="epochs 50, not 3"):
        # other settings than it began with are refused; the ones left out are taken from the run
        _raise(["train", str(slides), "-o", str(run), "--resume", "--epochs", "3"])


def test_sigterm_keeps_a_checkpoint_as_well(slides, tmp_path, monkeypatch, capsys):
    def told_to_end(*given, **options):
        for event in train_steps(*given, **options):
            signal.raise_signal(signal.SIGTERM)
            yield event

    monkeypatch.setattr("napari_medrefine.superres.training.train_steps", told_to_end)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["train", str(slides), "-o", str(tmp_path / "run"), *QUICK]) == 143
    assert "go on with: medrefine train" in capsys.readouterr().err
    assert (tmp_path / "run" / "checkpoint.pt").is_file()
    assert signal.getsignal(signal.SIGTERM) is before


def _raise(argv: list[str]) -> None:
    from napari_medrefine.cli import build_parser

    arguments = build_parser().parse_args(argv)
    arguments.run(arguments)


def test_resume_needs_no_settings(slides, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["train", str(slides), "-o", str(run), *QUICK, "--no-gan"]) == 0
    assert main(["train", str(slides), "-o", str(run)]) == 1
    assert "already there; resume the training in it (in the terminal: --resume)" in (
        capsys.readouterr().err
    )
    assert main(["train", str(slides), "-o", str(run), "--resume"]) == 0
    assert "Trained 2 epochs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--epochs", "0"], "epochs"),
        (["--crop", "15"], "crop"),
        (["--resume"], "no training to resume"),
    ],
)
def test_bad_input_is_one_sentence(slides, tmp_path, capsys, more, sentence):
    assert main(["train", str(slides), "-o", str(tmp_path / "run"), *more]) == 1
    errors = capsys.readouterr().err
    assert sentence in errors
    assert len(errors.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_missing_dataset_is_one_sentence(tmp_path, capsys):
    assert main(["train", str(tmp_path / "nothing"), "-o", str(tmp_path / "run")]) == 1
    assert "no dataset or folder of photos" in capsys.readouterr().err
