"""In the middle of every job: windows close, layers go, and the result still lands where it must.

A gate holds each job in its middle, so that nothing here depends on how fast the machine is.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from qtpy.QtCore import QThreadPool

from napari_medrefine._hashing import digest
from napari_medrefine.atlas import Atlas, load_atlas
from napari_medrefine.atlas.record import PhotoRecord, save_atlas
from napari_medrefine.photos import write_image
from napari_medrefine.progress import Step
from napari_medrefine.registration import Placement
from napari_medrefine.superres.background import Stopped

PLUGIN = "napari-medrefine"
MATRIX = np.array([[0.1, 0.0, 3.0], [0.0, 0.1, 2.0], [0, 0, 1]])
SECONDS = 120_000  # milliseconds that anything here may take on a machine that does much else


class Gate:
    """Holds a job in its middle until it is opened, or the job is closed."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def shut(self) -> None:
        """Hold the next job."""
        self.reached.clear()
        self.opened.clear()

    def steps(self):
        """Report steps until the gate is opened."""
        self.reached.set()
        while not self.opened.is_set():
            yield Step(1, 2, "in the middle")
            self.opened.wait(0.005)

    def block(self) -> None:
        """Wait, as a network does that cannot be stopped."""
        self.reached.set()
        assert self.opened.wait(60)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.opened.set()  # or a test that failed would hang


@dataclass
class Scene:
    """A widget, how its job is begun, and the layers it works on."""

    widget: str
    begin: Callable[[Any, Any], None]
    source: str = ""  # the layer that the job works on


