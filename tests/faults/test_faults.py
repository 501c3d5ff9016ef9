"""Killed, disk full, folder gone, out of memory: a selection of what `benchmarks/faults.py` does.

All jobs and more moments are in that script; `benchmarks/faults.md` is what it saw.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="FAULTS UNTESTED: they are caused as on Linux"
)


@pytest.fixture(scope="module")
def faults() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import faults

        yield faults  # the path stays: since Python 3.14 a fork server takes it from here


@pytest.fixture(scope="module")
def bench(faults: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Return a job with its input, and how its output should be; made once."""
    known: dict[str, Any] = {}

    def of(name: str) -> Any:
        if name not in known:
            known[name] = faults.Bench(name, tmp_path_factory.mktemp("faults") / "place")
        return known[name]

    return of


@pytest.fixture(scope="module")
def small_disk(faults: ModuleType) -> None:
    if not faults.can_mount():
        pytest.skip("NO FULL DISK: only root may mount one; run as root or with sudo")


KILLED = ("prepare", "train", "slides as OME-Zarr", "placement", "OME-Zarr", "dataset of layers",
          "report")  # fmt: skip


@pytest.mark.parametrize("name", KILLED)
def test_killed_at_any_moment(faults, bench, name):
    rng = np.random.default_rng(len(name))
    for _ in range(2):
        case = faults.killed(bench(name), rng)
        assert not case.wrong, case


@pytest.mark.parametrize("name", ["prepare", "train", "OME-Zarr", "slides as OME-TIFF"])
def test_the_disk_is_full(faults, bench, small_disk, name):
    case = faults.filled(bench(name), 0.5)
    assert "the disk is full; free about" in case.seen or "MB are left" in case.seen
    assert not case.wrong, case


@pytest.mark.parametrize(
    ("name", "comes_back"), [("prepare", True), ("prepare", False), ("slides as OME-Zarr", True)]
)
def test_its_folder_vanishes(faults, bench, name, comes_back):
    case = faults.vanished(bench(name), np.random.default_rng(1), comes_back=comes_back)
    assert not case.wrong, case


@pytest.mark.parametrize("name", ["prepare", "train"])
def test_memory_runs_out(faults, bench, name):
    case = faults.starved(bench(name), 4)
    assert "There is not enough memory" in case.seen
    assert not case.wrong, case
