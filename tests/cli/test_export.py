"""`medrefine export` and `medrefine import` as a person types them."""

from __future__ import annotations

import csv
from dataclasses import replace
from io import BytesIO, TextIOWrapper

import numpy as np
import pytest

from napari_medrefine.cli import main
from napari_medrefine.images import sha256_of
from napari_medrefine.photos import read_photo, write_image
from napari_medrefine.registration import Placement
from napari_medrefine.registration.placement import similarity

FIELD, OVERVIEW = (60, 80), (300, 400)
POINTS = np.array([[0.0, 0.0], [59.0, 0.0], [10.5, 79.0]])


def place(number):
    matrix = similarity(10, 3.0 * number, np.array([29.5, 39.5]), np.array([150.0, 200.0 + number]))
    return Placement(
        matrix, FIELD, OVERVIEW, True, "fits", 0.8,
        field_name=f"s_40x_{number}.png", overview_name="s_4x.png",
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path, tissue):
    """Photos with pixel sizes, and the placements of two fields."""
    write_image(tmp_path / "s_4x.png", tissue(*OVERVIEW), pixel_um=1.25)
    for number in (1, 2):
        write_image(tmp_path / f"s_40x_{number}.png", tissue(*FIELD, number), pixel_um=0.125)
        place(number).save(tmp_path / f"s_40x_{number}.placement.json")
    return tmp_path


