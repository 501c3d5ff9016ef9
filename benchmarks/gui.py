"""How long napari stands still in a job, how long Cancel takes, when the first pixels are there.

usage: python benchmarks/gui.py          (needs a display, or xvfb-run with OpenGL)

A timer of 2 ms in the graphical interface's thread tells how long that thread was busy or held up.
Beside it: what napari alone takes to add a layer of the same size, all at once (ours come in turns:
`widgets/_adding.py`), and to show once more what it shows already. `most CPU` is what the thread
itself computed between two ticks: other programs do not count there, but a machine that is slow for
a while does.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import napari
import numpy as np
from napari.layers import Layer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication
from skimage.data import immunohistochemistry

from napari_medrefine.photos import write_image
from napari_medrefine.samples import sample_layers
from napari_medrefine.widgets import magnify
from napari_medrefine.widgets.atlas import AtlasWidget
from napari_medrefine.widgets.magnify import MagnifyWidget
from napari_medrefine.widgets.register import RegisterWidget

PHOTO = np.tile(immunohistochemistry(), (2, 2, 1))
LONG = 0.05
REGIONS = {"view": "the part in view", "whole": "the whole layer", "disk": "to disk"}


@dataclass
class Ticks:
    """What a timer saw while something ran."""

    gaps: list[float] = field(default_factory=list)
    computed: list[float] = field(default_factory=list)

    def during(self, run: Callable[[], object], over: Callable[[], bool]) -> float:
        """Start something, wait until it is over, and return the seconds."""
        timer = QTimer()
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        last = [time.perf_counter(), time.thread_time()]

        def tick() -> None:
            now = time.perf_counter(), time.thread_time()
            self.gaps.append(now[0] - last[0])
            self.computed.append(now[1] - last[1])
            last[:] = now

        timer.timeout.connect(tick)
        timer.start(2)
        began = time.perf_counter()
        run()
        wait(over)
        seconds = time.perf_counter() - began
        wait(lambda: time.perf_counter() - began > seconds + 0.5)  # what is drawn afterwards
        timer.stop()
        return seconds

    def __str__(self) -> str:
        longest = sorted(self.gaps, reverse=True)
        many = sum(gap > LONG for gap in longest)
        return (
            f"longest {1e3 * longest[0]:4.0f} ms, {many:2d} above 50 ms "
            f"({', '.join(f'{1e3 * gap:.0f}' for gap in longest[: min(many, 6)])}); "
            f"most CPU {1e3 * max(self.computed):4.0f} ms"
        )


def wait(until: Callable[[], bool], most: float = 120) -> None:
    """Handle events until something is so."""
    end = time.perf_counter() + most
    while not until() and time.perf_counter() < end:
        QApplication.processEvents()
        time.sleep(0.0005)


def job(viewer: napari.Viewer, widget: MagnifyWidget, region: str, label: str) -> None:
    """Measure one job from start to end."""
    widget.region.value = region
    ticks = Ticks()
    seconds = ticks.during(widget.job.start.native.click, lambda: not widget.job.running)
    print(f"{label:34s} {seconds:5.1f} s; {ticks}", flush=True)
    clear(viewer)


def cancelled(viewer: napari.Viewer, widget: MagnifyWidget, region: str) -> None:
    """Measure Cancel in the middle of a job."""
    widget.region.value = region
    widget.job.start.native.click()
    wait(lambda: widget.job.message.value.startswith(("magnify", "Writing", "Magnifying")))
    rest(0.4)
    began = time.perf_counter()
    widget.job.cancel.native.click()
    wait(lambda: not widget.job.running)
    seconds = time.perf_counter() - began
    print(f"Cancel, {REGIONS.get(region, 'the view, followed'):26s} {seconds:5.2f} s", flush=True)
    clear(viewer)


def followed(viewer: napari.Viewer, widget: MagnifyWidget, label: str) -> None:
    """Measure when the first pixels of what is in view are there, then pan."""
    widget.region.value = "follow"
    ticks = Ticks()

    def some() -> bool:
        return bool(len(viewer.layers) > 1 and viewer.layers[1].data[..., 3].any())

    first = ticks.during(widget.job.start.native.click, some)
    viewer.scene.camera.center = (0, 620, 560)
    wait(lambda: widget.job.message.value.startswith("All in view"))
    widget.job.cancel.native.click()
    wait(lambda: not widget.job.running)
    print(f"{label:34s} first pixels {first:5.2f} s; {ticks}", flush=True)
    clear(viewer)


def registered() -> None:
    """Measure Register with the photos of the sample slide, all in one corner, in a new window."""
    viewer = napari.Viewer()
    for photo in sample_layers():
        viewer.add_layer(Layer.create(*photo))
    widget = RegisterWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Register")
    overview, *fields = viewer.layers
    widget.overview.choose([overview])
    widget.fields.choose(fields)
    rest(1)
    ticks = Ticks()
    seconds = ticks.during(widget.job.start.native.click, lambda: not widget.job.running)
    print(f"{f'Register, {len(fields)} fields':34s} {seconds:5.1f} s; {ticks}", flush=True)
    viewer.close()


def assembled(folder: Path) -> None:
    """Measure Put in order with the photos of the sample slide, in a new window."""
    for image, options, _ in sample_layers():
        pixel_um = options["scale"][0]
        write_image(folder / f"{options['name'].replace(' ', '_')}.png", image, pixel_um=pixel_um)
    viewer = napari.Viewer()
    widget = AtlasWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Atlas")
    widget.photos.value = folder
    rest(2)
    ticks = Ticks()
    seconds = ticks.during(widget.job.start.native.click, lambda: not widget.job.running)
    print(f"{f'Atlas, {len(viewer.layers)} layers':34s} {seconds:5.1f} s; {ticks}", flush=True)
    viewer.close()


def shown_again(viewer: napari.Viewer) -> None:
    """Measure napari alone when what it shows is put on the screen once more."""
    fine = np.zeros((4096, 4096, 4), np.uint8)
    layer = viewer.add_image([fine, fine[::2, ::2], fine[::4, ::4]], rgb=True, multiscale=True)
    rest(1)
    ticks = Ticks()
    for _ in range(5):
        ticks.during(lambda: layer.refresh(highlight=False, extent=False), lambda: True)
    print(f"{'napari alone shows it again, 5 times':34s}       {ticks}", flush=True)
    clear(viewer)


def clear(viewer: napari.Viewer) -> None:
    """Remove all layers but the photo."""
    for layer in list(viewer.layers)[1:]:
        viewer.layers.remove(layer)
    rest(0.5)


def rest(seconds: float) -> None:
    """Handle events for a while."""
    began = time.perf_counter()
    wait(lambda: time.perf_counter() - began > seconds)


def main() -> None:
    registered()
    assembled(Path(tempfile.mkdtemp()))
    viewer = napari.Viewer()
    viewer.add_image(PHOTO, rgb=True, name="photo")
    widget = MagnifyWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Magnify & sharpen")
    viewer.scene.camera.center = (0, 500, 500)
    viewer.scene.camera.zoom = min(viewer.canvas.size) / 250
    folder = Path(tempfile.mkdtemp())
    names = iter(range(100))
    magnify.ask_save_path = lambda *_: folder / f"{next(names)}.ome.zarr"
    rest(2)
    for side in (1000, 4096):
        ready, ticks = np.zeros((side, side, 3), np.uint8), Ticks()
        ticks.during(lambda ready=ready: viewer.add_image(ready, rgb=True), lambda: True)
        print(f"{f'napari alone adds {side} x {side}':34s}         {ticks}", flush=True)
        clear(viewer)
    shown_again(viewer)
    followed(viewer, widget, "very first run, imports torch")
    followed(viewer, widget, "the view, wherever it goes")
    for region, label in REGIONS.items():
        job(viewer, widget, region, label)
    for region in ("view", "whole", "disk", "follow"):
        cancelled(viewer, widget, region)
    viewer.close()


if __name__ == "__main__":
    main()
