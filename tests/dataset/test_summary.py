"""The contact sheet and the summary: what they show, and that they are always the same."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from napari_medrefine.dataset import (
    MANIFEST,
    SUMMARY,
    Manifest,
    Recipe,
    load_manifest,
    prepare_steps,
)
from napari_medrefine.dataset import _overview as overview
from napari_medrefine.dataset._captions import drawable, fit, font, two_lines
from napari_medrefine.dataset.contact_sheet import COLOURS
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import write_image
from napari_medrefine.progress import finish

SHEET = "contact-sheet.jpg"
NASTY = "<b>&\"'{{ 7+7 }}<script>"


def prepare(photos: Path, output: Path, recipe: Recipe, **options: object) -> Manifest:
    return finish(prepare_steps(photos, output, recipe, **options))


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def written(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


class Page(HTMLParser):
    """The tables of a page as rows of texts, and all elements with their attributes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._cell = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._cell:
            self.tables[-1][-1][-1] += data


@pytest.fixture
def messy(photos: Path, photo: Callable[..., np.ndarray]) -> Path:
    """Return eight good photos and one of every kind that is left out."""
    write_image(photos / "a_blank.png", np.full((280, 400, 3), 235, np.uint8))
    write_image(photos / "b_blurred.png", gaussian_filter(photo(50), (8, 8, 0)))
    shutil.copy(photos / "slide1_4x.png", photos / "z_same_file.png")
    Image.fromarray(photo(2)).save(photos / "z_saved_again.jpg", quality=60)
    (photos / "d_cut_off.png").write_bytes((photos / "slide1_4x.png").read_bytes()[:5000])
    write_image(photos / "f_small.png", photo(52, 100, 100))
    return photos


def test_the_studys_tables_hold_the_datasets_own_numbers(
    photos: Path, tmp_path: Path, small: Recipe, photo: Callable[..., np.ndarray]
) -> None:
    write_image(photos / "slide1_20x.png", photo(30, 400, 280))
    write_image(photos / "unnamed.png", photo(31))
    manifest = prepare(photos, tmp_path / "out", small)
    page = Page(tmp_path / "out" / SUMMARY)
    objectives, sizes, tiles = page.tables[:3]
    assert objectives[0] == ["", "Total", "4x", "10x", "20x", "40x", "Unknown"]
    assert objectives[1] == ["This dataset", "10", "4", "0", "1", "4", "1"]
    assert objectives[2] == ["The study", "44", "4", "8", "0", "32", "0"]
    assert sizes[1][1:] == ["400 × 280", "384 × 256", "192 × 128", "64 × 64", "9"]
    assert sizes[2][1:] == ["280 × 400", "256 × 384", "128 × 192", "64 × 64", "1"]
    assert sizes[3] == ["The study", "3584 × 2748", "3584 × 2560", "1792 × 1280", "256 × 256", "44"]
    parts = [sum(t.split == s for t in manifest.tiles) for s in ("train", "validation", "test")]
    assert tiles[1] == ["This dataset", "60", *(str(n) for n in parts)]
    assert tiles[-1] == ["The study", "1,400", "560", "240", "560"]
    assert "560 + 240 + 560 is 1,360, not the 1,400" in page.text


def test_the_summary_says_which_slides_went_where_and_lists_every_photo(
    prepared: Path,
) -> None:
    manifest = load_manifest(prepared)
    page = Page(prepared / SUMMARY)
    slides, photos = page.tables[3], page.tables[-1]
    for row, split in zip(slides[1:], ("train", "validation", "test"), strict=True):
        there = sorted({p.slide for p in manifest.photos if p.split == split})
        assert row[1] == ", ".join(f"{slide} (2)" for slide in there)
    assert {row[1] for row in photos[1:]} == {photo.name for photo in manifest.photos}
    field = next(photo for photo in manifest.photos if photo.name == "slide3_40x_1")
    row = next(row for row in photos[1:] if row[1] == field.name)
    assert row[2:5] == ["slide3", "40x", "0.25"]
    assert row[6:8] == ["6", f"{field.contrast:.1f}"]
    assert "By slide" in page.text
    assert "Nothing: every photo was used." in page.text


def test_what_was_left_out_is_in_both_with_its_reason(
    messy: Path, tmp_path: Path, small: Recipe
) -> None:
    manifest = prepare(messy, tmp_path / "out", small)
    page = Page(tmp_path / "out" / SUMMARY)
    assert [tuple(row[1:]) for row in page.tables[4][1:]] == [
        (one.source, one.reason) for one in manifest.left_out
    ]
    assert "Left out: 6 photos" in page.text
    assert frames(tmp_path / "out" / SHEET)["left out"] == 6


