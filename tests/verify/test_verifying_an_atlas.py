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
    (folder / "atlas" / "atlas.csv").unlink()  # it says where the field lay
    record = json.loads(path.read_text())
    assert record.pop("asked") == {"ratio": 2.5, "angle": None}
    record["matrix"][1][2] += 0.1
    path.write_text(json.dumps(record))
    report = verify(folder / "atlas")
    assert report.ok, report.problems
    assert any("not told how it was searched for" in text for text in report.confirmed)
    assert any("How sure it is was not compared" in text for text in report.remarks)
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


def test_of_a_photo_without_a_hash_it_is_said_that_nothing_is_known(folder):
    path = placement_of(folder)
    record = json.loads(path.read_text())
    record["field"]["sha256"] = ""
    path.write_text(json.dumps(record))
    report = verify(path, inputs=folder / "photos")
    assert "No hash of the input f.png was noted: whether it is as it was is not known." in (
        report.remarks
    )
    assert report.confirmed[0] == "The input o.png has the pixels that it had."


def test_numbers_and_a_reason_that_were_changed_are_named(folder):
    path = placement_of(folder)
    record = json.loads(path.read_text())
    changed = {"ratio": 3.0, "angle": 77, "overlap": 0.01, "score": 0.1, "standard_error": 1e-6}
    changed |= {"residual": 99, "false_alarms": 0.5, "reason": "Best."}
    path.write_text(json.dumps(record | changed))
    noted, *problems = verify(folder / "atlas").problems
    assert noted == "Of f.png it notes another reason than placements/f.placement.json does."
    said = [
        *(f"The {name} that " for name in ("ratio", "angle", "overlap")),
        *(f"Found again, its {name} is " for name in ("score", "standard error", "residual")),
        "Found again, its number of false alarms is ",
        "Found again, the reason is ",
    ]
    assert len(problems) == len(said)
    assert all(one.startswith(start) for one, start in zip(problems, said, strict=True))


def test_what_computers_may_differ_is_let_pass(folder):
    path = placement_of(folder)
    record = json.loads(path.read_text())
    for name, factor in (("score", 0.995), ("standard_error", 1.05), ("false_alarms", 100.0)):
        record[name] *= factor
    record["reason"] = record["reason"].replace(" of ", "7 of ", 1)
    path.write_text(json.dumps(record))
    report = verify(path, inputs=folder / "photos")
    assert report.ok, report.problems
    assert any("The reason reads now: " in text for text in report.remarks)


def test_the_affine_map_beside_a_lens_is_compared_too(folder):
    path = placement_of(folder)
    record = json.loads(path.read_text())
    record["distortion"] = {
        "core": record["matrix"], "field_strength": 0.0, "overview_strength": 0.0
    }  # fmt: skip
    (first, (a, b, c), last) = record["matrix"]
    record["matrix"] = [first, [a, b, c + 0.5], last]
    path.write_text(json.dumps(record))
    (problem,) = verify(folder / "atlas").problems
    assert abs(apart(problem) - 0.5) < 0.001


def change_record(folder, source, **changes):
    """Forge what the atlas says of a photo; of None the photo is taken out."""
    path = folder / "atlas" / "medrefine-atlas.json"
    record = json.loads(path.read_text())
    photo = next(photo for photo in record["photos"] if photo["source"] == source)
    photo.update(changes)
    if not changes:
        record["photos"].remove(photo)
    path.write_text(json.dumps(record))


FORGED = {
    "name": ("name", "Of {} it notes another name than is so."),
    "shape": ([7, 9], "Of {} it notes another size than is so."),
    "pixel_um": (0.123, "Of {} it notes another pixel size than is so."),
    "sha256": (None, "Of {} it notes another hash than is so."),
}


