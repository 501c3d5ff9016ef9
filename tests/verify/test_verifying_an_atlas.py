"""`medrefine verify` of an atlas: a true one is confirmed; what was changed or is gone is named."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from napari_medrefine.atlas import atlas_steps, load_atlas
from napari_medrefine.cli import main
from napari_medrefine.photos import read_photo, write_image
from napari_medrefine.progress import finish
from napari_medrefine.registration import Placement
from napari_medrefine.verify import verify

PHOTOS = {"o.png": 4.0, "f.png": 10.0}


@pytest.fixture(scope="module")
def once(sample_photos, tmp_path_factory):
    """An overview and a field of the procedural slide, and their atlas."""
    overview, (field, *_) = sample_photos
    folder = tmp_path_factory.mktemp("once")
    (folder / "photos").mkdir()
    write_image(folder / "photos" / "o.png", overview.image)
    write_image(folder / "photos" / "f.png", field.image[100:500, 100:620])
    atlas = finish(atlas_steps(folder / "photos", folder / "atlas", objectives=PHOTOS))
    assert [photo.role for photo in atlas.photos] == ["field", "overview"]
    return folder


@pytest.fixture
def folder(once, tmp_path):
    return shutil.copytree(once, tmp_path / "copy")


def placement_of(folder):
    field = next(x for x in load_atlas(folder / "atlas").photos if x.role == "field")
    return folder / "atlas" / field.placement


def apart(said):
    """How far from there the corners were found again."""
    return float(said.partition("the corners lie ")[2].split()[0])


def test_a_true_atlas_is_confirmed(folder, capsys):
    assert main(["verify", str(folder / "atlas"), "--all"]) == 0
    said = capsys.readouterr().out
    assert "All 2 photos are those that they were." in said
    assert apart(said) < 0.001
    assert "differs" not in said


@pytest.mark.parametrize("by", [0.03, 0.5])
def test_a_placement_that_was_changed_is_said_with_how_far(folder, capsys, by):
    path = placement_of(folder)
    place = Placement.load(path)
    place.matrix[1, 2] += by
    place.save(path)
    assert main(["verify", str(folder / "atlas" / "medrefine-atlas.json")]) != 0
    said = capsys.readouterr().out
    assert "NOT confirmed" in said
    assert "differs: Searched for again, the corners lie" in said
    assert abs(apart(said) - by) < 0.001


def test_an_atlas_of_a_version_that_did_not_note_its_searches_is_searched_for_around_there(folder):
    path = placement_of(folder)
    record = json.loads(path.read_text())
    assert record.pop("asked") == {"ratio": 2.5, "angle": None}
    record["matrix"][1][2] += 0.1
    path.write_text(json.dumps(record))
    report = verify(folder / "atlas")
    assert report.ok, report.problems
    assert any("not told how it was searched for" in text for text in report.confirmed)
    record["matrix"][1][2] += 0.4
    path.write_text(json.dumps(record))
    assert not verify(folder / "atlas").ok


@pytest.mark.parametrize("name", list(PHOTOS))
def test_a_photo_of_which_one_pixel_was_changed_is_named(folder, name):
    image = read_photo(folder / "photos" / name).image.copy()
    image[5, 5] ^= np.uint8(1)
    write_image(folder / "photos" / name, image)
    report = verify(folder / "atlas")
    assert not report.ok
    assert f"1 of 2 photos are gone or others than they were ({name})." in report.problems
    assert f"The input {name} has other pixels than it had." in report.problems


@pytest.mark.parametrize("name", list(PHOTOS))
def test_a_photo_that_is_gone_is_named(folder, name):
    (folder / "photos" / name).unlink()
    report = verify(folder / "atlas")
    assert not report.ok
    assert f"1 of 2 photos are gone or others than they were ({name})." in report.problems


def test_a_placement_that_is_gone_or_damaged_is_named(folder):
    path = placement_of(folder)
    path.write_text(path.read_text()[:40])
    (problem,) = verify(folder / "atlas").problems
    assert path.name in problem
    path.unlink()
    (problem,) = verify(folder / "atlas").problems
    assert path.name in problem


def test_of_many_fields_a_sample_is_searched_for_unless_all_is_asked_for(folder, monkeypatch):
    monkeypatch.setattr("napari_medrefine.verify.collections.SAMPLE", 0)
    report = verify(folder / "atlas")
    assert report.ok
    assert "A sample of 0 of 1 fields was searched for again (--all: all)." in report.remarks
    assert not any("Searched" in text for text in report.confirmed)
