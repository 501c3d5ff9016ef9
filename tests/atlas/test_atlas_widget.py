"""The Atlas widget: a folder in, slides assembled, a table to fly with."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_medrefine.atlas import (
    RECORD,
    atlas_steps,
    coverage_rows,
    describe_coverage,
    load_atlas,
    rows_of,
)
from napari_medrefine.progress import Step
from napari_medrefine.widgets.atlas import CHOOSE, AtlasWidget, _make_and_show


@pytest.fixture
def widget(viewer):
    return AtlasWidget(viewer)


@pytest.fixture
def opened(widget, made, photos, wait):
    """Return the widget with the atlas of `photos` shown."""
    widget.photos.value = photos
    wait(widget.job)
    widget.output.value = made
    widget.open.native.click()
    wait(widget.job)
    return widget


def row_of(widget, name):
    return widget.table.photos().index(name)


def test_without_photos_it_says_what_to_do(widget, tmp_path, wait):
    assert widget.job.message.value == CHOOSE
    assert not widget.open.enabled
    assert not widget.save.enabled
    widget.job.start.native.click()
    assert not widget.job.running
    widget.photos.value = tmp_path / "nowhere"
    wait(widget.job)
    assert "nowhere" in widget.job.message.value


def test_a_click_puts_a_folder_in_order(widget, viewer, photos, objectives, wait):
    for name, objective in objectives.items():  # so that nothing has to be found out
        (photos / name).rename(photos / f"{name[0]}_{objective:g}x.png")
    widget.photos.value = photos
    wait(widget.job)
    assert "11 photos" in widget.job.message.value
    assert len(widget.overviews.choices) == 11
    assert widget.output.value.name == "photos-atlas"
    widget.job.start.native.click()
    wait(widget.job, 120)
    assert (photos.with_name("photos-atlas") / RECORD).is_file()
    active = viewer.layers.selection.active
    assert active.name == load_atlas(widget.output.value).overviews[0].name  # and no hidden labels
    assert active.visible
    assert "8 fields placed on 2 overviews. 1 not placed: notes.png" in widget.job.message.value
    assert len(viewer.layers) == 12
    assert len(widget.table.photos()) == 11
    widget.job.start.native.click()  # a second time: what is there is not replaced unasked
    wait(widget.job)
    assert "not empty; choose another folder, or say that an atlas there may be replaced" in (
        widget.job.message.value
    )
    assert widget.replace.text == "Replace an atlas that is there"


def test_an_atlas_opens_and_a_row_flies_to_its_photo(opened, viewer):
    assert opened.table.photos() == sorted(opened.table.photos())
    for name in ("q.png", "b.png"):
        opened.table.table.setCurrentCell(row_of(opened, name), 0)
        layer = viewer.layers.selection.active
        assert layer.name == name[0]
        middle = layer.data_to_world(np.array(layer.data[0].shape[:2]) / 2)
        assert viewer.scene.camera.center[-2:] == pytest.approx(middle, abs=3)
        assert name in opened.job.message.value
    before = viewer.scene.camera.center
    opened.table.table.setCurrentCell(row_of(opened, "notes.png"), 0)
    assert "JPEG" in opened.job.message.value
    assert viewer.scene.camera.center == before


def test_a_row_says_what_its_photo_is(opened):
    def said_of(name):
        opened.table.table.setCurrentCell(row_of(opened, name), 0)
        return opened.job.message.value

    assert said_of("c.png").startswith("c.png on k.png: ")
    assert said_of("k.png") == "k.png is an overview; 4 fields on it."


def test_a_refused_photo_is_on_no_overview(opened):
    folder, atlas = opened._shown
    lost = next(x for x in atlas.photos if x.source == "c.png").model_copy(
        update={"role": "refused", "reason": "Refused: it fits nowhere."}
    )
    others = [x for x in atlas.photos if x.source != "c.png"]
    opened._shown = (folder, atlas.model_copy(update={"photos": (lost, *others)}))
    opened.table.show_rows(rows_of(*opened._shown))
    row = row_of(opened, "c.png")
    assert opened.table.table.item(row, 2).text() == "none"
    opened.table.table.setCurrentCell(row, 0)
    said = opened.job.message.value
    assert said.startswith("c.png lies on none of the overviews; the best guess was k.png. Refused")


def test_progress_never_goes_back(photos, tmp_path):
    for path in photos.iterdir():
        path.unlink() if path.stem not in "kc" else None
    job = atlas_steps(photos, tmp_path / "out", objectives={"k.png": 4, "c.png": 10})
    steps = _make_and_show(tmp_path / "out", job)
    shares = [step.done / step.total for step in steps if isinstance(step, Step)]
    assert shares == sorted(shares)
    assert shares[0] < 0.05
    assert shares[-1] > 0.9


@pytest.fixture
def seen(real_viewer, monkeypatch):
    """Return the Atlas widget in a window, a line to type into, and the problems told."""
    told = []
    monkeypatch.setattr("napari_medrefine.widgets._progress_panel.show_warning", told.append)
    _, widget = real_viewer.window.add_plugin_dock_widget("napari-medrefine", "Atlas")
    real_viewer.show()
    return widget, widget.photos.line_edit.native, told


def test_a_path_is_looked_at_when_it_is_typed_in_full(seen, photos, qtbot, wait):
    widget, line, told = seen
    qtbot.keyClicks(line, str(photos))
    assert widget.job.message.value == CHOOSE
    assert not widget.job.running
    assert told == []
    qtbot.keyClick(line, Qt.Key.Key_Return)
    wait(widget.job)
    assert "11 photos" in widget.job.message.value
    assert widget.output.value == photos.with_name("photos-atlas")


def test_the_proposed_folder_goes_when_the_photos_do(widget, photos, tmp_path, wait):
    widget.photos.value = photos
    wait(widget.job)
    assert widget.output.line_edit.value == str(tmp_path / "photos-atlas")
    widget.photos.value = tmp_path / "nowhere"
    wait(widget.job)
    assert widget.output.line_edit.value == ""
    assert len(widget.overviews.choices) == 0
    widget.output.value = tmp_path / "mine"
    widget.photos.value = tmp_path / "nowhere else"
    wait(widget.job)
    assert widget.output.value == tmp_path / "mine"  # not proposed by us


def test_a_whole_disk_is_looked_through_beside_the_window_until_cancel(
    widget, tmp_path, monkeypatch, qtbot, wait
):
    def endless(top, **_):
        while True:
            yield str(top), [], ["a.png"]

    monkeypatch.setattr("napari_medrefine.photos.os.walk", endless)
    widget.photos.value = tmp_path
    assert widget.job.running
    qtbot.waitUntil(lambda: "looking for photos" in widget.job.message.value)
    widget.job.cancel.native.click()
    wait(widget.job, 10)
    assert widget.job.message.value == "Stopped."


def test_of_very_many_photos_only_some_are_listed(widget, tmp_path, monkeypatch, wait):
    monkeypatch.setattr("napari_medrefine.widgets.atlas.LISTED", 2)
    for name in "abc":
        (tmp_path / f"{name}.png").touch()
    widget.photos.value = tmp_path
    wait(widget.job)
    assert list(widget.overviews.choices) == ["a.png", "b.png"]
    assert widget.job.message.value.startswith("3 photos. Only the first 2 are listed above.")


def test_numbers_are_sorted_as_numbers(opened, made):
    opened.table.table.sortItems(4)  # the ratio
    ratios = {x["photo"]: x["ratio"] for x in opened.rows if x["ratio"] is not None}
    shown = [ratios[name] for name in opened.table.photos() if name in ratios]
    assert shown == sorted(shown)
    assert min(shown) < 3 < 9 < max(shown)
    assert len(load_atlas(made).photos) == len(opened.table.photos())


def test_one_slider_fades_all_fields_and_no_overview(opened, viewer):
    opened.opacity.value = 0.3
    faded = {layer.name for layer in viewer.layers if layer.opacity == pytest.approx(0.3)}
    assert faded == set("cmaqxbye")


def test_what_is_missing_is_shown_and_said(opened, viewer):
    opened.missing.value = True
    assert viewer.layers["k · coverage"].visible
    said = opened.job.message.value
    assert "k.png: 10x " in said
    assert "missing" in said
    assert said.splitlines() == describe_coverage(coverage_rows(*opened._shown))
    opened.missing.value = False
    assert not viewer.layers["k · coverage"].visible


def test_the_window_need_not_load_what_dask_computes_with(made, monkeypatch):
    loaded = []
    monkeypatch.setattr("napari_medrefine.widgets.atlas.load_scheduler", lambda: loaded.append(1))
    layers = (item for item in _make_and_show(made, None) if isinstance(item, tuple))
    next(layers)
    assert loaded


def test_layers_that_the_user_removed_do_no_harm(opened, viewer):
    viewer.layers.remove("q")
    opened.opacity.value = 0.5
    opened.missing.value = True
    opened.table.table.setCurrentCell(row_of(opened, "q.png"), 0)
    assert "q.png" in opened.job.message.value


def test_opening_again_replaces_the_layers(opened, viewer, wait):
    mine = viewer.add_image(np.zeros((9, 9)), name="mine")
    opened.open.native.click()
    wait(opened.job)
    assert len(viewer.layers) == 13
    assert mine in viewer.layers


def test_slides_are_saved_beside_the_table(opened, made, wait):
    folder, atlas = opened._shown
    few = tuple(x for x in atlas.photos if x.source in ("k.png", "c.png", "m.png"))
    opened._shown = (folder, atlas.model_copy(update={"photos": few}))  # 40x would take long
    opened.save.native.click()
    wait(opened.job, 120)
    assert (made / "k.ome.zarr").is_dir()
    assert "k.ome.zarr" in opened.job.message.value
    opened.save.native.click()
    wait(opened.job)
    assert "already there; move it away, or say that it may be replaced" in (
        opened.job.message.value
    )


def test_cancel_leaves_no_atlas(widget, photos, wait):
    widget.photos.value = photos
    wait(widget.job)
    widget.job.start.native.click()
    widget.job.cancel.native.click()
    wait(widget.job)
    assert not photos.with_name("photos-atlas").exists()
    assert widget.job.message.value == "Stopped."


def test_placements_leave_the_atlas(opened, tmp_path, monkeypatch):
    ask = "napari_medrefine.widgets._exporting.ask_save_path"
    monkeypatch.setattr(ask, lambda *_: tmp_path / "all.csv")
    opened.exporting.format.value = "Table of all (CSV)"
    opened.exporting.button.native.click()
    lines = (tmp_path / "all.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 1 + 8
    assert "8 placements are in" in opened.job.message.value
