"""`medrefine evaluate` with filters tuned on other slides."""

from __future__ import annotations

from pathlib import Path

import pytest
from skimage.data import immunohistochemistry

from napari_medrefine.cli import main
from napari_medrefine.photos import write_image


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
