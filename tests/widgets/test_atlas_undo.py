"""The Atlas widget's layers, undone and done again: the whole atlas is one step."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_medrefine.atlas import RECORD
from napari_medrefine.atlas.layers import KEY
from napari_medrefine.widgets._atlas_table import COLUMNS
from napari_medrefine.widgets.atlas import AtlasWidget

ROLES = {"a": "overview", "b": "field", "c": "field"}


def layer(name, affine, **facts):
    options = {"name": name, "affine": affine, "rgb": True, "metadata": {KEY: facts}}
    return np.full((8, 9, 3), 99, np.uint8), options, "image"


def layers_of(*_):
    """Yield an overview, two fields and what they cover, as `layers_steps` does."""
    yield layer("a", np.eye(3), photo="a.png")
    for k, name in enumerate("bc"):
        place = np.array([[1, 0, 3.0 + k], [0, 1, 5], [0, 0, 1]])
        yield layer(name, place, photo=f"{name}.png", placement="there")
    covered = {KEY: {"coverage_of": "a", "shares": []}}
    options = {"name": "a · coverage", "visible": False, "metadata": covered}
    yield np.ones((8, 9), np.uint8), options, "labels"


@pytest.fixture
def open_in(tmp_path, monkeypatch, wait):
    """Return what shows a small atlas in a viewer, and returns the widget."""
    told = {"reason": "", "overview": "a.png"}
    photos = [SimpleNamespace(source=f"{x}.png", role=role, **told) for x, role in ROLES.items()]
    monkeypatch.setattr(
        "napari_medrefine.widgets.atlas.load_atlas",
        lambda _: SimpleNamespace(photos=photos, overviews=photos[:1]),
    )
    monkeypatch.setattr("napari_medrefine.widgets.atlas.layers_steps", layers_of)
    monkeypatch.setattr(
        "napari_medrefine.widgets.atlas.rows_of",
        lambda _, atlas: [
            dict.fromkeys(COLUMNS) | {"photo": x.source, "overview": "a.png", "reason": ""}
            for x in atlas.photos
        ],
    )
    (tmp_path / RECORD).write_text("{}")

    def opened_in(viewer):
        widget = AtlasWidget(viewer)
        widget.output.value = tmp_path
        widget.open.native.click()
        wait(widget.job)
        assert [x.name for x in viewer.layers] == ["a", "b", "c", "a · coverage"]
        return widget

    return opened_in


@pytest.fixture
def opened(open_in, viewer):
    return open_in(viewer)


def test_in_a_window_the_atlas_goes_and_comes_back_to_sight(open_in, real_viewer, qtbot):
    real_viewer.show()
    widget = open_in(real_viewer)
    real_viewer.window.add_dock_widget(widget, name="Atlas")

    def seen():
        qtbot.wait(50)
        return real_viewer.screenshot(flash=False)[..., :3].astype(int)

    shown = seen()
    widget.undo.native.click()
    assert len(real_viewer.layers) == 0
    assert np.abs(seen() - shown).max() > 50
    widget.redo.native.click()
    assert [x.name for x in real_viewer.layers] == ["a", "b", "c", "a · coverage"]
    assert np.abs(seen() - shown).max() <= 2
    widget.missing.value = True
    assert np.abs(seen() - shown).max() > 50
    widget.undo.native.click()
    assert np.abs(seen() - shown).max() <= 2


def test_a_whole_atlas_is_undone_and_done_again_in_one_step(opened, viewer):
    mine = viewer.add_image(np.zeros((9, 9)), name="mine")
    there = list(viewer.layers)
    mine.opacity = 0.4
    opened.undo.native.click()
    assert list(viewer.layers) == [mine]
    assert mine.opacity == 0.4
    assert opened.table.photos() == []
    assert not opened.save.enabled
    assert not opened.undo.enabled
    assert opened.job.message.value == "a, b, c and 1 more: taken away again."
    opened.redo.native.click()
    assert set(viewer.layers) == set(there)
    assert viewer.layers["c"].affine.affine_matrix[:2, 2].tolist() == [4, 5]
    assert opened.table.photos() == ["a.png", "b.png", "c.png"]
    assert opened.save.enabled
    assert not opened.redo.enabled
    opened.table.table.setCurrentCell(1, 0)
    assert viewer.layers.selection.active is viewer.layers["b"]


def test_undo_brings_back_the_atlas_that_was_replaced(opened, viewer, wait):
    viewer.layers["a"].opacity = 0.7
    first = list(viewer.layers)
    opened.open.native.click()
    wait(opened.job)
    second = list(viewer.layers)
    assert not set(first) & set(second)
    opened.undo.native.click()
    assert list(viewer.layers) == first
    assert viewer.layers["a"].opacity == 0.7
    opened.opacity.value = 0.5  # it works on those that came back
    assert [x.opacity for x in first[:3]] == [0.7, 0.5, 0.5]
    opened.undo.native.click()
    assert [x.opacity for x in first[:3]] == [0.7, 1, 1]
    assert opened.opacity.value == 1
    opened.undo.native.click()
    assert len(viewer.layers) == 0
    for _ in range(2):
        opened.redo.native.click()
    assert list(viewer.layers) == first
    assert [x.opacity for x in first[:3]] == [0.7, 0.5, 0.5]


def test_what_was_shown_and_hidden_is_undone(opened, viewer):
    _, field, other, coverage = viewer.layers
    opened.missing.value = True
    assert coverage.visible
    field.visible = other.visible = False
    opened.table.table.setCurrentCell(1, 0)
    assert field.visible
    assert not other.visible
    opened.undo.native.click()
    assert not field.visible
    opened.undo.native.click()
    assert not coverage.visible
    assert not opened.missing.value
    for _ in range(2):
        opened.redo.native.click()
    assert field.visible
    assert coverage.visible
    assert opened.missing.value
    assert not other.visible  # the user's own doing


def test_what_the_user_removed_stays_away(opened, viewer):
    viewer.layers.remove("b")
    opened.undo.native.click()
    assert len(viewer.layers) == 0
    opened.redo.native.click()
    assert [x.name for x in viewer.layers] == ["a", "c", "a · coverage"]
    for name in ("a", "c", "a · coverage"):
        viewer.layers.remove(name)
    assert not opened.undo.enabled
    assert not opened.redo.enabled
