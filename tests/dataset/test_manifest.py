"""The manifest is checked before anything is read by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_medrefine.dataset import MANIFEST, load_manifest, save_manifest
from napari_medrefine.errors import MedRefineError

Change = Callable[[dict[str, Any]], object]


def change(prepared: Path, how: Change) -> None:
    data = json.loads((prepared / MANIFEST).read_text("utf-8"))
    how(data)
    (prepared / MANIFEST).write_text(json.dumps(data), "utf-8")


def test_saved_and_loaded_it_is_the_same(prepared: Path) -> None:
    manifest = load_manifest(prepared)
    content = (prepared / MANIFEST).read_bytes()
    save_manifest(prepared, manifest)
    assert (prepared / MANIFEST).read_bytes() == content
    assert load_manifest(prepared / MANIFEST) == manifest


@pytest.mark.parametrize(
    "file",
    [
        "../secret.png", "/etc/passwd", "tiles/../../x.png", "tiles\\..\\x.png", "C:/x.png",
        "tiles//x.png", "./x.png", "tiles/x\n.png", "", "..", "//server/x.png",
    ],
)  # fmt: skip
def test_tiles_outside_the_folder_are_refused(prepared: Path, file: str) -> None:
    change(prepared, lambda data: data["tiles"][0].update(file=file))
    with pytest.raises(MedRefineError, match=r"tiles\.0\.file"):
        load_manifest(prepared)


def _make_a_layer(data: dict[str, Any]) -> None:
    """Make the first photo a saved layer that is a pixel smaller than its tiles."""
    state = {"dtype": "uint8", "channels": 3, "white": 255, "attributes": {"name": "x"}}
    photo = data["photos"][0]
    photo.update(layer=state, shape=[n - 1 for n in photo["shape"]])


def test_tiles_of_a_saved_layer_may_stick_out_of_it_and_no_others(prepared: Path) -> None:
    change(prepared, _make_a_layer)
    photo = load_manifest(prepared).photos[0]
    assert photo.layer is not None
    assert photo.layer.attributes.name == "x"
    change(prepared, lambda data: data["photos"][0].pop("layer"))
    with pytest.raises(MedRefineError, match="outside its photo"):
        load_manifest(prepared)


def test_no_tile_lies_wholly_outside_a_saved_layer(prepared: Path) -> None:
    change(prepared, _make_a_layer)
    change(prepared, lambda data: data["photos"][0].update(shape=[1, 1]))
    with pytest.raises(MedRefineError, match="outside its photo"):
        load_manifest(prepared)


def _move_photo(data: dict[str, Any]) -> None:
    name = data["photos"][0]["name"]
    entries = [data["photos"][0], *(tile for tile in data["tiles"] if tile["photo"] == name)]
    others = {"train": "test", "validation": "test", "test": "train"}
    for entry in entries:
        entry["split"] = others[entry["split"]]


def _move_tile(data: dict[str, Any]) -> None:
    tile = data["tiles"][0]
    tile["split"] = "test" if tile["split"] != "test" else "train"


@pytest.mark.parametrize("how", [_move_photo, _move_tile])
def test_a_leak_is_refused(prepared: Path, how: Change) -> None:
    change(prepared, how)
    with pytest.raises(MedRefineError, match="tested on what it was trained on"):
        load_manifest(prepared)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (lambda d: d.update(version=2), "version 2, newer than 1"),
        (lambda d: d.update(format="something"), "not the manifest"),
        (lambda d: d.update(surprise=1), "surprise"),
        (lambda d: d.pop("tiles"), "tiles"),
        (lambda d: d["tiles"].append(d["tiles"][0]), "2 times"),
        (lambda d: d["tiles"][1].update(file=d["tiles"][0]["file"].upper()), "2 times"),
        (lambda d: d["photos"].append(d["photos"][0]), "2 times"),
        (lambda d: d["tiles"][0].update(photo="nobody"), "unknown photo"),
        (lambda d: d["tiles"][0].update(row=40, y=40 * 64), "outside its photo"),
        (lambda d: d["tiles"][0].update(y=3), "does not lie where"),
        (lambda d: d["tiles"][0].update(sha256="abc"), "sha256"),
        (lambda d: d["photos"][0].update(shape=[0, 5]), "shape"),
        (lambda d: d["recipe"].update(tile=10**9), "recipe.tile"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(prepared: Path, how: Change, words: str) -> None:
    change(prepared, how)
    with pytest.raises(MedRefineError, match=words) as caught:
        load_manifest(prepared)
    message = str(caught.value)
    assert str(prepared / MANIFEST) in message
    assert "\n" not in message


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b"[" * 100_000, b"null"])
def test_a_damaged_file_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(MedRefineError, match=MANIFEST):
        load_manifest(tmp_path)


def test_a_missing_manifest_is_said(tmp_path: Path) -> None:
    with pytest.raises(MedRefineError, match="No such file"):
        load_manifest(tmp_path)
