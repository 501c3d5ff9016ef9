"""The dock widgets with layers that are no photos, and with folders that are none."""

from __future__ import annotations

import shutil

import dask.array as da
import numpy as np
import pytest
from fuzzing import records
from fuzzing.amount import examples
from fuzzing.damage import ODD_PATHS
from fuzzing.outcome import check_sentence, judge
from fuzzing.photos import picture
from hypothesis import given
from hypothesis import strategies as st

from napari_medrefine.widgets.atlas import AtlasWidget
from napari_medrefine.widgets.magnify import MagnifyWidget
from napari_medrefine.widgets.prepare import PrepareWidget
from napari_medrefine.widgets.register import RegisterWidget


def nan():
    image = picture(40, 48).astype(np.float32) / 255
    image[3, 3] = np.nan
    return image


def failing(block):
    raise OSError(5, "Input/output error", "tile.png")


LAYERS = {
    "photo": lambda v: v.add_image(picture(96, 160), rgb=True),
    "fine photo": lambda v: v.add_image(picture(60, 64), rgb=True, scale=(0.5, 0.5)),
    "grey": lambda v: v.add_image(picture(40, 48)[..., 0]),
    "alpha": lambda v: v.add_image(np.dstack([picture(40, 48), picture(40, 48)[..., 0]]), rgb=True),
    "nan": lambda v: v.add_image(nan(), rgb=True),
    "infinite": lambda v: v.add_image(
        np.full((40, 48), np.inf, np.float32), contrast_limits=(0, 1)
    ),
    "constant": lambda v: v.add_image(np.zeros((40, 48), np.uint8)),
    "one pixel": lambda v: v.add_image(np.ones((1, 1), np.uint8)),
    "one row": lambda v: v.add_image(np.ones((1, 5000, 3), np.uint8), rgb=True),
    "whole numbers": lambda v: v.add_image(picture(40, 48)[..., 0].astype(np.int64) * 10**9),
    "truth values": lambda v: v.add_image(picture(40, 48)[..., 0] > 200),
    "stack": lambda v: v.add_image(np.zeros((3, 40, 48), np.uint8)),
    "five channels": lambda v: v.add_image(np.zeros((40, 48, 5), np.uint8)),
    "pyramid": lambda v: v.add_image([picture(96, 160), picture(96, 160)[::2, ::2]], rgb=True),
    "unreadable": lambda v: v.add_image(
        da.zeros((40, 48), np.uint8).map_blocks(failing, dtype=np.uint8),
        contrast_limits=(0, 255),
        visible=False,
    ),
    "flat scale": lambda v: v.add_image(picture(40, 48), rgb=True, scale=(1, 1e-30)),
    "turned over": lambda v: v.add_image(picture(40, 48), rgb=True, scale=(-1, 2), rotate=200),
    "strange notes": lambda v: v.add_image(
        picture(40, 48),
        rgb=True,
        metadata={
            "medrefine": {
                "pixel_um": "a few",
                "objective": [4],
                "made_from": 3,
                "difference_of": None,
            }
        },
    ),
    "other notes": lambda v: v.add_image(picture(40, 48), rgb=True, metadata={"medrefine": "mine"}),
    "negative notes": lambda v: v.add_image(
        picture(40, 48),
        rgb=True,
        metadata={
            "medrefine": {"pixel_um": -1, "objective": float("nan"), "dataset": 7, "manifest": None}
        },
    ),
    "long name": lambda v: v.add_image(picture(40, 48), rgb=True, name="é" * 200),
    "no name": lambda v: v.add_image(picture(40, 48), rgb=True, name="<b>x</b>\n%s{0}"),
    "labels": lambda v: v.add_labels(np.ones((40, 48), int)),
    "points": lambda v: v.add_points([[1, 2]]),
    "shapes": lambda v: v.add_shapes([[[0, 0], [0, 9], [9, 9], [9, 0]]]),
    "no shapes": lambda v: v.add_shapes(),
    "far shapes": lambda v: v.add_shapes([[[1e6, 1e6], [1e6, 2e6], [2e6, 2e6], [2e6, 1e6]]]),
    "thin shapes": lambda v: v.add_shapes([[[5, 5], [5, 9], [5, 9], [5, 5]]]),
}


@pytest.fixture
def press(qapp, qtbot, monkeypatch):
    """Press a panel's button, wait for its job, and judge what it then says."""
    from qtpy.QtWidgets import QFileDialog

    def cancel(answer):
        return staticmethod(lambda *_, **__: answer)

    monkeypatch.setattr(QFileDialog, "getSaveFileName", cancel(("", "")))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", cancel(("", "")))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", cancel(""))

    def judged(panel, button, kind, viewer):
        before = {id(layer): np.shape(layer.data) for layer in viewer.layers}

        def job():
            button.native.click()
            qtbot.waitUntil(lambda: not panel.job.running, timeout=60_000)

        judge(job, kind=kind)
        said = panel.job.message.value.strip()
        if said:
            check_sentence(" ".join(said.split()))
        kept = {id(layer) for layer in viewer.layers}
        assert before.keys() <= kept

    return judged


