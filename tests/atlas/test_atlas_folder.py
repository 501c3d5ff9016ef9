"""A folder of photos in, a table and placements out."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_medrefine import MedRefineError, Placement
from napari_medrefine.atlas import RECORD, atlas_steps, coverage_rows, load_atlas, rows_of
from napari_medrefine.cli import atlas as atlas_cli
from napari_medrefine.cli import main
from napari_medrefine.progress import finish
from napari_medrefine.samples import field_to_overview
from napari_medrefine.widgets import atlas as atlas_widget


def off(place, shots, name):
    """Return how far a field's corners are from where they belong, at most."""
    shot = shots[name]
    height, width = shot.photo.image.shape[:2]
    corners = np.array([[0, 0], [0, width], [height, 0], [height, width]], float)
    truth = field_to_overview(shot.photo, shots[shot.overview].photo)
    right = corners @ truth[:2, :2].T + truth[:2, 2]
    return float(np.hypot(*(place.to_overview(corners) - right).T).max())


def test_every_field_lies_on_its_own_overview(made, shots):
    atlas = load_atlas(made)
    roles = {photo.source: photo.role for photo in atlas.photos}
    assert roles.pop("notes.png") == "unreadable"
    assert {name for name, role in roles.items() if role == "overview"} == {"k.png", "d.png"}
    for photo in atlas.photos:
        if photo.role == "field":
            place = Placement.load(made / photo.placement)
            assert photo.overview == shots[photo.source].overview
            assert off(place, shots, photo.source) < 0.5
    assert list(roles.values()).count("field") == 8


