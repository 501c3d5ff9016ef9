"""The command where its streams, or the folder it was started in, are not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from napari_medrefine.cli import NO_FOLDER, NO_READER, main
from napari_medrefine.photos import write_image

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell closes the streams")
MEDREFINE = f"'{sys.executable}' -m napari_medrefine.cli"


@pytest.fixture(autouse=True)
def folder(tmp_path, tissue, monkeypatch):
    """A folder with two photos, in which the commands are typed."""
    monkeypatch.chdir(tmp_path)
    write_image("a_4x.png", tissue(200, 240))
    write_image("b_4x.png", tissue(200, 240, 1))
    return tmp_path


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_keeps_nothing_from_being_done(closed):
    asked = f"{MEDREFINE} prepare . -o q --tile 32 --objective 4 {closed}"
    done = subprocess.run(["/bin/sh", "-c", asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert any(Path("q").rglob("*.png"))


def test_it_is_told_that_nobody_reads_what_is_printed():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        ["/bin/sh", "-c", f"{MEDREFINE} prepare . -o q --tile 32 --objective 4"],
        stdout=write, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(write)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"medrefine: {NO_READER}"


def test_it_is_told_that_the_working_folder_is_gone(folder, monkeypatch, capsys):
    (folder / "gone").mkdir()
    monkeypatch.chdir(folder / "gone")
    (folder / "gone").rmdir()
    assert main(["magnify", "../a_4x.png", "-o", "a.ome.zarr"]) == 1
    assert capsys.readouterr().err == f"medrefine: {NO_FOLDER}\n"
