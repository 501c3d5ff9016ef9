"""`medrefine evaluate`: every protocol, pairs, and filters tuned on other slides."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from skimage.data import immunohistochemistry

from napari_medrefine.cli import main
from napari_medrefine.compare import filters, metrics
from napari_medrefine.compare.pair_folder import find_pairs
from napari_medrefine.compare.protocols import PROTOCOLS
from napari_medrefine.images import sha256_of
from napari_medrefine.photos import read_photo, write_image
from napari_medrefine.superres.model_files import PHOTOS


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    photo = immunohistochemistry()
    for name, part in (("measured/ash", photo[:128, :128]), ("tuned/beech", photo[300:, 300:])):
        (tmp_path / name).mkdir(parents=True)
        write_image(tmp_path / name / "a.png", part[:128, :128])
    return tmp_path / "measured", tmp_path / "tuned"


def test_filters_are_tuned_on_other_photos(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured, tuned = folders
    words = ["evaluate", str(measured), "-o", str(tmp_path / "report"), "--tune-on", str(tuned)]
    assert main([*words, "--protocol", "study-tiles"]) == 0
    rows = capsys.readouterr().out.splitlines()
    named = {name: [row for row in rows if name in row] for name in ("unsharp mask", "Wiener")}
    assert all("(" in rows[1] for rows in named.values())  # the defaults, then with parameters
    assert all("(" not in rows[0] for rows in named.values())
    assert any("faithful" in row for row in rows)


def test_nothing_is_tuned_on_what_it_is_measured_on(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured, _ = folders
    words = ["evaluate", str(measured), "-o", str(tmp_path / "report"), "--tune-on", str(measured)]
    assert main(words) == 1
    assert "Slide ash would be tuned on and measured on" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


def test_slides_are_told_as_in_a_dataset_also_in_one_folder_and_below_objectives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = immunohistochemistry()[:128, :128]
    for name in ("all/slide1_40x_1", "all/slide2_40x_1", "tune/slide1_40x_3", "deep/slide2/40x/1"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / f"{name}.png", part)
    words = ["evaluate", str(tmp_path / "all"), "-o", str(tmp_path / "report"), "--tune-on"]
    for others, slide in (("tune", "slide1"), ("deep", "slide2")):
        assert main([*words, str(tmp_path / others)]) == 1
        assert f"Slide {slide} would be tuned on and measured on" in capsys.readouterr().err


def test_pairs_in_one_folder_are_of_the_slides_that_their_names_say(tmp_path: Path) -> None:
    for side in ("input", "sharp"):
        (tmp_path / side / "b").mkdir(parents=True)
        for name in ("a_40x_1", "a_40x_2", "b/1", "c"):
            write_image(tmp_path / side / f"{name}.png", np.zeros((4, 4), np.uint8))
    assert [pair.slide for pair in find_pairs(tmp_path)] == ["a", "a", "b", "c"]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Two slides with a pair each: the input is the sharp image, four times smaller."""
    photo = immunohistochemistry()
    for k, slide in enumerate(("ash", "beech")):
        sharp = np.ascontiguousarray(photo[200 * k : 200 * k + 128, 128:256])
        small = np.rint(sharp.reshape(32, 4, 32, 4, 3).mean((1, 3))).astype(np.uint8)
        for side, image, suffix in (("input", small, "png"), ("sharp", sharp, "tif")):
            folder = tmp_path / "pairs" / side / slide
            folder.mkdir(parents=True)
            write_image(folder / f"a.{suffix}", image)
    return tmp_path / "pairs"


