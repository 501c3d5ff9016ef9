"""Tiles on disk: as tensors, as what training reads, larger than memory, and damaged."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import immunohistochemistry
from torch.utils.data import DataLoader

from napari_medrefine.dataset import Recipe, open_dataset, prepare_steps
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import write_image
from napari_medrefine.progress import finish
from napari_medrefine.superres import data, tiles
from napari_medrefine.superres.checkpoints import split_sha256
from napari_medrefine.superres.data import Tile, read_dataset
from napari_medrefine.superres.models import load_model
from napari_medrefine.superres.tiles import TileDataset
from napari_medrefine.superres.training import TrainingConfig, TrainingEvent, train_steps

SIDE = 64
TILE_BYTES = SIDE * SIDE * 3
CONFIG = TrainingConfig(
    task="magnify", epochs=2, steps_per_epoch=3, batch=4, crop=8, channels=8, blocks=1,
    validation_steps=2, adversarial=0.5, precision="float32",
)  # fmt: skip


@pytest.fixture(scope="module")
def _once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, photo = tmp_path_factory.mktemp("once"), immunohistochemistry()
    (folder / "photos").mkdir()
    for k, name in enumerate(("ash", "beech", "cedar", "date")):
        row, col = divmod(k, 2)
        part = photo[row * 256 :, col * 256 :][:192, :256]
        write_image(folder / "photos" / f"{name}_40x_1.png", part)
        write_image(folder / "photos" / f"{name}_40x_2.png", part[::-1, :, ::-1].copy())
    recipe = Recipe(tile=SIDE, reduce=1, proportions=(2, 1, 1))
    finish(prepare_steps(folder / "photos", folder / "dataset", recipe))
    return folder / "dataset"


@pytest.fixture
def dataset(_once: Path, tmp_path: Path) -> Path:
    return shutil.copytree(_once, tmp_path / "dataset")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which tiles are read from the disk, in order."""
    read, seen = tiles._read, []

    def count(source, entry):
        seen.append(entry.file)
        return read(source, entry)

    monkeypatch.setattr(tiles, "_read", count)
    return seen


def in_memory(folder: Path, split: str) -> list[Tile]:
    return [Tile(tile.sharp.copy(), tile.slide) for tile in open_dataset(folder).read(split)]


def weights(folder: Path) -> tuple[str, str]:
    """The hashes of the tensors; what the cards say of the tiles (pixel size) may differ."""
    best, gan = (load_model(folder / f"{name}.safetensors").card for name in ("best", "gan"))
    return best.sha256, gan.sha256


def test_a_tile_is_a_tensor_between_0_and_1_with_its_entry_and_slide(dataset):
    opened = open_dataset(dataset)
    part = TileDataset(dataset, "train")
    assert len(part) == len(opened.tiles("train")) == 48
    for index in (0, 17, -1):
        tensor, tile = part[index], part.tiles[index]
        stored = opened.read_tile(opened.tiles("train")[index])
        assert tensor.dtype == torch.float32
        assert tensor.shape == (3, SIDE, SIDE)
        np.testing.assert_array_equal(tensor.numpy(), (stored / np.float32(255)).transpose(2, 0, 1))
        assert tile.entry == opened.tiles("train")[index]
        assert tile.slide == opened.photo(tile.entry).slide
        np.testing.assert_array_equal(tile.sharp, stored)
    assert len(TileDataset(dataset)) == len(opened.manifest.tiles)
    assert {tile.entry.split for tile in TileDataset(dataset, "test").tiles} == {"test"}


def test_changing_a_tensor_changes_nobody_elses(dataset):
    part = TileDataset(dataset, "train")
    before = part[3].clone()
    part[3].zero_()
    assert torch.equal(part[3], before)


def test_a_transform_is_what_comes_out(dataset):
    plain = TileDataset(dataset, "validation")
    mirrored = TileDataset(dataset, "validation", transform=lambda tensor: tensor.flip(-1))
    assert torch.equal(mirrored[2], plain[2].flip(-1))


