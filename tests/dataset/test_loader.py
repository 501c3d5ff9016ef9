"""Reading a dataset back: a tile, a split, everything; after a move, after a loss."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_medrefine.dataset import TiledDataset, mosaic, open_dataset
from napari_medrefine.errors import MedRefineError


@pytest.fixture
def dataset(prepared: Path) -> TiledDataset:
    return open_dataset(prepared)


def test_a_split_is_read_with_slide_and_split(dataset: TiledDataset) -> None:
    read = {split: list(dataset.read(split)) for split in ("train", "validation", "test")}
    assert sum(len(tiles) for tiles in read.values()) == len(list(dataset.read())) == 48
    slides = {split: {tile.slide for tile in tiles} for split, tiles in read.items()}
    assert not slides["train"] & (slides["validation"] | slides["test"])
    for split, tiles in read.items():
        assert all(tile.split == split and tile.sharp.shape == (64, 64, 3) for tile in tiles)


def test_the_mosaic_is_the_tiles_side_by_side(dataset: TiledDataset) -> None:
    photo = dataset.manifest.photos[5]
    whole = np.asarray(mosaic(dataset, photo))
    assert whole.shape == (*photo.shape, 3)
    for tile in dataset.manifest.tiles_of(photo.name):
        part = whole[tile.y : tile.y + 64, tile.x : tile.x + 64]
        assert (part == dataset.read_tile(tile)).all()


def test_looking_at_a_corner_reads_one_tile(dataset: TiledDataset) -> None:
    photo = dataset.manifest.photos[0]
    for tile in dataset.manifest.tiles_of(photo.name)[1:]:
        (dataset.folder / tile.file).unlink()
    assert np.asarray(mosaic(dataset, photo)[:64, :64]).any()  # no warning: nothing else was read


def test_a_moved_dataset_is_read(dataset: TiledDataset, tmp_path: Path) -> None:
    expected = [tile.sharp.sum() for tile in dataset.read("test")]
    shutil.move(dataset.folder, tmp_path / "somewhere else ä")
    moved = open_dataset(tmp_path / "somewhere else ä")
    assert [tile.sharp.sum() for tile in moved.read("test")] == expected


def test_lost_and_gained_tiles_are_named(dataset: TiledDataset) -> None:
    assert not dataset.differences()
    (dataset.folder / "tiles/slide1_4x/r00c01.png").unlink()
    shutil.copy(dataset.folder / "tiles/slide1_4x/r00c00.png", dataset.folder / "tiles/new one.png")
    differences = dataset.differences()
    assert differences.missing == ("tiles/slide1_4x/r00c01.png",)
    assert differences.extra == ("tiles/new one.png",)


def test_another_datasets_folder_is_none_of_our_business(dataset: TiledDataset) -> None:
    other = dataset.folder / "other.tiles" / "photo"
    other.mkdir(parents=True)
    (other / "r00c00.png").touch()
    assert not dataset.differences()


@pytest.mark.parametrize("content", [None, b"", b"no png", "cut", "size"])
def test_a_bad_tile_is_named(dataset: TiledDataset, content: object) -> None:
    tile, other = dataset.manifest.tiles[:2]
    path = dataset.folder / tile.file
    whole = path.read_bytes()
    path.unlink()
    if content == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif content == "size":
        from napari_medrefine.photos import write_image

        write_image(path, np.zeros((32, 64, 3), np.uint8))
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(MedRefineError, match=r"r00c00\.png"):
        dataset.read_tile(tile)
    assert dataset.read_tile(other).shape == (64, 64, 3)


def test_a_link_to_outside_is_not_followed(dataset: TiledDataset, tmp_path: Path) -> None:
    tile = dataset.manifest.tiles[0]
    path = dataset.folder / tile.file
    path.replace(tmp_path / "secret.png")
    path.symlink_to(tmp_path / "secret.png")
    with pytest.raises(MedRefineError, match="outside the dataset"):
        dataset.read_tile(tile)


def test_a_tile_whose_name_is_too_long_for_a_file_is_missing(prepared: Path) -> None:
    manifest = prepared / "medrefine-dataset.json"
    data = json.loads(manifest.read_text("utf-8"))
    data["tiles"][0]["file"] = name = f"tiles/{'x' * 900}.png"
    manifest.write_text(json.dumps(data), "utf-8")
    assert open_dataset(prepared).differences().missing == (name,)