@pytest.mark.parametrize("ending", [".tfm", ".qupath.txt", ".qupath.json", ".napari.json"])
def test_out_and_in_again(folder, ending, capsys):
    photos = ["--overview", str(folder / "s_4x.png"), "--field", str(folder / "s_40x_1.png")]
    out, back = folder / f"out{ending}", folder / "back.placement.json"
    assert main(["export", str(folder / "s_40x_1.placement.json"), "-o", str(out), *photos]) == 0
    assert main(["import", str(out), "-o", str(back), *photos]) == 0
    found = Placement.load(back)
    assert found.to_overview(POINTS) == pytest.approx(place(1).to_overview(POINTS), abs=1e-6)
    if ending in (".qupath.txt", ".napari.json"):  # these know no hash of the photo: it is taken
        assert found.field_sha256 == sha256_of(read_photo(folder / "s_40x_1.png").image)
        assert "not checked against the photos" in capsys.readouterr().out
    # A second time: nothing is overwritten without asking.
    assert main(["export", str(folder / "s_40x_1.placement.json"), "-o", str(out)]) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_itk_gets_millimetres_where_pixel_sizes_are_known(folder):
    both = [str(folder / f"s_40x_{number}.placement.json") for number in (1, 2)]
    out = folder / "itk"
    assert main(["export", *both, "-o", str(out), "--format", "itk", "--photos", str(folder)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["s_40x_1.tfm", "s_40x_2.tfm"]
    line = next(x for x in (out / "s_40x_1.tfm").read_text().splitlines() if x.startswith("Param"))
    numbers = [float(word) for word in line.split()[1:]]
    # Both are lengths: a similarity of the same size, so no factor of 10.
    assert np.linalg.det(np.reshape(numbers[:4], (2, 2))) == pytest.approx(1.0, abs=1e-9)


def test_a_table_of_all(folder):
    both = [str(folder / f"s_40x_{number}.placement.json") for number in (1, 2)]
    assert main(["export", *both, "-o", str(folder / "all.csv"), "--photos", str(folder)]) == 0
    with (folder / "all.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["field"] for row in rows] == ["s_40x_1.png", "s_40x_2.png"]
    assert float(rows[1]["overview_um_row"]) == pytest.approx(1.25, rel=1e-3)


@pytest.mark.parametrize("name", ["out.tfm", "out.qupath.txt", "out.napari.json", "out.ome.zarr"])
def test_a_refused_guess_is_exported_only_when_that_is_said(folder, name, capsys):
    guess = folder / "s_40x_1.placement.json"
    replace(place(1), accepted=False, reason="Too much alike elsewhere.").save(guess)
    words = ["export", str(guess), "--photos", str(folder), "-o", str(folder / name)]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "s_40x_1.png" in said
    assert "--even-refused" in said
    assert not (folder / name).exists()
    assert main([*words, "--even-refused"]) == 0
    assert "REFUSED" in capsys.readouterr().out
    table = ["export", str(guess), "-o", str(folder / "all.csv")]
    assert main(table) == 0  # it has a column for that
    with (folder / "all.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["accepted"] for row in csv.DictReader(file)] == ["no"]


def test_a_scene_and_back(folder, capsys):
    both = [str(folder / f"s_40x_{number}.placement.json") for number in (1, 2)]
    scene = folder / "slide.ome.zarr"
    assert main(["export", *both, "-o", str(scene), "--photos", str(folder)]) == 0
    assert main(["import", str(scene), "-o", str(folder / "back")]) == 0
    for number in (1, 2):
        found = Placement.load(folder / "back" / f"s_40x_{number}.placement.json")
        assert found.to_overview(POINTS) == pytest.approx(place(number).to_overview(POINTS))
    assert main(["export", *both, "-o", str(folder / "other.ome.zarr")]) == 1
    assert "--photos" in capsys.readouterr().err


@pytest.fixture
def other_slide(folder, tissue):
    """Photos of another slide, of the same names and sizes; the placement knows its own photos."""
    known = {
        "field_sha256": sha256_of(read_photo(folder / "s_40x_1.png").image),
        "overview_sha256": sha256_of(read_photo(folder / "s_4x.png").image),
    }
    replace(place(1), **known).save(folder / "s_40x_1.placement.json")
    other = folder / "other"
    other.mkdir()
    write_image(other / "s_4x.png", tissue(*OVERVIEW, 5), pixel_um=1.25)
    write_image(other / "s_40x_1.png", tissue(*FIELD, 6), pixel_um=0.125)
    return other


@pytest.mark.parametrize("name", ["out.ome.zarr", "out.tfm", "out.csv"])
def test_photos_of_another_slide_are_not_exported_in_their_place(folder, other_slide, name, capsys):
    words = ["export", str(folder / "s_40x_1.placement.json"), "-o", str(folder / name)]
    assert main([*words, "--photos", str(other_slide)]) == 1
    assert "made for another photo" in capsys.readouterr().err
    words += ["--photos", str(folder)]
    assert main([*words, "--field", str(other_slide / "s_40x_1.png")]) == 1
    assert not (folder / name).exists()
    assert main(words) == 0


@pytest.mark.parametrize("name", ["s_40x_1.placement.json", "out.tfm"])
def test_photos_that_a_file_was_not_made_for_are_not_ignored(folder, other_slide, name, capsys):
    place_file, back = str(folder / "s_40x_1.placement.json"), folder / "back.placement.json"
    assert main(["export", place_file, "-o", str(folder / "out.tfm")]) == 0
    words = ["import", str(folder / name), "-o", str(back)]
    right = {"--overview": folder / "s_4x.png", "--field": folder / "s_40x_1.png"}
    for option, photo in right.items():
        wrong = right | {option: other_slide / photo.name}
        assert main([*words, *(str(word) for pair in wrong.items() for word in pair)]) == 1
        assert f"another photo than the {photo.name}" in capsys.readouterr().err
        assert not back.exists()
    assert main([*words, *(str(word) for pair in right.items() for word in pair)]) == 0


def test_a_scene_is_of_one_overview_even_where_it_is_named(folder, capsys):
    both = [folder / f"s_40x_{number}.placement.json" for number in (1, 2)]
    replace(Placement.load(both[1]), overview_name="other_4x.png").save(both[1])
    words = [*map(str, both), "-o", str(folder / "two.ome.zarr"), "--photos", str(folder)]
    assert main(["export", *words, "--overview", str(folder / "s_4x.png")]) == 1
    assert "on one overview" in capsys.readouterr().err
    assert not (folder / "two.ome.zarr").exists()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_name_that_the_terminal_cannot_show_is_shown_escaped(folder, encoding, monkeypatch):
    """It was a traceback, after the work."""
    terminal = TextIOWrapper(BytesIO(), encoding)
    monkeypatch.setattr("sys.stdout", terminal)
    placement, out = folder / "s_40x_1.placement.json", folder / "切片.tfm"
    assert main(["export", str(placement), "-o", str(out)]) == 0
    terminal.seek(0)
    assert r"\u5207\u7247.tfm" in terminal.read()


def test_what_cannot_be_is_one_sentence(folder, capsys):
    both = [str(folder / f"s_40x_{number}.placement.json") for number in (1, 2)]
    assert main(["export", *both, "-o", str(folder / "nowhere")]) == 1
    assert "--format" in capsys.readouterr().err
    assert main(["export", *both, "-o", str(folder / "one.tfm")]) == 1
    assert not (folder / "one.tfm").exists()
    assert main(["export", both[0], both[0], "-o", str(folder / "d"), "--format", "itk"]) == 1
    assert main(["export", both[0], "-o", str(folder / "what.xyz")]) == 1
    assert not (folder / "nowhere").exists()