def viewer_with(names):
    from napari.components import ViewerModel

    viewer = ViewerModel()
    for name in names:
        LAYERS[name](viewer)
    return viewer


def set_quietly(control, value):
    """Choose as a user can: what a control does not offer cannot be chosen."""
    if value in control.choices if hasattr(control, "choices") else True:
        control.value = value


layers = st.lists(st.sampled_from(sorted(LAYERS)), min_size=0, max_size=3, unique=True)


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_each_layer_on_each_widget(name, press):
    viewer = viewer_with(["photo", name] if name != "photo" else [name])
    odd = viewer.layers[-1]
    register = RegisterWidget(viewer)
    set_quietly(register.fields, [odd])
    press(register, register.job.start, "layer registered", viewer)
    magnify = MagnifyWidget(viewer)
    set_quietly(magnify.layer, odd)
    set_quietly(magnify.rectangles, odd)
    magnify.task.value = "sharpen"
    for region in ("whole", "rectangle"):
        set_quietly(magnify.region, region)
        if magnify.region.value == region and name not in ("photo", "pyramid"):
            press(magnify, magnify.job.start, "layer magnified", viewer)


@examples(15, 200)
@given(names=layers, data=st.data())
def test_register_any_layers(press, names, data):
    viewer = viewer_with(names)
    widget = RegisterWidget(viewer)
    if names:
        set_quietly(widget.overview, data.draw(st.sampled_from(list(viewer.layers))))
        chosen = [x for x in viewer.layers if data.draw(st.booleans())]
        widget.fields.choose([x for x in chosen if x in widget.fields.choices])
    press(widget, widget.job.start, "register widget", viewer)
    for button in (widget.undo, widget.anyway, widget.outline, widget.difference):
        if button.enabled:
            press(widget, button, "register widget", viewer)


@examples(15, 200)
@given(names=layers, data=st.data())
def test_magnify_any_layer(press, names, data):
    viewer = viewer_with(names)
    widget = MagnifyWidget(viewer)
    if names:
        set_quietly(widget.layer, data.draw(st.sampled_from(list(viewer.layers))))
    widget.task.value = data.draw(st.sampled_from(["magnify", "sharpen"]))
    widget.region.value = data.draw(st.sampled_from(["whole", "view", "rectangle"]))
    small = all(name not in ("photo", "pyramid") for name in names)
    if small or widget.region.value != "whole":
        press(widget, widget.job.start, "magnify widget", viewer)


FOLDERS = {
    "photos": records.write_photos,
    "nothing": lambda top: top.mkdir(),
    "file": lambda top: top.write_text("x"),
    "gone": lambda _: None,
    "ring": lambda top: top.symlink_to(top),
    "broken dataset": lambda top: (top.mkdir(), (top / "medrefine-dataset.json").write_text("{")),
    "broken atlas": lambda top: (top.mkdir(), (top / "medrefine-atlas.json").write_text("[]")),
    "broken run": lambda top: (
        top.mkdir(),
        (top / "medrefine-training.json").write_text("{}"),
        (top / "checkpoint.pt").write_bytes(b"PK"),
    ),
}


@pytest.mark.parametrize("kind", [PrepareWidget, AtlasWidget])
@examples(15, 150)
@given(
    first=st.sampled_from([*FOLDERS, *ODD_PATHS]), second=st.sampled_from([*FOLDERS, *ODD_PATHS])
)
def test_any_folder_in_any_line(press, qtbot, bench, kind, first, second):
    top = bench / "folders"
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir()
    viewer = viewer_with([])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(top)
        widget = kind(viewer)
        lines = [widget.photos, widget.output]
        for number, (line, what) in enumerate(zip(lines, (first, second), strict=True)):
            text = what
            if what in FOLDERS:
                text = str(top / f"{number} {what}")
                FOLDERS[what](top / f"{number} {what}")
            # Not into folders of the machine: only what is given within the test is written to.
            if not text.startswith(("/", "~", "..")) or text.startswith(str(top)):
                line.line_edit.value = text.replace("\0", "")
                line.line_edit.native.editingFinished.emit()
        qtbot.waitUntil(lambda: not widget.job.running, timeout=60_000)
        press(widget, widget.job.start, f"folders in {kind.__name__}", viewer)
        if widget.open.enabled:
            press(widget, widget.open, f"folders in {kind.__name__}", viewer)
