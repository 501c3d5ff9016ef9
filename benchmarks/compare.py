"""How fast the Compare widget follows the mouse: milliseconds per move on a 1024 x 1024 canvas.

xvfb-run -a -s "-screen 0 1920x1400x24" python benchmarks/compare.py [--moves N]

A registered photo (turned, ten times finer) on an overview is swiped, looked at through the loupe
and panned. A move is timed from the new position to the end of napari's refresh; beside it stands
napari's own `layer.refresh()` of an image of the same size, which is what a move costs that changes
nothing else. The third number is the processor time of the thread, which other programs on the
machine do not change. "drawn" adds the drawing of the canvas, which is the graphics card's (or,
under xvfb, Mesa's: seconds of all cores).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import napari
import numpy as np
from qtpy.QtWidgets import QApplication
from skimage.data import immunohistochemistry

SIDE = 1024
LIMIT = 16.0  # ms: a screen of 60 pictures a second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--moves", type=int, default=100)
    moves = parser.parse_args().moves
    viewer, widget = opened()
    canvas = viewer.canvas.size
    print(f"canvas {canvas[0]} x {canvas[1]}, {moves} moves; ms: median, 95 %, thread's own")
    plain = viewer.add_image(
        np.zeros((*canvas, 4), np.uint8), rgb=True, name="plain", units=("um", "um")
    )
    report("napari's layer.refresh() alone", lambda _: plain.refresh(), moves)
    report("napari's layer.refresh(), drawn", lambda _: drawn(plain.refresh), moves)
    viewer.layers.remove(plain)
    see = widget.sections["See"]

    see.mode.value = "swipe"
    settle()
    swipe = see.modes["swipe"]

    def slide(k: int) -> None:
        swipe.position.value = 0.5 + 0.4 * np.sin(k / 8)

    median, late = report("swipe, sliding", slide, moves)
    random = np.random.default_rng(0).random(moves)
    report("swipe, jumping", lambda k: setattr(swipe.position, "value", random[k]), moves)
    report("swipe, sliding, drawn", lambda k: drawn(lambda: slide(k)), moves)
    report("the view rendered anew (pan, zoom)", lambda _: swipe.redraw(), max(10, moves // 5))

    see.mode.value = "loupe"
    settle()
    loupe = see.modes["loupe"]
    places = np.random.default_rng(1).uniform(0.1, 0.9, (moves, 2)) * canvas
    world = [np.add(loupe.scene.view.first, p * loupe.scene.view.step) for p in places]
    for each in viewer.mouse_move_callbacks:
        if getattr(each, "__self__", None) is loupe:
            follow = each
    report("loupe", lambda k: follow(viewer, At(world[k])), moves)
    see.mode.value = "off"
    viewer.close()
    verdict = "kept" if median <= LIMIT else "MISSED"
    print(f"{LIMIT:.0f} ms per move: {verdict} (median {median:.1f}, 95 % {late:.1f})")


class At:
    """A mouse event at a place of the world."""

    def __init__(self, position: np.ndarray) -> None:
        self.position = position


def opened() -> tuple[napari.Viewer, object]:
    viewer = napari.Viewer()
    viewer.window.resize(1700, 1200)
    photo = np.tile(immunohistochemistry(), (4, 4, 1))
    angle = np.deg2rad(3)
    turned = np.array([[np.cos(angle), -np.sin(angle), 150], [np.sin(angle), np.cos(angle), 150]])
    um = {"units": ("um", "um")}
    viewer.add_image(photo, rgb=True, name="4x", scale=(1.25, 1.25), **um)
    field = viewer.add_image(
        photo, rgb=True, name="40x", scale=(0.125, 0.125), affine=[*turned, [0, 0, 1]], **um
    )
    _, widget = viewer.window.add_plugin_dock_widget("napari-medrefine", "Compare")
    settle()
    height, width = viewer.canvas.size
    viewer.window.resize(1700 + SIDE - width, 1200 + SIDE - height)
    settle()
    viewer.fit_to_view(layers=[field], margin=0.0)
    settle()
    return viewer, widget


def drawn(change: Callable[[], object]) -> None:
    """Do something and wait until the canvas has been drawn anew."""
    change()
    QApplication.processEvents()


def settle(seconds: float = 1.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def report(what: str, move: Callable[[int], object], moves: int) -> tuple[float, float]:
    times = []
    for k in range(moves):
        wall, busy = time.perf_counter(), time.thread_time()
        move(k)
        times.append((time.perf_counter() - wall, time.thread_time() - busy))
    median, computing = 1000 * np.median(times, 0)
    late = 1000 * np.quantile(times, 0.95, 0)[0]
    print(f"{what:40s} {median:7.1f} {late:7.1f} {computing:7.1f}")
    return float(median), float(late)


if __name__ == "__main__":
    main()
