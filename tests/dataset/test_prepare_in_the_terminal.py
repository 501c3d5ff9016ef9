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
