"""Tiles kept on disk: found again whole or not at all, and never more than there is room for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from skimage.data import immunohistochemistry

from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.magnified import Magnified
from napari_medrefine.superres.recipe import Recipe
from napari_medrefine.widgets._tile_store import TileStore

PHOTO = immunohistochemistry()[:256, :300]


def tile(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (40, 50, 3), np.uint8)


def entries(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_was_kept_is_there_for_another_session(tmp_path, dtype):
    TileStore(tmp_path).put("ab1", tile(1).astype(dtype))
    again = TileStore(tmp_path).get("ab1")
    np.testing.assert_array_equal(again, tile(1))
    assert again.dtype == dtype
    assert TileStore(tmp_path).get("ab2") is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_entry_counts_as_none(tmp_path, damage):
    store = TileStore(tmp_path)
    store.put("ab1", tile(1))
    (file,) = entries(tmp_path)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x40
    changed = {"cut": content[: len(content) // 2], "flipped": content, "empty": b"", "text": b"x"}
    file.write_bytes(changed[damage])
    assert store.get("ab1") is None
    store.put("ab1", tile(1))
    np.testing.assert_array_equal(store.get("ab1"), tile(1))


def test_those_used_longest_ago_make_room(tmp_path):
    store = TileStore(tmp_path, limit=10**9)
    for k in range(4):
        store.put(f"k{k}", tile(k))
    for k, file in enumerate(entries(tmp_path)):
        os.utime(file, (1000 + k, 1000 + k))
    assert store.get("k0") is not None  # now it is the newest
    size = sum(file.stat().st_size for file in entries(tmp_path))
    small = TileStore(tmp_path, limit=size)
    small.put("new", tile(9))
    assert sum(file.stat().st_size for file in entries(tmp_path)) <= size
    assert small.get("k1") is None
    assert small.get("k0") is not None
    assert small.get("new") is not None


def test_only_its_own_files_are_touched(tmp_path):
    (tmp_path / "mine.npz").write_text("mine")
    TileStore(tmp_path, limit=1).put("ab1", tile(1))
    assert (tmp_path / "mine.npz").read_text() == "mine"


def test_a_folder_that_is_deleted_does_no_harm(tmp_path):
    store = TileStore(tmp_path)
    store.put("ab1", tile(1))
    shutil.rmtree(tmp_path)
    assert store.get("ab1") is None
    store.put("ab1", tile(1))
    np.testing.assert_array_equal(store.get("ab1"), tile(1))


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(MedRefineError, match="Cannot keep tiles in"):
        TileStore(tmp_path / "file")


def test_a_key_is_of_all_that_matters():
    def key(photo=PHOTO, recipe=Recipe("magnify", 2.0), part=(0, 0, 100, 100)):  # noqa: B008
        return Magnified(photo, recipe).key(*part)

    assert key() == key(PHOTO.copy())
    near = PHOTO.copy()
    near[20, 20] = 0
    others = [
        key(near),
        key(recipe=Recipe("magnify", 2.0, realism=0.5)),
        key(recipe=Recipe("magnify", 2.0, strength=0.5)),
        key(recipe=Recipe("magnify", 4.0)),
        key(part=(0, 0, 100, 90)),
        key(part=(2, 0, 100, 100)),
    ]
    assert len({key(), *others}) == 1 + len(others)