class Double:
    """Registers everything at `MATRIX`, through the gate."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def __call__(self, image):
        self._shape = np.asarray(image).shape[:2]
        return self

    def register_steps(self, field, **_):
        yield from self._gate.steps()
        return Placement(MATRIX, field.shape[:2], self._shape, True, "as it is", 0.9)


class Picture:
    """Twice the size of its source, behind the gate, in place of the network."""

    def __init__(self, gate: Gate, source: Any, recipe: Any) -> None:
        self._gate, self.source = gate, source
        self.shape = (*recipe.result_shape(source.shape), 3)
        self.dtype = np.dtype(np.uint8)
        self.told = (SimpleNamespace(levels=SimpleNamespace(white=255.0)),)

    def fingerprint(self) -> str:
        return "0" * 64

    def render(self, _top: int, _left: int, height: int, width: int) -> np.ndarray:
        self._gate.block()
        return np.full((height, width, 3), 7, np.uint8)

    def __getitem__(self, part: Any) -> np.ndarray:
        (top, bottom, _), (left, right, _) = (
            p.indices(n) for p, n in zip(part, self.shape, strict=False)
        )
        return self.render(top, left, bottom - top, right - left)


def photos(viewer, tissue) -> None:
    viewer.add_image(tissue(60, 80), rgb=True, name="s_4x", scale=(1.25, 1.25), units=("um", "um"))
    viewer.add_image(
        tissue(60, 80, 1), rgb=True, name="s_40x", scale=(0.125, 0.125), units=("um", "um")
    )


def register(widget, _viewer) -> None:
    widget.job.start.native.click()


def magnify(region: str) -> Callable[[Any, Any], None]:
    def begin(widget, viewer) -> None:
        widget.layer.choose([viewer.layers["s_4x"]])
        widget.region.value, widget.scale.value = region, 2.0
        if region == "rectangle":
            if "drawn" in viewer.layers:
                viewer.layers.remove("drawn")
            drawn = viewer.add_shapes(
                [np.array([[5, 5], [5, 50], [40, 50], [40, 5]])], scale=(1.25, 1.25),
                units=("um", "um"), name="drawn",
            )  # fmt: skip
            widget.rectangles.choose([drawn])
        widget.job.start.native.click()

    return begin


@pytest.fixture
def atlas_of(tmp_path, tissue) -> Path:
    """An atlas of an overview and a field, made by hand."""
    folder = tmp_path / "photos"
    (folder / "placements").mkdir(parents=True)
    records = []
    for name, role in (("a_4x", "overview"), ("a_40x", "field")):
        path = folder / f"{name}.png"
        write_image(path, tissue(60, 80, len(name)))
        field = role == "field"
        records.append(
            PhotoRecord(
                source=path.name, name=name, sha256=digest(path), shape=(60, 80), pixel_um=None,
                objective=40.0 if field else 4.0, role=role, overview="a_4x.png" if field else None,
                placement="placements/a_40x.placement.json" if field else None,
            )
        )  # fmt: skip
    place = Placement(MATRIX, (60, 80), (60, 80), True, "as it is", 0.9)
    place.save(folder / "placements" / "a_40x.placement.json")
    save_atlas(folder, Atlas(software="the test", folder=".", photos=tuple(records)))
    return folder


class Training:
    """In place of a training in a process of its own."""

    def __init__(self, gate: Gate, *_: Any, **__: Any) -> None:
        self._gate, self._stopped = gate, False
        gate.reached.set()

    def poll(self) -> list[Any]:
        return []

    @property
    def outcome(self) -> Any:
        return Stopped() if self._stopped or self._gate.opened.is_set() else None

    def stop(self) -> None:
        self._stopped = True


@pytest.fixture
def scenes(gate, monkeypatch, tmp_path, atlas_of) -> dict[str, Scene]:
    """Return every widget with its job, and hold all of them at the gate."""
    made = load_atlas(atlas_of)

    def magnify_steps(image, scale, **_):
        yield from gate.steps()
        return np.repeat(np.repeat(image, 2, 0), 2, 1)

    def atlas_steps(*_, **__):
        yield from gate.steps()
        return made

    def looked(*_, **__):
        yield from gate.steps()
        raise ValueError("the end of this test's job")

    patches: dict[str, Any] = {
        "napari_medrefine.registration.Overview": Double(gate),
        "napari_medrefine.superres.magnify_steps": magnify_steps,
        "napari_medrefine.superres.magnified.Magnified": lambda *a: Picture(gate, *a),
        "napari_medrefine.widgets.atlas.atlas_steps": atlas_steps,
        "napari_medrefine.widgets.prepare.prepare_steps": looked,
        "napari_medrefine.widgets._train_job.BackgroundTraining": partial(Training, gate),
        "napari_medrefine.widgets.magnify.ask_save_path": lambda *_: tmp_path / "out.ome.zarr",
    }
    for name, double in patches.items():
        monkeypatch.setattr(name, double, raising=False)

    def atlas(widget, _viewer) -> None:
        with widget.photos.changed.blocked():  # it would be looked at first
            widget.photos.value = atlas_of
        widget.output.value = atlas_of
        widget.job.start.native.click()

    def prepare(widget, _viewer) -> None:
        widget.output.value = tmp_path / "dataset"
        with widget.photos.changed.blocked():
            widget.photos.value = atlas_of
        widget.prepare()

    def train(widget, _viewer) -> None:
        widget.dataset.value, widget.output.value = atlas_of, tmp_path / "run"
        widget.job.start.native.click()

    regions = {
        f"magnify {region}": Scene("Magnify & sharpen", magnify(region), "s_4x")
        for region in ("view", "whole", "rectangle", "follow", "disk")
    }
    return regions | {
        "register": Scene("Register", register, "s_40x"),
        "atlas": Scene("Atlas", atlas),
        "prepare": Scene("Prepare dataset", prepare),
        "train": Scene("Train", train),
    }


ALL = (
    "register", "magnify view", "magnify whole", "magnify rectangle", "magnify follow",
    "magnify disk", "atlas", "prepare", "train",
)  # fmt: skip


@pytest.fixture
def opened(make_napari_viewer, has_display, tissue):
    """Open a viewer with a 4x and a 40x photo."""

    def open_one():
        viewer = make_napari_viewer(strict_qt="raise")
        photos(viewer, tissue)
        return viewer

    return open_one


@pytest.fixture
def begin(scenes, gate, qtbot, tmp_path):
    """Begin the job of a scene; return its dock and its widget, in mid-job."""

    def until_in_its_middle(name: str, viewer: Any):
        gate.shut()
        shutil.rmtree(tmp_path / "out.ome.zarr", ignore_errors=True)
        dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, scenes[name].widget)
        scenes[name].begin(widget, viewer)
        qtbot.waitUntil(gate.reached.is_set, timeout=SECONDS)
        assert widget.job.running, name
        return dock, widget

    return until_in_its_middle


@pytest.fixture
def ended(gate, qtbot):
    """Open the gate and wait for the end of the job; of a view that is followed, after Cancel."""

    def until_over(widget) -> None:
        gate.opened.set()
        live = getattr(widget, "_live", None)
        if live is not None and widget.job.cancel.enabled:  # else it stops by itself
            qtbot.waitUntil(lambda: live.made > 0, timeout=SECONDS)
            widget.job.cancel.native.click()
        qtbot.waitUntil(lambda: not widget.job.running, timeout=SECONDS)

    return until_over


def renew(viewer, tissue) -> None:
    viewer.layers.clear()
    photos(viewer, tissue)


@pytest.fixture(autouse=True)
def nothing_leaks(qtbot):
    """Leave no thread of ours, no process, and nothing in Qt's pool."""
    children = set(psutil.Process().children(recursive=True))
    yield

    def gone() -> None:
        assert QThreadPool.globalInstance().activeThreadCount() == 0
        names = [thread.name for thread in threading.enumerate()]
        assert not [name for name in names if "medrefine" in name or "ome-tiff" in name]
        assert not set(psutil.Process().children(recursive=True)) - children

    qtbot.waitUntil(gone, timeout=SECONDS)