def frames(path: Path) -> dict[str, int]:
    """Count the framed cards of each group by the left edges of their frames."""
    sheet = np.asarray(Image.open(path).convert("RGB")).astype(int)
    counts = {}
    for group, colour in COLOURS.items():
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        near = (np.abs(sheet - wanted).max(axis=2) < 24).astype(np.uint8)
        # A card's upper edge is a run of 200 and more pixels of its colour, six rows high.
        runs = np.lib.stride_tricks.sliding_window_view(near, 200, axis=1).all(axis=2)
        starts = np.diff(runs.astype(np.int8), axis=1, prepend=0) == 1
        counts[group] = round(int(starts.sum()) / 12)  # upper and lower edge
    return counts


def test_every_photo_is_on_the_sheet_in_the_colour_of_its_part(prepared: Path) -> None:
    manifest = load_manifest(prepared)
    wanted = {
        s: sum(p.split == s for p in manifest.photos) for s in ("train", "validation", "test")
    }
    assert frames(prepared / SHEET) == {**wanted, "left out": 0}


def test_the_sheet_shows_the_photos(
    tmp_path: Path, small: Recipe, photo: Callable[..., np.ndarray]
) -> None:
    (tmp_path / "photos").mkdir()
    image = photo(1)
    image[:140, :200, 1:] //= 3  # red above and on the left
    write_image(tmp_path / "photos/a_4x.png", image)
    prepare(tmp_path / "photos", tmp_path / "out", small)
    sheet = np.asarray(Image.open(tmp_path / "out" / SHEET).convert("RGB")).astype(int)
    red = np.argwhere((sheet[..., 0] > sheet[..., 1] + 60) & (sheet[..., 1] < 110))
    height, width = np.ptp(red, axis=0) + 1
    assert 224 / 2 - 6 < width < 224 / 2 + 6  # half of 224 pixels
    assert 149 / 2 - 6 < height < 149 / 2 + 6  # half of 224 * 128 / 192


def test_file_names_are_text_in_the_page(
    tmp_path: Path, small: Recipe, photo: Callable[..., np.ndarray]
) -> None:
    if os.name == "nt":
        pytest.skip("Windows has no such file names")
    names = [
        f"{NASTY}_4x.png",
        "组织切片_40x.png",
        "W" * 200 + ".png",
        f"blank {NASTY}.png",
        "\t\x01.png",
    ]
    (tmp_path / "photos").mkdir()
    for number, name in enumerate(names):
        image = np.full((280, 400, 3), 235, np.uint8) if "blank" in name else photo(number)
        write_image(tmp_path / "photos" / name, image)
    manifest = prepare(tmp_path / "photos", tmp_path / "out", small)
    assert len(manifest.photos) == 4
    page = Page(tmp_path / "out" / SUMMARY)
    assert NASTY in page.text
    assert "组织切片" in page.text
    assert all(tag != "script" for tag, _ in page.elements)
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", page.text)


def test_the_page_needs_nothing_but_what_lies_beside_it(prepared: Path) -> None:
    page = Page(prepared / SUMMARY)
    links = [
        link
        for _, given in page.elements
        for kind in ("src", "href")
        if (link := given.get(kind)) and not link.startswith("#")
    ]
    assert set(links) == {SHEET, MANIFEST}
    assert all((prepared / link).is_file() for link in links)
    assert str(prepared.parent) not in (prepared / SUMMARY).read_text()


def test_neither_threads_nor_the_folder_change_a_byte(
    messy: Path, tmp_path: Path, small: Recipe
) -> None:
    prepare(messy, tmp_path / "one", small, workers=4)
    shutil.copytree(messy, tmp_path / "elsewhere")
    prepare(tmp_path / "elsewhere", tmp_path / "two", small, workers=1)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert {SHEET, SUMMARY} <= set(contents(tmp_path / "one"))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8, 0.97])
def test_wherever_it_was_stopped_the_bytes_are_the_same(
    messy: Path, tmp_path: Path, small: Recipe, share: float
) -> None:
    steps = sum(1 for _ in prepare_steps(messy, tmp_path / "whole", small, workers=1))
    job = prepare_steps(messy, tmp_path / "out", small, workers=1)
    for _ in range(int(steps * share)):
        next(job)
    job.close()
    assert not (tmp_path / "out" / MANIFEST).exists()
    prepare(messy, tmp_path / "out", small)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("file", [SUMMARY, SHEET])
