"""Make the pictures of docs/first-minute.md: the tour, driven by its own button.

xvfb-run -a -s "-screen 0 1280x800x24" python docs/make_tour_screenshots.py
"""

from __future__ import annotations

import napari
from make_screenshots import IMAGES, PLUGIN, SIZE, settle, shoot

from napari_medrefine.widgets.first_minute import COMPARE, FADE, MAGNIFY, STOPS


def press(widget) -> None:
    """Press the tour's button, and wait until the tour has gone on."""
    stop = widget._at
    widget.job.start.native.click()
    while widget._at == stop:
        settle(0.05)
    settle()


def main() -> None:
    """Take the tour, and a picture at every stop that shows something new."""
    IMAGES.mkdir(exist_ok=True)
    viewer = napari.Viewer()
    viewer.window.resize(*SIZE)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "First minute")
    for stop in range(len(STOPS)):
        press(widget)
        if stop == FADE:
            widget.opacity.value = 0.5
        if stop == MAGNIFY:
            widget.opacity.value = 1.0
        if stop in (FADE, MAGNIFY, COMPARE):
            shoot(viewer, f"tour-{STOPS[stop].title.lower()}.png")
    viewer.close()


if __name__ == "__main__":
    main()
