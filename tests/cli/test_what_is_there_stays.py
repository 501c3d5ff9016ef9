"""No command destroys what is there: other people's folders, its own inputs, earlier results."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_medrefine.cli import main
from napari_medrefine.photos import write_image
from napari_medrefine.registration import Placement


@pytest.fixture
def folder(tmp_path, tissue):
    """A small photo, and a placement of it on another."""
    write_image(tmp_path / "in.png", tissue(40, 40))
    write_image(tmp_path / "s_4x.png", tissue(60, 80, 1))
    Placement(
        np.diag([0.1, 0.1, 1.0]), (40, 40), (60, 80), True, "fits", 0.8,
        field_name="in.png", overview_name="s_4x.png",
    ).save(tmp_path / "in.placement.json")  # fmt: skip
    return tmp_path


def words_for(command, folder, target):
    words = {
        "magnify": ["magnify", folder / "in.png", "--scale", "0.5"],
        "export": ["export", folder / "in.placement.json", "--photos", folder],
    }[command]
    return [*map(str, words), "-o", str(target), "--overwrite"]


@pytest.mark.parametrize("command", ["magnify", "export"])
def test_overwrite_replaces_a_zarr_and_no_other_folder(command, folder, capsys):
    target = folder / "u.ome.zarr"
    target.mkdir()
    assert main(words_for(command, folder, target)) == 0  # an empty one is nobody's
    assert main(words_for(command, folder, target)) == 0  # and this is a Zarr now
    capsys.readouterr()
    other = folder / "mine.ome.zarr"
    other.mkdir()
    (other / "notes.txt").write_text("x")
    assert main(words_for(command, folder, other)) == 1
    said = capsys.readouterr().err
    assert "mine.ome.zarr" in said
    assert "no Zarr" in said
    assert (other / "notes.txt").read_text() == "x"
    # What a killed process may have left beside goes, but not a folder that only has that name.
    beside = folder / "u.ome.zarr.replaced"
    beside.mkdir()
    (beside / "notes.txt").write_text("y")
    assert main(words_for(command, folder, target)) == 1
    assert (beside / "notes.txt").read_text() == "y"


def refused(words, capsys, *, about):
    """Run a command that must be refused as one that would replace its input."""
    assert main([*map(str, words), "--overwrite"]) == 1
    assert about in capsys.readouterr().err


@pytest.mark.parametrize("command", ["magnify", "sharpen"])
def test_the_photo_is_never_replaced_by_what_is_made_of_it(command, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    before = Path("in.png").read_bytes()
    names = ["in.png", "./in.png", folder / "in.png"]
    if hasattr(os, "symlink"):
        Path("link.png").symlink_to("in.png")
        names.append("link.png")
    for name in names:
        refused([command, "in.png", "-o", name], capsys, about="input")
    assert main(["magnify", "in.png", "--scale", "0.5", "-o", "u.zarr"]) == 0
    tree = sorted(Path("u.zarr").rglob("*"))
    refused([command, "u.zarr", "-o", "u.zarr"], capsys, about="input")
    write_image("u.zarr/inside.png", np.zeros((9, 9, 3), np.uint8))
    refused([command, "u.zarr/inside.png", "-o", "u.zarr"], capsys, about="lies in")
    for name in ("u.zarr", "u.zarr/zarr.json", "u.zarr/inside.png"):
        refused([command, name, "-o", "u.zarr/more.zarr"], capsys, about="lies in")
    assert sorted(Path("u.zarr").rglob("*")) == sorted([*tree, Path("u.zarr/inside.png")])
    assert Path("in.png").read_bytes() == before


def test_export_and_import_never_replace_what_they_read(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    shutil.copy("in.placement.json", "plain.json")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    photos = ["--overview", "s_4x.png", "--field", "in.png"]
    for output in ("in.placement.json", "s_4x.png", "in.png"):
        words = ["export", "in.placement.json", *photos, "--format", "itk", "-o", output]
        refused(words, capsys, about="input")
        words = ["export", "in.placement.json", "--photos", ".", "--format", "itk", "-o", output]
        refused(words, capsys, about="input")
        refused(["import", "in.placement.json", *photos, "-o", output], capsys, about="input")
    assert {path: path.read_bytes() for path in Path().iterdir()} == before
    # In a folder, the files that are made are named after those that are read.
    words = ["export", "plain.json", "--format", "medrefine", "-o", "."]
    refused(words, capsys, about="input")
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_no_report_is_written_among_the_photos_that_are_measured(folder, capsys):
    refused(["evaluate", folder, "-o", folder], capsys, about="input")
    inside = folder / "slides" / "a"
    inside.mkdir(parents=True)
    (folder / "in.png").rename(inside / "x4.png")
    refused(["evaluate", folder / "slides", "-o", inside], capsys, about="input")


def test_the_demo_asks_before_it_replaces(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("napari_medrefine.cli.demo.photograph", pytest.fail)
    Path("my").mkdir()
    Path("my/slide_4x.png").write_text("mine")
    assert main(["demo", "-o", "my", "--no-napari"]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert Path("my/slide_4x.png").read_text() == "mine"
    Path("file").write_text("x")
    assert main(["demo", "-o", "file", "--no-napari"]) == 1
