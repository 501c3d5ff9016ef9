"""Make the README's screenshots: the procedural slide, the widgets driven as a person would.

xvfb-run -a -s "-screen 0 1280x800x24" python docs/make_screenshots.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from unittest.mock import patch

import napari
import numpy as np
from napari.layers import Layer
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_medrefine.learning import learn_steps
from napari_medrefine.photos import write_image
from napari_medrefine.samples import demo_photos, sample_layers
from napari_medrefine.superres.learning_events import LearningConfig
from napari_medrefine.widgets import _learning

IMAGES = Path(__file__).parent / "images"
PLUGIN = "napari-medrefine"
SIZE = (1280, 720)
BATCHES = 12  # of learning
LARGEST = 400_000  # bytes of a picture in the README


def settle(seconds: float = 0.8) -> None:
    """Let napari draw."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.02)


def finish(widget) -> None:
    """Wait until the widget's job is over, and print what it says."""
    while widget.job.running:
        settle(0.05)
    print(widget.job.message.value)


def shoot(viewer, name: str) -> None:
    """Write the window as a picture of 256 colours, which is enough and a third the size."""
    settle()
    window = viewer.screenshot(canvas_only=False, flash=False)[..., :3]
    path = IMAGES / name
    Image.fromarray(window).quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path} {window.shape[1]} x {window.shape[0]}, {size / 1000:.0f} kB")
    if size > LARGEST:
        sys.exit(f"{path} is too large for the README")


def register(viewer) -> None:
    """Lay a 40x and a 10x photo on the 4x, and fade them."""
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Register")
    widget.job.start.native.click()
    finish(widget)
    widget.fields.value = [viewer.layers["slide 40x 1"]]
    widget.outline.native.click()
    widget.opacity.value = 0.6
    viewer.layers["slide 10x 1"].visible = False
    viewer.fit_to_view(layers=[viewer.layers["slide 40x 1"]], margin=0.3)
    widget.job.start.native.click()  # once more, for its words on the picture
    finish(widget)
    shoot(viewer, "register.png")
    viewer.layers["slide 40x 1 · outline"].visible = False
    widget.opacity.value = 1.0
    viewer.window.remove_dock_widget(dock)


def compare(viewer) -> None:
    """Swipe the 40x photo over the 4x, and read the pixels under the mouse."""
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Compare")
    viewer.fit_to_view(layers=[viewer.layers["slide 40x 1"]], margin=0.15)
    widget.pair.first.value = viewer.layers["slide 40x 1"]
    widget.pair.second.value = viewer.layers["slide 4x"]
    widget.sections["See"].mode.value = "swipe"
    widget.folds["Pixel values"].button.native.click()
    section = widget.sections["Pixel values"]
    section.inspect.native.click()
    for _ in range(2):
        section.across.value -= 20
        section.keep.native.click()
    section.down.value += 30
    shoot(viewer, "compare.png")
    section.inspect.native.click()
    viewer.window.remove_dock_widget(dock)


def magnify(viewer):
    """Magnify a part of the 4x in a rectangle that is half on the 40x photo, half beside it."""
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Magnify & sharpen")
    field, overview = viewer.layers["slide 40x 1"], viewer.layers["slide 4x"]
    height, width = field.data.shape[:2]
    corner = overview.world_to_data(field.data_to_world((0, width)))
    widget.region.value = "rectangle"
    widget.draw.native.click()
    drawn = widget.rectangles.value
    low, high = np.add(corner, (5, -1)), np.add(corner, (5 + height / 12, 70))
    drawn.add_rectangles(np.array([low, high]))
    drawn.mode = "pan_zoom"
    drawn.edge_width = 0.6
    widget.scale.value, widget.realism.value = 10.0, 1.0
    widget.job.start.native.click()
    finish(widget)
    viewer.scene.camera.center = (0, *overview.data_to_world((low + high) / 2 - (0, 20)))
    viewer.scene.camera.zoom = 4.2
    shoot(viewer, "magnify.png")
    return dock


def measure(viewer) -> None:
    """Say how good the magnified 4x is under the registered 40x."""
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Compare")
    for title in ("See", "Measure"):
        widget.folds[title].button.native.click()
    section = widget.sections["Measure"]
    section.here.native.click()
    finish(section)
    viewer.fit_to_view(layers=[viewer.layers["slide 40x 1"]], margin=0.2)
    settle()
    bar = widget.body.native.parent().parent().verticalScrollBar()
    bar.setValue(bar.maximum())
    shoot(viewer, "measure.png")


def learn(viewer, folder: Path) -> None:
    """Learn from two 40x photos; from few batches, since a picture needs no good weights."""
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Register")
    widget.job.start.native.click()
    finish(widget)
    viewer.window.remove_dock_widget(dock)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Compare")
    for title in ("See", "Learn"):
        widget.folds[title].button.native.click()
    section = widget.sections["Learn"]
    section.output.value = folder / "slide-4x-learned-1"
    few = LearningConfig(steps=BATCHES, every=BATCHES // 3)
    with patch.object(_learning, "learn_steps", partial(learn_steps, config=few)):
        section.job.start.native.click()
        finish(section)
    shoot(viewer, "learn.png")


def atlas(viewer, folder: Path) -> None:
    """Put the photos of three slides in order, and show what is missing."""
    for seed in (0, 3, 5):
        overview, fields = demo_photos(seed)
        for photo, name in zip(
            (overview, *fields), ("4x", "10x_1", "10x_2", "40x_1", "40x_2"), strict=True
        ):
            write_image(folder / f"slide{seed}_{name}.png", photo.image, pixel_um=photo.pixel_um)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Atlas")
    settle()
    widget.photos.value = folder
    finish(widget)  # it looks into the folder first
    widget.job.start.native.click()
    finish(widget)
    widget.missing.value = True
    viewer.reset_view()
    shoot(viewer, "atlas.png")


def sample_viewer(without: tuple[str, ...]):
    """Open the sample slide, without some of its photos."""
    viewer = napari.Viewer()
    viewer.window.resize(*SIZE)
    for photo in sample_layers():
        if photo[1]["name"] not in without:
            viewer.add_layer(Layer.create(*photo))
    return viewer


def main() -> None:
    """Open the sample slide and make every picture."""
    IMAGES.mkdir(exist_ok=True)
    viewer = napari.Viewer()
    viewer.window.resize(*SIZE)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "photos").mkdir()
        atlas(viewer, Path(folder) / "photos")
        viewer.close()
    viewer = sample_viewer(without=("slide 10x 2", "slide 40x 2"))
    register(viewer)
    compare(viewer)
    dock = magnify(viewer)
    viewer.window.remove_dock_widget(dock)
    measure(viewer)
    viewer.close()
    viewer = sample_viewer(without=("slide 10x 1", "slide 10x 2"))
    with tempfile.TemporaryDirectory() as folder:
        learn(viewer, Path(folder))
        viewer.close()


if __name__ == "__main__":
    main()