def test_renamed_moved_another_theme_and_a_second_start(
    opened, begin, ended, scenes, tissue, qtbot
):
    viewer = opened()
    for name in ALL:
        dock, widget = begin(name, viewer)
        source = viewer.layers[scenes[name].source or 0]
        other = viewer.layers["s_4x" if scenes[name].source == "s_40x" else "s_40x"]
        affine = other.affine.affine_matrix.copy()
        source.name = "renamed"
        viewer.layers.move(viewer.layers.index(source), len(viewer.layers))
        viewer.theme = "light" if viewer.theme == "dark" else "dark"
        widget.job.start.native.click()  # it is off
        widget.job.start.changed.emit(True)  # as if it were not
        ended(widget)
        np.testing.assert_array_equal(other.affine.affine_matrix, affine, name)
        if name == "register":
            assert source.metadata["medrefine"]["overview"] == "s_4x"
            assert list(viewer.layers)[-1] is source
        elif name == "atlas":
            assert {"a_4x", "a_40x"} <= {layer.name for layer in viewer.layers}
        elif scenes[name].source:
            made = [x for x in viewer.layers if "made_from" in x.metadata.get("medrefine", {})]
            assert len(made) == 1, name
            if name not in ("magnify follow", "magnify disk"):  # those were there before
                assert viewer.layers.index(made[0]) == viewer.layers.index(source) + 1, name
            low, high = source.extent.world
            assert (made[0].extent.world[0] >= low - 1).all(), name
            if name in ("magnify whole", "magnify disk"):
                np.testing.assert_allclose(made[0].extent.world[1], high, atol=1, err_msg=name)
        viewer.window.remove_dock_widget(dock)
        renew(viewer, tissue)


def test_the_layer_it_works_on_is_removed(opened, begin, ended, scenes, tissue, qtbot):
    viewer = opened()
    for name in (name for name in ALL if scenes[name].source):
        dock, widget = begin(name, viewer)
        viewer.layers.remove(scenes[name].source)
        left = [(layer, layer.affine.affine_matrix.copy()) for layer in viewer.layers]
        ended(widget)
        for layer, affine in left:
            np.testing.assert_array_equal(layer.affine.affine_matrix, affine, name)
        if name not in ("magnify follow", "magnify disk"):
            assert list(viewer.layers) == [layer for layer, _ in left], name
            assert "removed" in widget.job.message.value, name
        viewer.window.remove_dock_widget(dock)
        renew(viewer, tissue)


def test_its_dock_is_closed(opened, begin, gate, tissue, qtbot):
    viewer = opened()
    for name in ALL:
        dock, widget = begin(name, viewer)
        before, deleted = list(viewer.layers), []
        widget.native.destroyed.connect(lambda *_, found=deleted: found.append(True))
        viewer.window.remove_dock_widget(dock)
        gate.opened.set()
        qtbot.waitUntil(lambda w=widget: not w.job.running, timeout=SECONDS)
        qtbot.waitUntil(lambda found=deleted: bool(found), timeout=SECONDS)
        assert list(viewer.layers) == before, name
        renew(viewer, tissue)  # the closed widget does not mind


@pytest.mark.parametrize(
    "name", ["register", "magnify whole", "magnify follow", "magnify disk", "atlas", "train"]
)
def test_the_viewer_is_closed(opened, begin, gate, qtbot, name):
    viewer = opened()
    begin(name, viewer)
    viewer.close()
    gate.opened.set()


def test_two_viewers_with_the_same_widget(opened, begin, ended, tissue):
    first, second = opened(), opened()
    for name in ("register", "magnify whole", "magnify follow", "atlas", "train"):
        _, one = begin(name, first)
        _, two = begin(name, second)
        assert one.job.running
        if name == "train":
            first.close()  # in the middle of both
        before = list(second.layers)
        ended(two)
        if name == "register":
            assert second.layers["s_40x"].metadata["medrefine"]["overview"] == "s_4x"
        elif name == "magnify follow":
            assert "tiles made" in two.job.message.value
        elif name != "train":
            assert len(second.layers) > len(before), name
        if name != "train":
            ended(one)
            renew(first, tissue)
            renew(second, tissue)


def test_undo_in_the_middle_of_the_next_registration(opened, begin, ended, gate):
    viewer = opened()
    field = viewer.layers["s_40x"]
    before = field.affine.affine_matrix.copy()
    _, widget = begin("register", viewer)
    ended(widget)
    gate.shut()
    widget.job.start.native.click()
    widget.undo.native.click()
    np.testing.assert_array_equal(field.affine.affine_matrix, before)
    ended(widget)
    assert "placed" in widget.job.message.value
    assert (field.affine.affine_matrix != before).any()
    widget.undo.native.click()
    np.testing.assert_array_equal(field.affine.affine_matrix, before)


def test_the_viewer_is_closed_in_the_middle_of_real_jobs(opened, tissue, qtbot):
    viewer = opened()
    viewer.layers["s_4x"].data = tissue(400, 500)
    viewer.layers["s_40x"].data = tissue(400, 500, 1)
    for name in ("Register", "Magnify & sharpen"):
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
        if name != "Register":
            widget.layer.choose([viewer.layers["s_4x"]])
            widget.region.value, widget.scale.value = "whole", 4.0
        widget.job.start.native.click()
        assert widget.job.running
        qtbot.waitUntil(lambda w=widget: w.job.message.value != "", timeout=SECONDS)
    viewer.close()
