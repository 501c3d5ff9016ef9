"""A whole layer magnified to disk: shown while it fills, gone on with, complete at the end."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from skimage.data import immunohistochemistry

from napari_medrefine import magnify
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.layer_images import write_images
from napari_medrefine.widgets._preferences import Preferences
from napari_medrefine.widgets.magnify import MagnifyWidget

PHOTO = immunohistochemistry()[:400, :470]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Preferences(tile=512)
    monkeypatch.setattr("napari_medrefine.widgets._to_disk.preferences", lambda: wanted)


@pytest.fixture
def start(viewer, monkeypatch, tmp_path):
    """Start magnifying a photo x2 to a file; return the widget and the file."""
    source = viewer.add_image(
        PHOTO.copy(), rgb=True, name="slide", scale=(2, 2), units=("um", "um")
    )
    out = tmp_path / "out.ome.zarr"
    asked: list[Path | None] = []
    monkeypatch.setattr(
        "napari_medrefine.widgets.magnify.ask_save_path",
        lambda *_: asked.pop() if asked else out,
    )

    def started(answer: Path | None = out) -> tuple[MagnifyWidget, Path]:
        asked.append(answer)
        widget = MagnifyWidget(viewer)
        widget.layer.choose([source])
        widget.region.value, widget.scale.value = "disk", 2.0
        widget.job.start.native.click()
        return widget, out

    return started


def test_the_layer_on_disk_is_the_magnified_layer(viewer, start, wait):
    widget, out = start()
    wait(widget.job)
    assert widget.job.message.value == f"Wrote {out}."
    made = viewer.layers["slide · magnified x2 (generated)"]
    assert made.multiscale
    np.testing.assert_array_equal(np.asarray(made.data[0])[..., :3], magnify(PHOTO, 2))
    np.testing.assert_allclose(made.scale, (1, 1))
    np.testing.assert_allclose(made.data_to_world((-0.5, -0.5)), (-1, -1))
    assert "diagnosis" in made.metadata["medrefine"]["warning"]
    assert out.is_dir()


def test_black_is_black_once_it_is_complete(viewer, start, wait):
    viewer.layers["slide"].data[:, 200:] = 0
    widget, _ = start()
    wait(widget.job)
    made = viewer.layers["slide · magnified x2 (generated)"]
    for level in made.data:
        assert (np.asarray(level)[..., 3] == 255).all()


@pytest.fixture
def half(monkeypatch):
    """Hold the job at its third block until this is set."""
    from napari_medrefine.superres.magnified import Magnified

    go_on, real, made = threading.Event(), Magnified.render, []

    def render(self, *part):
        made.append(part)
        assert len(made) < 3 or go_on.wait(120)
        return real(self, *part)

    monkeypatch.setattr(Magnified, "render", render)
    yield go_on
    go_on.set()


def stop(widget, out, half, wait, qtbot):
    first = out.with_name("out.ome.zarr.part") / "0/c/0/0/0"
    qtbot.waitUntil(first.is_file, timeout=60_000)
    widget.job.cancel.native.click()
    half.set()
    wait(widget.job)


def test_stopped_it_is_kept_and_shown_and_goes_on(viewer, start, wait, qtbot, half):
    widget, out = start()
    stop(widget, out, half, wait, qtbot)
    assert not out.exists()
    assert "to go on" in widget.job.message.value
    part = out.with_name("out.ome.zarr.part")
    chunks = {f: f.stat().st_mtime_ns for f in (part / "0").rglob("*") if f.is_file()}
    assert chunks
    shown = np.asarray(viewer.layers[1].data[0])
    assert shown[..., 3].any()  # what is there is seen
    assert not shown[..., 3].all()  # and through the rest the photo
    widget, _ = start()
    wait(widget.job)
    for file, written in chunks.items():
        assert (out / file.relative_to(part)).stat().st_mtime_ns == written
    again = np.asarray(viewer.layers[-1].data[0])
    np.testing.assert_array_equal(again[..., :3], magnify(PHOTO, 2))


def test_after_an_error_all_that_was_written_is_seen(viewer, start, wait, qtbot, monkeypatch):
    from napari_medrefine.superres.magnified import Magnified

    monkeypatch.setattr("napari_medrefine.widgets._filling.KEPT", 400 * 470 * 4)
    go_on, real, made = threading.Event(), Magnified.render, []

    def render(self, *part):
        made.append(part)
        assert len(made) != 2 or go_on.wait(120)
        if len(made) == 3:
            raise MedRefineError("The disk is gone.")
        return real(self, *part)

    monkeypatch.setattr(Magnified, "render", render)
    widget, _ = start()
    qtbot.waitUntil(lambda: len(viewer.layers) > 1, timeout=60_000)
    part = (slice(0, 400), slice(0, 940))
    before = viewer.layers[1].data[0][part]  # as napari looks at it
    go_on.set()
    wait(widget.job)
    assert "The disk is gone" in widget.job.message.value
    after = viewer.layers[1].data[0][part]
    assert after[..., 3].mean() > before[..., 3].mean()
    np.testing.assert_array_equal(after, np.asarray(viewer.layers[1].data[0])[part])


@pytest.mark.parametrize("kept", [400 * 470 * 4, 2**24])
def test_what_is_made_is_seen_from_far_and_near(
    viewer, start, wait, qtbot, half, monkeypatch, kept
):
    monkeypatch.setattr("napari_medrefine.widgets._filling.KEPT", kept)
    widget, _ = start()
    qtbot.waitUntil(lambda: len(viewer.layers) > 1, timeout=60_000)
    layer, whole = viewer.layers[1], magnify(PHOTO, 2)
    far, near = layer.data[-1], layer.data[0]
    qtbot.waitUntil(
        lambda: all(np.asarray(one)[..., 3].any() for one in (far, near)), timeout=60_000
    )
    there = np.asarray(near)[..., 3] > 0
    assert 0 < there.mean() < 1
    np.testing.assert_array_equal(np.asarray(near)[there][:, :3], whole[there])
    half.set()
    wait(widget.job)
    assert [level.shape for level in layer.data] == [(800, 940, 4), (400, 470, 4)]
    np.testing.assert_array_equal(np.asarray(layer.data[0])[..., :3], whole)


def test_no_file_no_job_and_nothing_is_overwritten(viewer, start, wait):
    widget, out = start(None)
    assert not widget.job.running
    out.mkdir()
    widget, _ = start()
    wait(widget.job)
    assert "exists already; choose another name, or move it away first." in (
        widget.job.message.value
    )
    assert len(viewer.layers) == 1


def test_a_picture_is_not_written_into_the_one_it_is_made_from(viewer, wait, monkeypatch, tmp_path):
    from npe2 import PluginManager

    PluginManager.instance().discover()
    source = tmp_path / "in.ome.zarr"
    write_images(str(source), [(PHOTO[:30, :40], {"name": "slide", "rgb": True}, "image")])
    before = sorted(source.rglob("*"))
    viewer.open(str(source / "zarr.json"), plugin="napari-medrefine")
    monkeypatch.setattr(
        "napari_medrefine.widgets.magnify.ask_save_path", lambda *_: source / "out.ome.zarr"
    )
    widget = MagnifyWidget(viewer)
    widget.region.value, widget.scale.value = "disk", 2.0
    widget.job.start.native.click()
    wait(widget.job)
    assert "a picture that is an input" in widget.job.message.value
    assert sorted(source.rglob("*")) == before


def test_another_layer_of_the_same_name_is_not_mixed_in(viewer, start, wait, qtbot, half):
    widget, out = start()
    stop(widget, out, half, wait, qtbot)
    viewer.layers["slide"].data = PHOTO[::-1].copy()
    widget, _ = start()
    wait(widget.job)
    assert "unfinished result of another job" in widget.job.message.value
    assert not out.exists()


@pytest.mark.parametrize("ended", ["complete", "stopped"])
def test_the_result_lies_on_its_photo_also_if_that_is_registered_meanwhile(
    viewer, start, wait, qtbot, half, ended
):
    widget, out = start()
    qtbot.waitUntil(lambda: len(viewer.layers) > 1, timeout=60_000)
    source, made = viewer.layers
    source.affine = [[0.5, 0.1, 30], [-0.1, 0.5, 40], [0, 0, 1]]
    if ended == "stopped":
        stop(widget, out, half, wait, qtbot)
    half.set()
    wait(widget.job)
    for corner, source_corner in (((-0.5, -0.5), (-0.5, -0.5)), ((799.5, 939.5), (399.5, 469.5))):
        np.testing.assert_allclose(made.data_to_world(corner), source.data_to_world(source_corner))
    assert "replaced" not in widget.job.message.value


def test_a_result_that_was_put_elsewhere_stays_there(viewer, start, wait, qtbot, half):
    widget, _ = start()
    qtbot.waitUntil(lambda: len(viewer.layers) > 1, timeout=60_000)
    viewer.layers[1].translate = (100, 100)
    half.set()
    wait(widget.job)
    np.testing.assert_array_equal(viewer.layers[1].translate, (100, 100))


def test_what_is_on_disk_is_of_the_photo_as_it_was(viewer, start, wait, qtbot, half):
    widget, out = start()
    qtbot.waitUntil(lambda: len(viewer.layers) > 1, timeout=60_000)
    source, made = viewer.layers
    source.data = PHOTO[:300:-1].copy()
    place = made.affine.affine_matrix.tolist(), made.scale.tolist()
    half.set()
    wait(widget.job)
    assert widget.job.message.value == (
        f"Wrote {out}, of what 'slide' showed before it was replaced."
    )
    np.testing.assert_array_equal(np.asarray(made.data[0])[..., :3], magnify(PHOTO, 2))
    assert (made.affine.affine_matrix.tolist(), made.scale.tolist()) == place
