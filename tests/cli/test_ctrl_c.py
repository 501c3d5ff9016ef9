"""Ctrl-C and SIGTERM: one sentence, no traceback, nothing half-written that looks whole."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from skimage.data import immunohistochemistry

from napari_medrefine.cli import main
from napari_medrefine.photos import write_image

LONG_S = 120


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo_10x.png"
    write_image(path, np.tile(immunohistochemistry(), (4, 4, 1)), pixel_um=1.0)
    return path


def interrupted(
    when, *arguments: str, by: signal.Signals = signal.SIGINT
) -> tuple[int, str, float]:
    """Run the command, interrupt it `when` it has come that far; return how it ended."""
    # Who runs us in the background may have had it ignored, and a child would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "napari_medrefine.cli", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    signal.signal(signal.SIGINT, before)
    began = time.monotonic()
    while not when(process.pid):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - began < LONG_S
        time.sleep(0.02)
    process.send_signal(by)
    asked = time.monotonic()
    out, error = process.communicate(timeout=LONG_S)
    assert out == ""
    assert "Traceback" not in error
    last = error.splitlines()[-1]  # other packages may have warned before, as they were imported
    return process.returncode, last, time.monotonic() - asked


def has_loaded_torch(pid: int) -> bool:
    """Whether a process is that far, as far as the system tells."""
    maps = Path(f"/proc/{pid}/maps")
    if not maps.exists():
        time.sleep(10)
        return True
    return "libtorch_cpu" in maps.read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child process")
def test_a_slide_to_disk(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "x4.ome.zarr"
    part = Path(f"{out}.part")
    asked = ("magnify", str(photo), "--scale", "4", "-o", str(out))
    ended = interrupted(lambda _: any(part.rglob("c/0/*/*")), *asked)
    assert ended[:2] == (130, "medrefine: stopped")
    assert part.is_dir()
    assert not out.exists()
    assert not list(part.rglob("*.partial"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child process")
@pytest.mark.parametrize(("by", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_photo(photo: Path, tmp_path: Path, by: signal.Signals, status: int) -> None:
    out = tmp_path / "x4.png"
    asked = ("magnify", str(photo), "--scale", "4", "-o", str(out))
    ended = interrupted(has_loaded_torch, *asked, by=by)
    assert ended[:2] == (status, "medrefine: stopped")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo_10x.png"]


def test_who_handles_sigterm_itself_goes_on_doing_so(tmp_path: Path) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        assert main(["verify", str(tmp_path / "missing.png")]) == 1
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]
