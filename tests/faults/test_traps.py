"""Moments between two writes that a random kill seldom meets."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_medrefine.atlas import Atlas, load_atlas
from napari_medrefine.atlas import folder as atlas_folder
from napari_medrefine.atlas.record import PhotoRecord
from napari_medrefine.dataset import MANIFEST, Recipe, prepare_steps
from napari_medrefine.errors import NO_MEMORY, MedRefineError, is_out_of_memory
from napari_medrefine.io.facts import facts_of
from napari_medrefine.io.ome_tiff import write_ome_tiff
from napari_medrefine.io.ome_zarr import part_of, write_ome_zarr
from napari_medrefine.io.pyramid_writer import replacing_folder
from napari_medrefine.photos import write_image
from napari_medrefine.progress import finish
from napari_medrefine.registration import Placement
from napari_medrefine.superres.data import Tile
from napari_medrefine.superres.events import TrainingConfig
from napari_medrefine.superres.run_folder import CHECKPOINT, RECORD
from napari_medrefine.superres.training import stored_config, train_steps


class Held:
    """A picture of noise."""

    def __init__(self) -> None:
        self.image = np.random.default_rng(0).integers(1, 255, (600, 1100, 3), np.uint8)
        self.shape, self.dtype = self.image.shape, self.image.dtype

    def render(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        return self.image[top : top + height, left : left + width]


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")
            if p.is_file()}  # fmt: skip


def test_a_picture_killed_before_it_had_begun_is_begun_again(tmp_path: Path) -> None:
    out, whole = tmp_path / "a.ome.zarr", tmp_path / "b.ome.zarr"
    zarr.create_group(part_of(out), zarr_format=3)  # and no attributes yet
    (part_of(out) / "zarr.0.partial").write_bytes(b"{")
    (part_of(out) / "0/c/0/0").mkdir(parents=True)  # or in the moment somebody took it away
    (part_of(out) / "0/c/0/0/0").write_bytes(b"lost")
    finish(write_ome_zarr(out, Held(), pixel_um=1.0, name="x", facts={"a": 1}, resume=True))
    finish(write_ome_zarr(whole, Held(), pixel_um=1.0, name="x", facts={"a": 1}))
    assert files(out) == files(whole)
    assert facts_of(out) == {"a": 1}


@pytest.mark.parametrize("resume", [True, False])
def test_a_picture_whose_folder_is_taken_away_is_not_made_anew(tmp_path: Path, resume) -> None:
    out = tmp_path / "a.ome.zarr"
    job = write_ome_zarr(out, Held(), pixel_um=1.0, resume=resume)
    for _ in range(3):
        next(job)
    (part,) = tmp_path.glob("*.part")
    part.rename(tmp_path / "away")
    with pytest.raises(MedRefineError, match="parts of it are gone"):
        finish(job)
    assert [path.name for path in tmp_path.iterdir()] == ["away"]
    if resume:
        (tmp_path / "away").rename(part)
        finish(write_ome_zarr(out, Held(), pixel_um=1.0, resume=True))
        first = np.moveaxis(zarr.open_group(out)["0"][:], 0, -1)
        np.testing.assert_array_equal(first, Held().image)


def test_two_processes_do_not_write_one_picture(tmp_path: Path) -> None:
    out = tmp_path / "a.ome.zarr"
    code = (
        "import pathlib, sys; from napari_medrefine._lock import writing\n"
        f"with writing(pathlib.Path({str(out)!r})): print(flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(MedRefineError, match=r"is being written already, .* another process"):
            finish(write_ome_zarr(out, Held(), pixel_um=1.0, resume=True))
        other.kill()
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    finish(write_ome_zarr(out, Held(), pixel_um=1.0, resume=True))
    assert list(tmp_path.iterdir()) == [out]


def test_what_is_taken_away_at_the_very_end_is_told_too(tmp_path: Path) -> None:
    part = part_of(tmp_path / "a.ome.zarr")
    with (
        pytest.raises(MedRefineError, match=r"a\.ome\.zarr\.part: parts of it are gone"),
        replacing_folder(tmp_path / "a.ome.zarr", part),
    ):
        part.rename(tmp_path / "away")


def test_a_chunk_that_is_lost_meanwhile_does_not_become_black(tmp_path: Path) -> None:
    out = tmp_path / "a.ome.zarr"
    job = write_ome_zarr(out, Held(), pixel_um=1.0, resume=True)
    while (step := next(job)).done < step.total - 1:
        pass
    (part_of(out) / "0" / "c" / "0" / "0" / "0").unlink()
    with pytest.raises(MedRefineError, match="parts of it are gone"):
        finish(job)
    assert not out.exists()
    finish(write_ome_zarr(out, Held(), pixel_um=1.0, resume=True))
    assert (np.asarray(zarr.open_group(out)["0"]) > 0).all()


def test_two_runs_give_the_same_ome_tiff(tmp_path: Path) -> None:
    for name in "ab":
        finish(write_ome_tiff(tmp_path / name, Held(), pixel_um=1.0, name="x", facts={"a": 1}))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert facts_of(tmp_path / "a") == {"a": 1}
    assert facts_of(tmp_path) is None


def test_a_dataset_whose_folder_is_taken_away_is_not_made_anew(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for number in range(24):
        write_image(photos / f"slide{number}_4x.png", np.roll(noise, 37 * number, 1))
    recipe = Recipe(tile=64)
    job = prepare_steps(photos, out, recipe, workers=1)
    while not (out / "tiles").exists() or not any((out / "tiles").iterdir()):
        next(job)
    out.rename(tmp_path / "away")
    with pytest.raises(MedRefineError, match="start again"):
        finish(job)
    assert not out.exists()
    (tmp_path / "away").rename(out)
    finish(prepare_steps(photos, out, recipe))
    finish(prepare_steps(photos, tmp_path / "whole", recipe))
    assert files(out) == files(tmp_path / "whole")
    assert (out / MANIFEST).exists()


def test_an_atlas_stays_until_the_new_one_is_on_the_disk(tmp_path: Path, monkeypatch) -> None:
    def records(shift: float):
        matrix = np.array([[0.1, 0, shift], [0, 0.1, 0], [0, 0, 1]])
        place = Placement(matrix, (60, 80), (60, 80), True, "as it is", 0.9)
        common = {"sha256": None, "shape": (60, 80), "objective": None, "pixel_um": None}
        over = PhotoRecord(source="a.png", name="a", role="overview", **common)
        field = PhotoRecord(source="b.png", name="b", role="field", overview="a.png",
                            placement="placements/b.placement.json", **common)  # fmt: skip
        return [(over, None), (field, place)]

    def write(shift: float) -> Atlas:
        return atlas_folder._write(tmp_path, tmp_path / "atlas", records(shift))

    write(1.0)
    before = files(tmp_path / "atlas")

    def full(*_: object) -> None:
        raise MedRefineError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(atlas_folder, "save_atlas", full)
        with pytest.raises(MedRefineError, match="the disk is full"):
            write(2.0)
    assert files(tmp_path / "atlas") == before
    write(2.0)
    assert load_atlas(tmp_path / "atlas").photos[1].role == "field"
    assert files(tmp_path / "atlas").keys() == before.keys()
    assert files(tmp_path / "atlas") != before


def test_a_training_killed_before_its_first_checkpoint_can_be_started_and_resumed(
    tmp_path: Path,
) -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    sides = ([Tile(image, "left")], [Tile(image[::-1].copy(), "right")])
    config = TrainingConfig(epochs=1, steps_per_epoch=1, batch=1, crop=16, channels=8, blocks=1,
                            validation_steps=1, adversarial=0, precision="float32")  # fmt: skip
    run = tmp_path / "run"
    run.mkdir()
    for left in (".medrefine-0123456789abcdef.part", "running.lock"):
        (run / left).write_bytes(b"")
    job = train_steps(*sides, config, run, source=tmp_path)
    next(job)
    job.close()
    (run / CHECKPOINT).unlink()  # as if killed while it was written
    assert (run / RECORD).exists()
    with pytest.raises(MedRefineError, match="resume the training in it"):
        next(train_steps(*sides, config, run))
    assert stored_config(run) == config
    resumed = finish(train_steps(*sides, stored_config(run), run, resume=True, source=tmp_path))
    assert not list(run.glob(".medrefine-*"))
    fresh = finish(train_steps(*sides, config, tmp_path / "fresh", source=tmp_path))
    assert resumed.best.read_bytes() == fresh.best.read_bytes()
    shutil.rmtree(run)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
     OSError(12, "Cannot allocate memory"), RuntimeError("could not create a primitive")],
)  # fmt: skip
def test_memory_that_runs_out_is_one_sentence_whoever_says_it(error, monkeypatch, capsys) -> None:
    from napari_medrefine import cli

    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr("napari_medrefine.cli.prepare.run", fail)
    assert is_out_of_memory(error)
    assert cli.main(["prepare", "a", "-o", "b"]) == 1
    assert capsys.readouterr().err == f"medrefine: {NO_MEMORY}\n"
    assert not is_out_of_memory(RuntimeError("shapes differ"))


def test_two_jobs_of_one_process_do_not_write_one_picture(tmp_path: Path) -> None:
    out = tmp_path / "a.ome.zarr"
    first = write_ome_zarr(out, Held(), pixel_um=1.0, resume=True)
    next(first)
    (tmp_path / "link").symlink_to(tmp_path)
    for same in (out, tmp_path / "link" / out.name):
        with pytest.raises(MedRefineError, match="is being written already, by another job"):
            finish(write_ome_zarr(same, Held(), pixel_um=1.0, resume=True))
    finish(first)
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name, "link"]
