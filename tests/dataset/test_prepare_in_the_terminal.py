"""`medrefine prepare` in the terminal: what it asks, and what it says."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_medrefine.cli import main
from napari_medrefine.dataset import SUMMARY, changed_parts, load_manifest
from napari_medrefine.photos import write_image


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(monkeypatch: pytest.MonkeyPatch, answer: str, *arguments: object) -> tuple[int, str]:
    """Run `medrefine prepare` on a terminal on which `answer` is typed."""
    shown = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", shown)
    status = main(["prepare", *map(str, arguments), "--tile", "64"])
    return status, shown.getvalue()


@pytest.fixture
def silent(photos: Path, photo: Callable[..., np.ndarray]) -> Path:
    """Return a folder in which two photos do not say their objective."""
    write_image(photos / "north.png", photo(70))
    write_image(photos / "south.png", photo(71))
    return photos


def test_on_a_terminal_the_objective_is_asked_once_and_remembered(
    silent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, shown = run(monkeypatch, "20x\n", silent, "-o", tmp_path / "out")
    question = (
        "2 photos do not say their objective (north.png, south.png). Objective [leave unknown]:"
    )
    assert (status, shown.count(question)) == (0, 1)
    manifest = load_manifest(tmp_path / "out")
    objectives = {photo.name: photo.objective for photo in manifest.photos}
    assert (objectives["north"], objectives["slide1_4x"]) == (20, 4)
    status, shown = run(monkeypatch, "", silent, "-o", tmp_path / "out")
    assert status == 0
    assert "Objective [" not in shown
    assert load_manifest(tmp_path / "out") == manifest


def test_the_objective_may_stay_unknown_but_not_be_nonsense(
    silent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, shown = run(monkeypatch, "forty\n", silent, "-o", tmp_path / "out")
    assert (status, '"forty" is no objective' in shown) == (1, True)
    assert not (tmp_path / "out").exists()
    assert run(monkeypatch, "\n", silent, "-o", tmp_path / "out")[0] == 0
    unknown = [p.name for p in load_manifest(tmp_path / "out").photos if p.objective is None]
    assert unknown == ["north", "south"]


def test_without_a_terminal_there_is_a_hint_and_no_question(
    silent: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("20\n"))
    assert main(["prepare", str(silent), "-o", str(tmp_path / "out"), "--tile", "64"]) == 0
    told = capsys.readouterr()
    assert "2 photos do not say their objective (north.png, south.png)" in told.err
    assert "--objective" in told.err
    assert f"Its summary: {(tmp_path / 'out').resolve() / SUMMARY}" in told.out
    assert load_manifest(tmp_path / "out").recipe.objective is None


def test_the_terminal_says_when_photos_changed_their_part(
    photos: Path,
    tmp_path: Path,
    photo: Callable[..., np.ndarray],
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["prepare", str(photos), "-o", str(tmp_path / "out"), "--tile", "64"]
    assert main(command) == 0
    before = load_manifest(tmp_path / "out")
    assert "dealt anew" not in capsys.readouterr().out
    for number in range(5, 12):
        write_image(photos / f"slide{number}_4x.png", photo(100 + number))
    assert main(command) == 0
    changed = changed_parts(before, load_manifest(tmp_path / "out"))
    assert changed
    assert f"{len(changed)} went to another part" in capsys.readouterr().out


def test_crop_and_split_can_be_said(photos: Path, tmp_path: Path) -> None:
    command = ["prepare", str(photos), "-o", str(tmp_path / "out"), "--tile", "64"]
    assert main([*command, "--crop", "128x256", "--split-by", "photo"]) == 0
    manifest = load_manifest(tmp_path / "out")
    assert {photo.crop_shape for photo in manifest.photos} == {(128, 256)}
    assert manifest.split_by == "photo"
    page = (tmp_path / "out" / SUMMARY).read_text(encoding="utf-8")
    assert "By photo" in page
    assert "256 × 128 photo pixels, from the middle" in page


@pytest.mark.parametrize(
    ("names", "by", "caution"),
    [
        ("slide1_4x slide1_40x_1 slide2_4x", "auto", "too few slides (2 slides)"),
        (
            "slide1_4x slide1_40x_1 slide2_4x",
            "slide",
            "nothing is left for validation: a slide is never divided, and there are only 2 slides",
        ),
        ("only_4x", "photo", "nothing is left for validation and test"),
        (
            "IMG_1 IMG_2 IMG_3 IMG_10",
            "auto",
            "4 photos count as a slide each, though their names look like a series (img_1, img_2, ",
        ),
        ("a/IMG_1 a/IMG_2 b/IMG_1 c/IMG_1", "auto", ""),
        ("slide1_4x slide2_4x slide1_40x_1 slide2_40x_1", "photo", ""),
    ],
)
def test_the_terminal_and_the_summary_say_what_to_be_cautious_about(
    names: str,
    by: str,
    caution: str,
    photo: Callable[..., np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number, name in enumerate(names.split()):
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, photo(number))
    out = tmp_path / "out"
    words = ["prepare", str(tmp_path / "photos"), "-o", str(out), "--tile", "64"]
    assert main([*words, "--split-by", by]) == 0
    page = (out / SUMMARY).read_text(encoding="utf-8")
    for said in (capsys.readouterr().out, page.replace("<b>Caution:</b>", "Caution:")):
        assert said.count("Caution: ") == bool(caution)
        assert caution in said
