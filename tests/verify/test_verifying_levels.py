"""Coarser levels: what the writers made of the finer ones is confirmed; anything else is named."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import zarr

from napari_medrefine.cli import main
from napari_medrefine.io.layer_images import save_image_steps
from napari_medrefine.io.layer_reader import saved_pictures
from napari_medrefine.photos import write_image
from napari_medrefine.progress import finish
from napari_medrefine.verify import Report, verify
from napari_medrefine.verify.levels import verify_levels

RNG = np.random.default_rng(0)
LAYERS = {
    "colours": (RNG.integers(0, 256, (1101, 1300, 3), np.uint8), {"rgb": True}),
    "grey": (RNG.random((600, 701)).astype(np.float16), {"rgb": False}),
    "stack": (RNG.integers(0, 65536, (2, 3, 600, 701), np.uint16), {"rgb": False}),
}


def saved(path, name):
    data, state = LAYERS[name]
    finish(save_image_steps(path, [(data, state | {"name": name}, "image")]))
    return path


def look(path, *, everything=True):
    report = Report(path.name)
    ((picture, _),) = saved_pictures(path)
    finish(verify_levels(picture, report, everything=everything))
    return report


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
@pytest.mark.parametrize("name", LAYERS)
def test_levels_as_they_were_written_are_confirmed(tmp_path, name, suffix):
    report = look(saved(tmp_path / f"x{suffix}", name))
    assert report.lines() == [
        f"x{suffix}: confirmed",
        "  ok: Its coarser levels are what is made of the finer ones.",
    ]


@pytest.mark.parametrize("name", LAYERS)
def test_a_level_that_shows_something_else_is_named(tmp_path, name):
    path = saved(tmp_path / "x.ome.zarr", name)
    level = zarr.open_group(path)["1"]
    level[(*(0 for _ in level.shape[:-2]), 70, 300)] += 1
    (problem,) = look(path).problems
    assert "1 is not what is made of the finer one." in problem or "1, 2 are not" in problem


def test_a_level_of_an_ome_tiff_is_looked_at_too(tmp_path):
    path = saved(tmp_path / "x.ome.tif", "grey")
    with tifffile.TiffFile(path) as tiff:
        finest, coarser = (level.pages[0] for level in tiff.series[0].levels)
        start, size = finest.dataoffsets[1], finest.databytecounts[1]
        where = coarser.dataoffsets[0]
    with path.open("r+b") as file:  # the narrow tile at the right is the smaller one
        file.seek(start)
        tile = file.read(size)
        file.seek(where)
        file.write(tile)
    (problem,) = look(path).problems
    assert "1 is not what is made of the finer one." in problem


def test_of_many_blocks_a_sample_is_compared_unless_all_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_medrefine.verify.levels.SAMPLE", 1)
    path = saved(tmp_path / "x.ome.zarr", "colours")
    (said,) = look(path, everything=False).confirmed
    assert said.endswith("by a sample of 1 blocks of each (--all takes all).")


def changed(path, change):
    file = path / "zarr.json"
    told = json.loads(file.read_text())
    change(told["attributes"]["ome"]["multiscales"][0]["datasets"])
    file.write_text(json.dumps(told))


@pytest.mark.parametrize("number", [0, 1])
def test_a_pixel_size_or_place_of_a_level_that_was_changed_is_said(tmp_path, number):
    path = saved(tmp_path / "x.ome.zarr", "grey")

    def further(datasets):
        one = datasets[1]["coordinateTransformations"][number]
        one[one["type"]][-1] *= 7

    changed(path, further)
    (problem,) = look(path).problems
    assert "another pixel size or place" in problem


def test_a_level_that_is_gone_is_said(tmp_path):
    path = saved(tmp_path / "x.ome.zarr", "colours")
    changed(path, list.pop)
    (problem,) = look(path).problems
    assert "[(1101, 1300), (551, 650)]" in problem


def test_a_magnified_picture_with_a_black_level_is_not_confirmed(tmp_path, capsys):
    photo, made = tmp_path / "s.png", tmp_path / "x.ome.zarr"
    write_image(photo, LAYERS["colours"][0][:60, :80])
    assert main(["magnify", str(photo), "--scale", "8", "-o", str(made)]) == 0
    assert main(["verify", str(made)]) == 0
    assert "coarser levels are what is made" in capsys.readouterr().out
    zarr.open_group(made)["1"][...] = 0
    report = verify(made)
    assert [text for text in report.problems if "1 is not what is made" in text]