def test_the_table_says_it_all(made, shots):
    with (made / "atlas.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = {row["photo"]: row for row in csv.DictReader(file)}
    assert len(rows) == 11
    assert rows["notes.png"]["role"] == "unreadable"
    assert "JPEG" in rows["notes.png"]["reason"]
    row = rows["q.png"]
    place = Placement.load(made / "placements" / "q.placement.json")
    height, width = shots["q.png"].photo.image.shape[:2]
    middle = place.to_overview([[(height - 1) / 2, (width - 1) / 2]])[0]
    assert float(row["row"]) == pytest.approx(middle[0], abs=0.01)
    assert float(row["column"]) == pytest.approx(middle[1], abs=0.01)
    assert float(row["ratio"]) == pytest.approx(place.ratio, abs=1e-3)
    assert row["overview"] == "k.png"
    assert [str(cell) for cell in rows_of(made, load_atlas(made))[0].values()]


def test_how_much_was_photographed_is_a_table_too(made):
    with (made / "coverage.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [(row["overview"], row["photographed at"]) for row in rows] == [
        (overview, name) for overview in ("d.png", "k.png") for name in ("10x", "40x", "missing")
    ]
    for overview in ("d.png", "k.png"):
        ten, forty, missing = (float(x["share"]) for x in rows if x["overview"] == overview)
        assert ten == pytest.approx(2 * (640 * 840 / 2.5**2) / (1024 * 1344), rel=0.1)
        assert forty == pytest.approx(2 / 100, rel=0.05)
        assert 1 - ten - forty <= missing + 0.001 <= 1 - ten + 0.001


@pytest.mark.parametrize("told", ["a field", "the overview"])
def test_one_magnification_has_one_name_in_the_coverage(made, told):
    atlas = load_atlas(made)
    objectives = {"k.png": None, "a.png": 40.0} if told == "a field" else {"k.png": 4.0}
    photos = tuple(
        photo.model_copy(update={"objective": objectives.get(photo.source)})
        for photo in atlas.photos
    )
    rows = coverage_rows(made, atlas.model_copy(update={"photos": photos}))
    names = [row["photographed at"] for row in rows if row["overview"] == "k.png"]
    ten = "2.5 times the overview" if told == "a field" else "10x"
    assert names == [ten, "40x", "missing"]


def test_objectives_come_from_a_table_and_the_command_says_what_it_found(
    photos, objectives, tmp_path, capsys
):
    table = tmp_path / "objectives.csv"
    lines = ["file,objective", *(f"{name},{value:g}x" for name, value in objectives.items())]
    table.write_text("\n".join(lines))
    output = tmp_path / "out"
    words = ["atlas", str(photos), "-o", str(output), "--objectives", str(table)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "2 overviews, 8 fields placed, 0 refused, 1 unreadable" in said
    assert "unreadable: notes.png" in said
    assert "k.png: 10x " in said
    assert main(words) == 1
    assert "is not empty" in capsys.readouterr().err
    (photos / "q.png").unlink()
    assert main([*words, "--overwrite"]) == 1
    assert "q.png" in capsys.readouterr().err  # its objective is given, and there is no such photo
    table.write_text("\n".join(line for line in lines if not line.startswith("q.png")))
    assert main([*words, "--overwrite"]) == 0
    assert not (output / "placements" / "q.placement.json").exists()
    assert len(load_atlas(output).photos) == 10


def test_one_is_not_called_several(made):
    atlas = load_atlas(made)
    overview = atlas.overviews[0].source
    few = [photo for photo in atlas.photos if photo.source == overview]
    few += [photo for photo in atlas.photos if photo.overview == overview][:1]
    one = atlas.model_copy(update={"photos": tuple(few)})
    assert atlas_cli.describe(one)[:2] == [
        "1 overview, 1 field placed, 0 refused, 0 unreadable",
        f"{overview}: 1 field",
    ]
    assert atlas_widget.describe(one) == "1 field placed on 1 overview."


def test_nothing_known_at_all(photos, shots, tmp_path):
    atlas = finish(atlas_steps(photos, tmp_path / "out"))
    assert {x.source for x in atlas.overviews} == {"k.png", "d.png"}
    for photo in atlas.photos:
        if photo.role == "field":
            assert photo.overview == shots[photo.source].overview
    assert sum(photo.role == "field" for photo in atlas.photos) == 8


def test_overviews_may_be_named_by_their_paths(photos, objectives, tmp_path, monkeypatch):
    monkeypatch.chdir(photos.parent)  # where a shell completes to these
    for typed in ("d.png", f"{photos.name}/d.png", f"./{photos.name}/../{photos.name}/k.png"):
        job = atlas_steps(photos.name, tmp_path / "out", overviews=[typed], objectives=objectives)
        assert "looking at" in next(job).text  # what was named is found by then
        job.close()
    Path("elsewhere").mkdir()
    shutil.copy(photos / "d.png", "elsewhere")
    for other in (f"{photos.name}/none.png", "elsewhere/d.png"):
        with pytest.raises(MedRefineError, match="one photo called"):
            next(atlas_steps(photos.name, tmp_path / "out", overviews=[other]))


def test_of_two_photos_of_one_name_the_path_tells_which(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(photos.parent)
    for sub_folder in ("one", "two"):
        (photos / sub_folder).mkdir()
        shutil.copy(photos / "d.png", photos / sub_folder / "same.png")
    with pytest.raises(MedRefineError, match="there are several"):
        next(atlas_steps(photos, tmp_path / "out", overviews=["same.png"]))
    next(atlas_steps(photos, tmp_path / "out", overviews=[f"{photos.name}/two/same.png"]))


def test_the_user_names_the_overviews(photos, objectives, tmp_path):
    atlas = finish(atlas_steps(photos, tmp_path / "out", overviews=["d"], objectives=objectives))
    assert [x.source for x in atlas.overviews] == ["d.png"]
    assert {x.source for x in atlas.photos if x.role == "field"} == {
        "x.png", "b.png", "y.png", "e.png"
    }  # fmt: skip
    refused = [x for x in atlas.photos if x.role == "refused"]
    assert {x.source for x in refused} == {"k.png", "c.png", "m.png", "a.png", "q.png"}
    assert all(x.reason for x in refused)
    with pytest.raises(MedRefineError, match=r"one photo called nobody\.jpg, there are none"):
        finish(atlas_steps(photos, tmp_path / "new", overviews=["nobody.jpg"]))


def test_what_is_there_is_not_touched(photos, tmp_path):
    output = tmp_path / "mine"
    output.mkdir()
    (output / "letter.txt").write_text("dear")
    with pytest.raises(MedRefineError, match="is not empty"):
        finish(atlas_steps(photos, output))
    assert [path.name for path in output.iterdir()] == ["letter.txt"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(MedRefineError, match="no JPEG, PNG, TIFF or BMP photos"):
        finish(atlas_steps(tmp_path / "empty", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_stopped_job_leaves_nothing_behind(photos, objectives, tmp_path):
    job = atlas_steps(photos, tmp_path / "out", objectives=objectives)
    for _ in range(40):
        next(job)
    job.close()
    assert not (tmp_path / "out").exists()


def test_two_jobs_do_not_make_one_atlas(photos, objectives, tmp_path):
    first, again, anew = (
        atlas_steps(photos, tmp_path / "new" / "out", objectives=objectives) for _ in range(3)
    )
    next(first)
    with pytest.raises(MedRefineError, match="out is being written already"):
        finish(again)
    first.close()
    assert not (tmp_path / "new").exists()  # as it was
    next(anew)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": "other"}, "it is not an atlas"),
        ({"version": 99}, "newer than 1"),
        ({"photos": [{"source": "a"}]}, "photos.0"),
        ({"folder": 3}, "folder"),
    ],
)
def test_a_damaged_record_is_one_sentence(made, change, sentence):
    path = made / RECORD
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(MedRefineError, match=sentence):
        load_atlas(made)


def test_no_record_and_no_json_are_one_sentence(tmp_path: Path):
    with pytest.raises(MedRefineError, match="Cannot read"):
        load_atlas(tmp_path)
    (tmp_path / RECORD).write_text("{")
    with pytest.raises(MedRefineError, match="not JSON"):
        load_atlas(tmp_path)
