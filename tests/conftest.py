"""Where tests find the real photos, and a display for the widgets.

Where the photos are missing, a loud skip; where there is no display, Qt's offscreen one, without
OpenGL.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

DATA = Path(os.environ.get("MEDREFINE_DATA", Path(__file__).parents[2] / "shared" / "data"))


def _folder(name: str) -> Path:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(
            f"REAL PHOTOS MISSING: {name} is not in {DATA}; set MEDREFINE_DATA to its folder"
        )
    return folder


@pytest.fixture(scope="session")
def photos44() -> Path:
    """Folder of the 44 real photos with exact truth (truth.json)."""
    return _folder("photos44")


@pytest.fixture(scope="session")
def fields_dir() -> Path:
    """Folder of the real super-resolution fields, `train/` and `test/` by slide."""
    return _folder("fields")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Go on without OpenGL where pytest-xvfb could start no display."""
    _load_triton()
    if not _has_display():
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def _load_triton() -> None:
    """Load what a torch for CUDA compiles with before anything draws.

    Its LLVM may crash when it comes after that of software OpenGL. Widgets train in a process of
    their own; some of their tests in this one.
    """
    with suppress(ImportError):
        import_module("triton")


def _has_display() -> bool:
    shown = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform != "linux" or bool(shown)


@pytest.fixture(scope="session")
def sample_photos():
    """The procedural slide's overview and fields: they take some seconds to draw, once."""
    from napari_medrefine.samples import demo_photos

    return demo_photos()


@pytest.fixture
def viewer(qapp):
    """napari's model of a viewer, without a window."""
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def has_display():
    """Skip, saying so, where a real napari window cannot be shown: it needs OpenGL."""
    if not _has_display():
        pytest.skip("NO DISPLAY: a real napari window needs one; install Xvfb (package xvfb)")


@pytest.fixture
def real_viewer(request, has_display):
    """A real napari window; needs OpenGL, and so a display."""
    return request.getfixturevalue("make_napari_viewer")()


@pytest.fixture
def wait(qtbot):
    """Wait until a panel's job is over."""

    def until_over(panel, seconds=180):
        qtbot.waitUntil(lambda: not panel.running, timeout=seconds * 1000)

    return until_over


@pytest.fixture
def tissue():
    """A blurred random RGB image, uint8, of any size: enough for geometry."""

    def make(height, width, seed=0):
        from scipy import ndimage

        noise = np.random.default_rng(seed).normal(size=(height, width, 3))
        smooth = ndimage.gaussian_filter(noise, (3, 3, 0))
        return np.clip(128 + 300 * smooth, 0, 255).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def _cluster():
    distributed = pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster


@pytest.fixture
def client(_cluster):
    """A client of a cluster of two worker processes; one that is killed is replaced."""
    distributed = pytest.importorskip("distributed")
    with distributed.Client(_cluster, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.fixture
def broken_python(tmp_path, monkeypatch):
    """Put something in the place of Python that ends at once, as a broken one does."""
    from multiprocessing import spawn

    if sys.platform == "win32":
        pytest.skip("written for a POSIX shell")
    script = tmp_path / "python-without-library"
    script.write_text(
        "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'encodings'\" >&2\nexit 1\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(spawn, "get_executable", lambda: str(script))