def test_a_folder_of_pairs_is_evaluated_with_its_provenance(pairs: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    assert main(["evaluate", str(pairs), "-o", str(report)]) == 0
    with (report / "report.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["slide"] for row in rows} == {"ash", "beech"}
    assert {row["protocol"] for row in rows} == {"pairs x4"}
    small = read_photo(pairs / "input" / "ash" / "a.png").image
    sharp = read_photo(pairs / "sharp" / "ash" / "a.tif").image
    (row,) = [r for r in rows if (r["slide"], r["method"]) == ("ash", "bicubic")]
    assert float(row["mse"]) == pytest.approx(metrics.mse(filters.bicubic(small, 4), sharp), 0.01)
    methods = {row["method"] for row in rows}
    assert {"Wiener, default", "Wiener, tuned", "back-projection", "faithful", "GAN"} <= methods
    page = (report / "report.html").read_text(encoding="utf-8")
    for image in (small, sharp):
        assert sha256_of(image) in page
    assert "32 x 32 x 3 uint8" in page
    differences = page.partition("Paired differences")[2].partition("</table>")[0]
    without = {r.partition("</td>")[0] for r in differences.split("<tr><td>") if "–" in r}
    assert without == {"ash", "beech"}  # one image each; over both there is an interval
    assert "magnify-faithful" in page
    assert "magnify-gan" in page
    assert "training slides" in page
    for label in (
        "blur",
        "filter: ",
        "generated: faithful",
        "sharp",
        "minus sharp",
        "trust: error",
    ):
        assert label in page
    assert page.count('class="strip"') == 2
    assert "All 2 slides" in page
    assert "Paired differences" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    with (report / "summary.csv").open(newline="", encoding="utf-8") as file:
        assert {row["slide"] for row in csv.DictReader(file)} == {"ash", "beech", "all slides"}


def test_without_a_word_every_protocol_is_measured(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    measured, _ = folders
    report = tmp_path / "report"
    assert main(["evaluate", str(measured), "-o", str(report)]) == 0
    with (report / "report.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    methods = {(row["protocol"], row["method"]) for row in rows}
    assert {protocol for protocol, _ in methods} == {p.name for p in PROTOCOLS.values()}
    for protocol in PROTOCOLS.values():
        assert (protocol.name, "Wiener, tuned") in methods
        assert ((protocol.name, "photo") in methods) == protocol.photographed
    page = (report / "report.html").read_text(encoding="utf-8")
    assert page.count('class="strip"') == len(PROTOCOLS)
    assert "photo-faithful" in page


def test_pairs_that_do_not_belong_together_are_refused(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(pairs), "-o", str(tmp_path / "report")]
    assert main([*words, "--protocol", "x4"]) == 1
    assert "leave --protocol out" in capsys.readouterr().err
    write_image(pairs / "input" / "ash" / "a.png", np.zeros((32, 40, 3), np.uint8))
    assert main(words) == 1
    assert "rows and columns must have one ratio" in capsys.readouterr().err
    (pairs / "input" / "ash" / "a.png").unlink()
    assert main(words) == 1
    assert "ash/a" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


def test_the_study_s_table_is_told_under_its_own_protocol(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    measured, _ = folders
    report = tmp_path / "report"
    words = ["evaluate", str(measured), "-o", str(report), "--protocol", "study-tiles"]
    assert main(words) == 0
    page = (report / "report.html").read_text(encoding="utf-8")
    _, _, table = page.partition("Table 4, under its own protocol")
    sharp = read_photo(measured / "ash" / "a.png").image
    mixed = np.mean((sharp.astype(float) - filters.unsharp_mask(sharp) / 255) ** 2)
    assert f"{mixed:,.1f}" in table
    assert mixed > 10_000
    assert "40463.4 cannot be an error per pixel" in table
    for method in ("do nothing", "unsharp mask, tuned", "faithful", "GAN"):
        assert f"<td>{method}</td>" in table


def test_a_weight_file_named_as_a_shipped_row_gets_a_row_of_its_own(
    pairs: Path, tmp_path: Path
) -> None:
    mine = shutil.copy(PHOTOS, tmp_path / "faithful.safetensors")
    report = tmp_path / "report"
    assert main(["evaluate", str(pairs), "-o", str(report), "--model", str(mine)]) == 0
    with (report / "report.csv").open(newline="", encoding="utf-8") as file:
        errors = {(r["slide"], r["method"]): r["mse"] for r in csv.DictReader(file)}
    assert errors["ash", "faithful"] != errors["ash", "faithful (own)"]


def test_blank_images_do_not_decide(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured, _ = folders
    words = ["evaluate", str(measured), "--protocol", "x4", "-o"]
    assert main([*words, str(tmp_path / "without")]) == 0
    before = capsys.readouterr().out.splitlines()[-2]
    glass = np.full((128, 128, 3), 255, np.uint8)
    write_image(measured / "ash" / "glass.png", glass)
    (measured / "empty").mkdir()
    write_image(measured / "empty" / "glass.png", glass)
    assert main([*words, str(tmp_path / "with")]) == 0
    said = capsys.readouterr().out.splitlines()[-2]
    assert "too few images for an interval" in said  # of the one that is not blank
    assert "95 %" not in said
    assert "2 blank images left out" in said
    assert said.replace(", 2 blank images left out", "") == before
    assert "nan" not in (tmp_path / "with" / "summary.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("by", ["photo", "slide"])
def test_own_weights_on_a_dataset_split_by_photo_are_measured_with_a_caution(
    by: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(4):
        part = np.roll(immunohistochemistry(), 90 * number, (0, 1))[:128, :128]
        write_image(tmp_path / "photos" / f"slide{number}_40x_1.png", part)
    shape = ["--tile", "64", "--reduce", "1", "--split-by", by]
    assert main(["prepare", str(tmp_path / "photos"), "-o", str(tmp_path / "set"), *shape]) == 0
    words = ["evaluate", str(tmp_path / "set"), "-o", str(tmp_path / "report"), "--limit", "1"]
    assert main([*words, "--protocol", "x4", "--model", str(PHOTOS)]) == 0
    assert ("split by photo" in capsys.readouterr().out) == (by == "photo")