@pytest.mark.parametrize("start", [None, "spawn"])
def test_worker_processes_read_the_same_tiles(dataset, start):
    part = TileDataset(dataset, "validation")
    expected = torch.stack([part[k] for k in range(len(part))])
    workers = {"num_workers": 1 if start else 2, "multiprocessing_context": start}
    batches = list(DataLoader(part, batch_size=8, **workers))
    assert [len(batch) for batch in batches] == [8, 8, 8]
    assert torch.equal(torch.cat(batches), expected)


def test_only_what_has_room_is_kept(dataset, reads):
    part = TileDataset(dataset, "train", cache=3 * TILE_BYTES)
    assert reads == []
    assert not part.fits
    for index in (0, 1, 2, 0, 1, 2):
        part[index]
    assert len(reads) == 3
    part[0], part[3], part[0]  # 1 was used longest ago, and goes
    assert len(reads) == 4
    part[2]
    assert len(reads) == 4
    part[1]
    assert reads[-1] == part.tiles[1].entry.file
    for index in range(len(part)):
        part[index]
    assert sum(sharp.nbytes for sharp in part.tiles[0]._shelf._kept.values()) <= 3 * TILE_BYTES


def test_what_is_kept_does_not_travel_to_another_process(dataset, reads):
    part = TileDataset(dataset, "train")
    small = len(pickle.dumps(part))
    part.read_all()
    assert len(pickle.dumps(part)) == small
    other = pickle.loads(pickle.dumps(part))  # noqa: S301 - our own
    assert torch.equal(other[5], part[5])
    assert len(reads) == len(part) + 1


def test_training_is_the_same_from_memory_and_from_the_disk(dataset, tmp_path, reads, monkeypatch):
    sides = in_memory(dataset, "train"), in_memory(dataset, "validation")
    finish(train_steps(*sides, CONFIG, tmp_path / "memory"))
    for name, room in (("large", 2**30), ("small", 2 * TILE_BYTES)):
        monkeypatch.setattr(data, "CACHE", room)
        reads.clear()
        lazy = read_dataset(dataset)
        assert len(reads) == (48 if name == "large" else 0)
        finish(train_steps(lazy.training, lazy.validation, CONFIG, tmp_path / name))
        assert weights(tmp_path / name) == weights(tmp_path / "memory")
    finish(train_steps(lazy.training, lazy.validation, CONFIG, tmp_path / "workers", workers=2))
    assert weights(tmp_path / "workers") == weights(tmp_path / "memory")


def test_a_training_is_resumed_with_the_same_tiles_only(dataset, reads):
    lazy = read_dataset(dataset)
    reads.clear()
    before = split_sha256(lazy.training, lazy.validation)
    assert reads == []
    again = read_dataset(shutil.move(dataset, dataset.with_name("moved")))
    assert split_sha256(again.training, again.validation) == before
    assert split_sha256(again.training[1:], again.validation) != before
    assert split_sha256(again.validation, again.training) != before


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("damage", ["gone", "cut short", "another", "text"])
def test_a_tile_damaged_while_training_is_one_sentence(
    dataset, tmp_path, monkeypatch, damage, workers
):
    monkeypatch.setattr(data, "CACHE", 0)
    lazy = read_dataset(dataset)
    job = train_steps(lazy.training, lazy.validation, CONFIG, tmp_path / "run", workers=workers)
    assert isinstance(next(job), TrainingEvent)
    for tile in lazy.training:
        path = dataset / tile.entry.file
        content = path.read_bytes()
        if damage == "gone":
            path.unlink()
        elif damage == "cut short":
            path.write_bytes(content[: len(content) // 2])
        elif damage == "text":
            path.write_text("not a picture")
        else:
            write_image(path, np.full((SIDE, SIDE, 3), 99, np.uint8))
    with pytest.raises(MedRefineError) as caught:
        finish(job)
    said = str(caught.value)
    assert str(dataset / "tiles") in said
    assert ".png" in said
    assert said.endswith(".")
    assert "Traceback" not in said
    assert "\n" not in said


def test_a_dataset_that_lacks_tiles_is_refused_before_it_begins(dataset):
    gone = open_dataset(dataset).tiles("train")[4].file
    (dataset / gone).unlink()
    with pytest.raises(MedRefineError, match=f"lacks 1 of its tiles, such as {gone}"):
        read_dataset(dataset)
    assert len(TileDataset(dataset, "test")) == 24
