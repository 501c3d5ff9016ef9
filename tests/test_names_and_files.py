"""Files: whole or not there, and under names that every system takes."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medrefine import _atomic
from napari_medrefine._atomic import going_on, replacing, write_bytes
from napari_medrefine._names import safe_name
from napari_medrefine._paths import MOST, SMALL
from napari_medrefine.atlas import load_atlas
from napari_medrefine.cli.atlas import read_objectives
from napari_medrefine.dataset.manifest import load_manifest
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.pyramid_writer import replacing_folder
from napari_medrefine.io.session import read_session
from napari_medrefine.registration import Placement
from napari_medrefine.registration.exchange.text import read_json


@given(st.text(max_size=40))
def test_a_safe_name_is_one_on_every_system_and_stays_as_it_is(text: str) -> None:
    name = safe_name(text)
    assert name
    assert not set(name) & set('<>:"/\\|?*\0')
    assert name == name.rstrip(" .")
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [("CON", "_CON"), ("nul.tif", "_nul.tif"), ("com1 .x", "_com1 .x"), ("a:b/c", "a_b_c"),
     ("..", "file"), ("console", "console"), ("Leber 4x · Mitte", "Leber 4x · Mitte")],
)  # fmt: skip
def test_what_windows_takes_for_something_else(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_the_folder_is_synced_after_the_file(tmp_path: Path, monkeypatch) -> None:
    synced = []
    real = os.fsync

    def note(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        real(handle)

    monkeypatch.setattr("napari_medrefine._atomic.os.fsync", note)
    write_bytes(tmp_path / "a.json", b"{}")
    assert synced == [(tmp_path / "a.json").stat().st_ino, tmp_path.stat().st_ino]


def test_all_of_a_folder_is_synced_before_the_one_it_replaces_is_gone(
    tmp_path: Path, monkeypatch
) -> None:
    target, synced = tmp_path / "a.ome.zarr", set()
    (target / "old").mkdir(parents=True)
    (target / "zarr.json").write_text("{}")
    real = os.fsync

    def note(handle: int) -> None:
        if (target / "old").exists():
            synced.add(os.fstat(handle).st_ino)
        real(handle)

    monkeypatch.setattr("napari_medrefine._atomic.os.fsync", note)
    with replacing_folder(target) as part:
        (part / "0" / "c").mkdir(parents=True)
        for name in ("zarr.json", "0/zarr.json", "0/c/0"):
            (part / name).write_text("{}")
    everything = [target, *target.rglob("*")]
    assert len(everything) == 6
    assert {path.stat().st_ino for path in everything} <= synced


def test_a_file_that_a_scanner_has_open_is_waited_for(tmp_path: Path, monkeypatch) -> None:
    real, tries = Path.replace, []

    def held(self: Path, target: Path) -> Path:
        tries.append(target)
        if len(tries) < 3:
            raise PermissionError(errno.EACCES, "in use")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", held)
    with pytest.raises(MedRefineError, match="in use"):
        write_bytes(tmp_path / "a", b"1")
    tries.clear()
    monkeypatch.setattr(_atomic, "_WINDOWS", True)
    write_bytes(tmp_path / "a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"
    assert len(tries) == 3


def test_what_a_kill_left_is_removed_a_day_later(tmp_path: Path) -> None:
    old, new = (tmp_path / f".medrefine-{n * 16}.part" for n in "ab")
    mine = tmp_path / ".medrefine-mine.txt"
    for path in (old, new, mine):
        path.write_text("half")
    folder = tmp_path / ".medrefine-abcd1234.part"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "chunk").write_text("half")
    long_ago = time.time() - 2 * 24 * 3600
    for path in (old, mine, folder / "1", folder):
        os.utime(path, (long_ago, long_ago))
    write_bytes(tmp_path / "a", b"1")
    assert {path.name for path in tmp_path.iterdir()} == {new.name, mine.name, folder.name, "a"}


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "the disk is full; free about 1 MB, and start again."),
        (errno.EFBIG, "takes no files as large as this"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_why_a_file_cannot_be_written(tmp_path: Path, monkeypatch, number: int, says: str) -> None:
    def failing(_: int) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / "a").write_bytes(b"before")
    monkeypatch.setattr("napari_medrefine._atomic.os.fsync", failing)
    with pytest.raises(MedRefineError, match=says):
        write_bytes(tmp_path / "a", b"1")
    monkeypatch.undo()
    assert (tmp_path / "a").read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_a_folder_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(MedRefineError, match=r"the folder .*there is not there; bring it back"):
        write_bytes(tmp_path / "there" / "a", b"1")


def test_a_job_that_goes_on_says_how_much_is_missing(tmp_path: Path) -> None:
    (tmp_path / "half").write_bytes(b"0" * 3_000_000)

    def work() -> None:
        with going_on(tmp_path) as share, replacing(tmp_path / "a"):
            share[0] = 0.25
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(MedRefineError, match=r"free about 9 MB, and start again: it goes on"):
        work()
    with pytest.raises(MedRefineError, match=r"^Something else\.$"), going_on(tmp_path):
        raise MedRefineError("Something else.")


READ_WHOLE = [
    (load_atlas, MOST), (load_manifest, MOST), (read_session, MOST),
    (Placement.load, SMALL), (read_json, SMALL), (read_objectives, SMALL),
]  # fmt: skip


@pytest.mark.parametrize(("read", "most"), READ_WHOLE)
def test_what_is_read_whole_has_an_end(
    tmp_path: Path, read: Callable[[Path], object], most: int
) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(most + 1)
    with pytest.raises(MedRefineError, match=rf"Cannot read .*a\.json: it is too large .*{most:,}"):
        read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
@pytest.mark.parametrize("read", [read for read, _ in READ_WHOLE])
def test_a_pipe_is_not_waited_for(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(MedRefineError, match=r"Cannot read .*a\.json: it is a pipe"):
        read(tmp_path / "a.json")