@pytest.mark.parametrize("source", list(PHOTOS))
@pytest.mark.parametrize("name", list(FORGED))
def test_what_an_atlas_says_of_a_photo_is_compared_with_its_file(folder, monkeypatch, source, name):
    monkeypatch.setattr("napari_medrefine.verify.collections.SAMPLE", 0)
    value, said = FORGED[name]
    change_record(folder, source, **{name: value})
    assert verify(folder / "atlas").problems == [said.format(source)]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"overview": "p.png"}, "overview"),
        ({"reason": "Best."}, "reason"),
        ({"role": "refused"}, "role"),
        ({"overview": "p.png", "reason": "Best."}, "overview and reason"),
    ],
)
def test_what_an_atlas_says_of_a_field_is_compared_with_its_placement(
    folder, monkeypatch, changes, wrong
):
    monkeypatch.setattr("napari_medrefine.verify.collections.SAMPLE", 0)
    shutil.copy(folder / "photos" / "o.png", folder / "photos" / "p.png")
    path = folder / "atlas" / "medrefine-atlas.json"
    record = json.loads(path.read_text())
    other = next(photo for photo in record["photos"] if photo["source"] == "o.png")
    record["photos"].append(other | {"source": "p.png", "name": "p"})
    path.write_text(json.dumps(record))
    for table in (folder / "atlas").glob("*.csv"):
        table.unlink()  # they do not know p.png
    assert verify(folder / "atlas").ok
    change_record(folder, "f.png", **changes)
    said = f"Of f.png it notes another {wrong} than placements/f.placement.json does."
    assert verify(folder / "atlas").problems == [said]


def test_the_placement_of_another_field_is_not_taken_for_that_of_a_field(folder):
    other = folder / "atlas" / "placements" / "g.placement.json"
    record = json.loads(placement_of(folder).read_text())
    record["field"]["name"] = "g.png"
    other.write_text(json.dumps(record))
    (problem,) = verify(folder / "atlas").problems
    assert problem == "1 placements are of no photo (placements/g.placement.json)."
    change_record(folder, "f.png", placement="placements/g.placement.json")
    problems = verify(folder / "atlas").problems
    assert "Of f.png it notes another photo than placements/g.placement.json does." in problems


def test_a_field_that_an_atlas_does_not_name_any_more_is_missed(folder):
    change_record(folder, "f.png")
    report = verify(folder / "atlas")
    assert report.problems == ["1 placements are of no photo (placements/f.placement.json)."]
    assert "1 photos are there that the atlas does not name (f.png)." in report.remarks


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("atlas.csv", "f.png,field", "f.png,refused", "line 2, role"),
        ("atlas.csv", ",10.0,", ",40,", "line 2, objective"),
        ("atlas.csv", "o.png,overview", "o.png,field", "line 3, role"),
        ("coverage.csv", "missing,0.", "missing,0.0", "line 3, share"),
        ("coverage.csv", "share", "part", "it has other columns"),
        ("coverage.csv", "o.png,missing", "", "line 3, overview and photographed at and share"),
    ],
)
def test_tables_that_were_changed_are_named(folder, monkeypatch, name, old, new, said):
    monkeypatch.setattr("napari_medrefine.verify.collections.SAMPLE", 0)
    assert f"{name} says what the atlas says." in verify(folder / "atlas").confirmed
    text = (folder / "atlas" / name).read_text("utf-8-sig")
    assert old in text
    (folder / "atlas" / name).write_text(text.replace(old, new, 1), "utf-8-sig")
    (problem,) = verify(folder / "atlas").problems
    assert problem == f"{name} says otherwise than the atlas: {said}."


def test_a_table_that_is_gone_is_said(folder, monkeypatch):
    monkeypatch.setattr("napari_medrefine.verify.collections.SAMPLE", 0)
    (folder / "atlas" / "atlas.csv").unlink()
    (folder / "atlas" / "coverage.csv").write_bytes(b"\xff\x00")
    report = verify(folder / "atlas")
    assert "atlas.csv is not there." in report.remarks
    assert report.problems == ["coverage.csv says otherwise than the atlas: it is no table."]
