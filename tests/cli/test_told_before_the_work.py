"""What cannot end well is said before the work begins, not when it is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_medrefine.cli import main
from napari_medrefine.photos import write_image


@pytest.fixture(autouse=True)
def folder(tmp_path, tissue, monkeypatch):
    """A folder with two photos and a file that is none, in which the commands are typed."""
    monkeypatch.chdir(tmp_path)
    write_image("a_4x.png", tissue(60, 80))
    write_image("a_40x.png", tissue(60, 80, 1))
    Path("notes.txt").write_text("x")
    return tmp_path


@pytest.fixture
def no_work(monkeypatch):
    """Fail where a network or a search begins."""
    for work in (
        "napari_medrefine.superres.api.generate_steps",
        "napari_medrefine.slides.magnify_slide_steps",
        "napari_medrefine.registration.Overview",
        "napari_medrefine.cli.evaluate.evaluate_steps",
    ):
        monkeypatch.setattr(work, lambda *_, **__: pytest.fail("the work has begun"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("magnify a_4x.png -o a_x4", "must end in .png"),
        ("magnify a_4x.png -o a_x4.gif", "must end in .png"),
        ("magnify a_4x.png -o new/a_x4.png", "The folder new does not exist; make it first."),
        ("sharpen a_4x.png -o new/a.zarr", "The folder new does not exist; make it first."),
        ("magnify a_4x.png -o folder.png --overwrite", "folder.png is a folder"),
        ("sharpen folder.png -o a.png", "folder.png: it is a folder, not a photo; an OME-Zarr"),
        ("prepare . -o q --pixel-um 40=0.1 --pixel-um 40x=0.2", "two sizes for 40x, 0.1 and 0.2"),
        ("register a_4x.png a_40x.png -o notes.txt", "notes.txt is a file"),
        ("register a_4x.png a_40x.png missing.png -o q", "missing.png"),
        ("register a_4x.png a_40x.png notes.txt -o q", "notes.txt"),
        ("evaluate . -o notes.txt/report", "notes.txt is a file"),
        ("learn a_4x.png a_40x.png -o notes.txt", "notes.txt is a file"),
        ("learn a_4x.png a_40x.png -o folder.png", "Something else is in folder.png"),
        ("learn a_4x.png a_40x.png -o q --seed -1", "impossible: seed: Input should be"),
        ("learn a_4x.png a_40x.png -o q --steps 0", "impossible: steps: Input should be"),
        ("train . -o q --seed 18446744073709551616", "impossible: seed: Input should be"),
        ("train . -o q --steps-per-epoch 0", "impossible: steps-per-epoch: Input should be"),
        ("import a.tfm -o new/a.placement.json", "The folder new does not exist"),
    ],
)
@pytest.mark.usefixtures("no_work")
def test_names_and_files_come_first(folder, words, said, capsys):
    Path("folder.png").mkdir()
    Path("folder.png/x").write_text("x")
    before = sorted(folder.rglob("*"))
    assert main(words.split()) == 1
    assert said in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("words", ["sharpen a_4x.png -o q.zarr", "register a_4x.png a_40x.png"])
@pytest.mark.usefixtures("no_work")
def test_no_address_is_no_cluster(words, capsys):
    with pytest.raises(SystemExit) as end:
        main([*words.split(), "--scheduler", ""])
    assert end.value.code == 2
    assert "--scheduler: '' is not an address" in capsys.readouterr().err
