"""napari is closed, or Cancel pressed, in the middle of a job: nothing of it goes on or is left."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from qtpy.QtCore import QThreadPool
from skimage.data import immunohistochemistry

from napari_medrefine.superres.generator import Trunk
from napari_medrefine.widgets.magnify import MagnifyWidget

PHOTO = np.tile(immunohistochemistry(), (2, 2, 1))
MODES = ("view", "whole", "follow", "disk")


@pytest.fixture
def held(monkeypatch):
    """Hold the network in the middle of a tile, until it is let go."""
    inside, go_on = threading.Event(), threading.Event()
    real = Trunk.residual

    def residual(self, shades, scale):
        if shades.shape[-1] > 128:  # what tells how a photo was made is smaller
            inside.set()
            go_on.wait(60)
        return real(self, shades, scale)

    monkeypatch.setattr(Trunk, "residual", residual)
    yield inside, go_on
    go_on.set()


def begin(viewer, out, monkeypatch, mode):
    """Start magnifying in a docked widget; return it."""
    monkeypatch.setattr("napari_medrefine.widgets.magnify.ask_save_path", lambda *_: out)
    layer = viewer.add_image(PHOTO, rgb=True, name="s")
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 500, 500), 4
    widget = MagnifyWidget(viewer)
    widget.layer.choose([layer])
    widget.region.value = mode
    widget.job.start.native.click()
    assert widget.job.running, widget.job.message.value
    return widget


def nothing_runs():
    mine = [t for t in threading.enumerate() if t.name.startswith("medrefine")]
    return QThreadPool.globalInstance().activeThreadCount() == 0 and not mine


@pytest.mark.parametrize("mode", MODES)
def test_closing_the_viewer_ends_the_job(real_viewer, mode, held, tmp_path, monkeypatch, qtbot):
    inside, go_on = held
    out = tmp_path / "x.ome.zarr"
    widget = begin(real_viewer, out, monkeypatch, mode)
    real_viewer.window.add_dock_widget(widget, name="Magnify")
    qtbot.waitUntil(inside.is_set, timeout=60_000)
    before = len(real_viewer.layers)
    real_viewer.close()
    go_on.set()
    qtbot.waitUntil(nothing_runs, timeout=20_000)
    assert len(real_viewer.layers) <= before
    assert not out.exists()
    chunks = [*tmp_path.rglob("c/0/*/*")]
    assert not chunks  # it was held in the first block, which was not finished then


@pytest.mark.parametrize("mode", MODES)
def test_cancel_stops_within_a_tile(viewer, mode, held, tmp_path, monkeypatch, qtbot):
    """Cancel does not wait for the tile: the network looks up between its layers."""
    inside, go_on = held
    layers = []
    real = torch.nn.functional.relu_
    monkeypatch.setattr(
        torch.nn.functional, "relu_", lambda features: (layers.append(1), real(features))[1]
    )
    viewer.canvas.size = (600, 600)
    widget = begin(viewer, tmp_path / "x.ome.zarr", monkeypatch, mode)
    qtbot.waitUntil(inside.is_set, timeout=60_000)
    widget.job.cancel.native.click()
    done = len(layers)
    go_on.set()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=20_000)
    assert len(layers) == done  # of six blocks none was begun
    assert "topped" in widget.job.message.value
    qtbot.waitUntil(nothing_runs, timeout=20_000)


def test_cancel_does_not_wait_for_torch_to_be_imported(viewer, tmp_path, monkeypatch, qtbot):
    importing, go_on = threading.Event(), threading.Event()

    def import_module(_):
        importing.set()
        go_on.wait(30)

    monkeypatch.delitem(sys.modules, "napari_medrefine.superres.models")
    monkeypatch.setattr("napari_medrefine.widgets._jobs.import_module", import_module)
    widget = begin(viewer, tmp_path / "x.ome.zarr", monkeypatch, "whole")
    qtbot.waitUntil(importing.is_set, timeout=20_000)
    widget.job.cancel.native.click()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=10_000)
    go_on.set()


def test_a_process_whose_viewer_is_closed_ends(real_viewer, tmp_path):
    """A napari of its own, closed in the middle, as a user would."""
    real_viewer.close()  # only for its skip where there is no display
    out = tmp_path / "x.ome.zarr"
    code = f"""
        import sys
        from pathlib import Path
        import napari
        import numpy as np
        from qtpy.QtCore import QTimer
        from skimage.data import immunohistochemistry
        from napari_medrefine.widgets import magnify

        magnify.ask_save_path = lambda *_: Path({str(out)!r})
        viewer = napari.Viewer()
        viewer.add_image(np.tile(immunohistochemistry(), (3, 3, 1)), rgb=True)
        widget = magnify.MagnifyWidget(viewer)
        viewer.window.add_dock_widget(widget, name="Magnify")
        widget.region.value = "disk"
        widget.job.start.native.click()

        def close_when_something_is_written():
            if any(Path({str(tmp_path)!r}).rglob("c/0/*/*")):
                timer.stop()
                viewer.close()

        timer = QTimer()
        timer.timeout.connect(close_when_something_is_written)
        timer.start(20)
        napari.run()
        print("closed", flush=True)
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        check=False, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("closed\n")
    assert "Traceback" not in ended.stderr
    assert not out.exists()
    assert Path(f"{out}.part").is_dir()
    assert not list(tmp_path.rglob("*.partial"))