@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_a_finished_dataset_gets_them_again(
    messy: Path, tmp_path: Path, small: Recipe, file: str, harm: str
) -> None:
    out = tmp_path / "out"
    prepare(messy, out, small)
    whole, before = contents(out), written(out)
    if harm == "gone":
        (out / file).unlink()
    else:
        (out / file).write_bytes((out / file).read_bytes()[:-7])
    (out / ".medrefine-0123.part").write_bytes(b"half a page")
    prepare(messy, out, small)
    assert contents(out) == whole
    rest = {path for path in before if Path(path).name not in (SUMMARY, SHEET)}
    assert all(written(out)[path] == before[path] for path in rest)


def test_right_as_they_are_nothing_is_written(messy: Path, tmp_path: Path, small: Recipe) -> None:
    prepare(messy, tmp_path / "out", small)
    before = written(tmp_path / "out")
    prepare(messy, tmp_path / "out", small)
    assert written(tmp_path / "out") == before


def test_many_photos_take_several_sheets_and_none_too_many(
    messy: Path, tmp_path: Path, small: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "PER_SHEET", 5)
    out = tmp_path / "out"
    prepare(messy, out, small)
    sheets = sorted(path.name for path in out.glob("contact-sheet*"))
    assert sheets == ["contact-sheet-2.jpg", "contact-sheet-3.jpg", SHEET]
    counts = [frames(out / sheet) for sheet in sheets]
    assert sum(sum(count.values()) for count in counts) == 14
    images = [given["src"] for tag, given in Page(out / SUMMARY).elements if tag == "img"]
    assert images == [SHEET, "contact-sheet-2.jpg", "contact-sheet-3.jpg"]
    for path in messy.glob("[a-f]_*"):
        path.unlink()
    prepare(messy, out, small, overwrite=True)
    prepare(messy, tmp_path / "fresh", small)
    assert contents(out) == contents(tmp_path / "fresh")
    assert not (out / "contact-sheet-3.jpg").exists()


def test_new_photos_are_added_and_only_they_are_cut(
    photos: Path, tmp_path: Path, small: Recipe, photo: Callable[..., np.ndarray]
) -> None:
    out = tmp_path / "out"
    prepare(photos, out, small)
    before = written(out)
    write_image(photos / "slide5_4x.png", photo(80))
    write_image(photos / "slide0_4x.png", photo(81))
    manifest = prepare(photos, out, small)
    prepare(photos, tmp_path / "fresh", small)
    assert len(manifest.photos) == 10
    assert contents(out) == contents(tmp_path / "fresh")
    tiles = [path for path in before if path.endswith(".png")]
    assert all(written(out)[path] == before[path] for path in tiles)


def test_a_new_photo_may_be_what_others_are_copies_of(
    photos: Path, tmp_path: Path, small: Recipe, photo: Callable[..., np.ndarray]
) -> None:
    Image.fromarray(photo(2)).save(photos / "z_saved_again.jpg", quality=60)
    prepare(photos, tmp_path / "out", small)
    Image.fromarray(photo(2)).save(photos / "a_first.jpg", quality=90)
    manifest = prepare(photos, tmp_path / "out", small)
    prepare(photos, tmp_path / "fresh", small)
    assert {one.source: one.copy_of for one in manifest.left_out} == {
        "slide2_4x.png": "a_first.jpg",
        "z_saved_again.jpg": "a_first.jpg",
    }
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_photos_that_changed_are_still_refused(
    photos: Path, tmp_path: Path, small: Recipe, photo: Callable[..., np.ndarray]
) -> None:
    prepare(photos, tmp_path / "out", small)
    before = contents(tmp_path / "out")
    write_image(photos / "slide5_4x.png", photo(80))
    write_image(photos / "slide1_4x.png", photo(81))
    with pytest.raises(MedRefineError, match=r"1 new, 1 changed, 0 gone"):
        prepare(photos, tmp_path / "out", small)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize(
    "text", ["W" * 300, "i" * 300, "组织切片_40x_1", "é" * 50, "\u202e\ud800\t\n", "", "a b " * 90]
)
def test_captions_fit_whatever_the_name(text: str) -> None:
    plain = drawable(text)
    assert all(" " <= letter <= "~" or letter == "…" for letter in plain)
    assert font(15).getlength(fit(plain, 15, 236)) <= 236
    lines = two_lines(plain, 14, 236)
    assert len(lines) <= 2
    assert all(font(14).getlength(line) <= 236 for line in lines)


def test_captions_keep_what_they_can() -> None:
    assert drawable("Größe_ærø_10×") == "Grosse_aero_10x"
    assert drawable("组织_40x_1") == "…_40x_1"
    assert fit("short", 15, 236) == "short"
    assert re.fullmatch(r"slide_w+…w+_40x_7", fit(f"slide_{'w' * 90}_40x_7", 15, 236))
