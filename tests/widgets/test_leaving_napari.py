"""Placements out of the Register widget and into it again; undo and redo of all it changes."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from napari_medrefine.io.scene import read_scene
from napari_medrefine.registration import Placement
from napari_medrefine.registration.placement import similarity
from napari_medrefine.widgets._exporting import TITLES
from napari_medrefine.widgets.register import RegisterWidget

MATRIX = similarity(10.0, 4.0, np.array([89.5, 119.5]), np.array([150.0, 210.0]))
POINTS = np.array([[0.0, 0.0], [0.0, 239.0], [179.0, 30.5]])


class Search:
    """Answers `MATRIX` for every field."""

    def __init__(self, image):
        self.shape = np.asarray(image).shape[:2]

    def register_steps(self, field, **_):
        yield from ()
        return Placement(MATRIX, field.shape[:2], self.shape, True, "Fits.", 0.8)


@pytest.fixture
def search(monkeypatch):
    monkeypatch.setattr("napari_medrefine.registration.Overview", Search, raising=False)


@pytest.fixture
def photos(viewer, tissue):
    um = {"units": ("um", "um"), "rgb": True}
    overview = viewer.add_image(
        tissue(300, 400), name="s_4x", scale=(1.25, 1.25), translate=(7, 8), **um
    )
    fields = [
        viewer.add_image(tissue(180, 240, k), name=f"s_40x_{k}", scale=(0.125, 0.125), **um)
        for k in (1, 2)
    ]
    return overview, *fields


@pytest.fixture
def placed(viewer, search, photos, wait):
    widget = RegisterWidget(viewer)
    widget.register()
    wait(widget.job)
    return widget


def lies(overview, field):
    """Where `POINTS` of a field are seen on the overview."""
    return np.array([overview.world_to_data(field.data_to_world(point)) for point in POINTS])


def there():
    return POINTS @ MATRIX[:2, :2].T + MATRIX[:2, 2]


def choose(widget, title, target, monkeypatch):
    for ask in ("ask_folder", "ask_save_path"):
        monkeypatch.setattr(f"napari_medrefine.widgets._exporting.{ask}", lambda *_: target)
    widget.exporting.format.value = next(name for name, one in TITLES.items() if one == title)
    widget.exporting.button.native.click()


@pytest.mark.parametrize("name", ["medrefine", "itk", "qupath", "qupath-json", "napari"])
def test_a_placement_leaves_and_comes_back(placed, photos, name, monkeypatch, tmp_path):
    overview, field, _ = photos
    placed.fields.choose([field])
    choose(placed, name, tmp_path / "out", monkeypatch)
    (path,) = tmp_path.iterdir()
    assert str(path) in placed.job.message.value
    placed.undo.native.click()
    assert not np.allclose(lies(overview, field), there(), atol=1)
    monkeypatch.setattr("napari_medrefine.widgets.register.ask_file", lambda *_: path)
    placed.load.native.click()
    np.testing.assert_allclose(lies(overview, field), there(), atol=1e-3)
    assert "placed as" in placed.job.message.value
    placed.undo.native.click()
    assert not np.allclose(lies(overview, field), there(), atol=1)


def test_what_napari_pastes_lays_a_new_layer_on_its_place(real_viewer, tissue, tmp_path):
    from napari_medrefine.registration.exchange import Side, write_placement

    place = Placement(MATRIX, (180, 240), (300, 400), True, "", 0.8)
    um = (Side(pixel_um=(0.125, 0.25)), Side(pixel_um=(1.25, 1.0)))
    write_placement(tmp_path / "x.napari.json", place, field=um[0], overview=um[1])
    overview = real_viewer.add_image(tissue(300, 400), scale=(1.25, 1.0), units=("um", "um"))
    field = real_viewer.add_image(tissue(180, 240), rotate=30, shear=[0.4])
    real_viewer.layers.selection = {field}
    # What Layers > Copy/Paste does has no public name.
    from napari._qt._qapp_model.qactions import _layerlist_context as menu
    from qtpy.QtWidgets import QApplication

    QApplication.clipboard().setText((tmp_path / "x.napari.json").read_text())
    assert menu.is_valid_spatial_in_clipboard()  # else napari does not offer to paste
    menu._paste_spatial_from_clipboard(real_viewer.layers)
    np.testing.assert_allclose(lies(overview, field), there(), atol=1e-6)


def test_what_napari_copies_is_taken_over(placed, photos, monkeypatch, tmp_path):
    overview, field, _ = photos
    affine = field.affine.affine_matrix  # of an overview that does not lie at the origin
    copied = {"affine": affine.tolist(), "scale": [0.125, 0.125], "units": ["micrometer"] * 2}
    placed.undo.native.click()
    assert not np.allclose(lies(overview, field), there(), atol=1)
    (tmp_path / "copied.napari.json").write_text(json.dumps(copied))
    monkeypatch.setattr(
        "napari_medrefine.widgets.register.ask_file", lambda *_: tmp_path / "copied.napari.json"
    )
    placed.fields.choose([field])
    placed.load.native.click()
    np.testing.assert_allclose(lies(overview, field), there(), atol=1e-6)
    assert "not checked" in placed.job.message.value


def test_a_placement_of_another_photo_is_doubted_first(placed, photos, monkeypatch, tmp_path):
    _, field, _ = photos
    placed.fields.choose([field])
    choose(placed, "medrefine", tmp_path / "out", monkeypatch)
    (path,) = tmp_path.iterdir()
    monkeypatch.setattr("napari_medrefine.widgets.register.ask_file", lambda *_: path)
    placed.load.native.click()
    assert placed.job.message.value == f"s_40x_1: placed as {path.name} says. Fits."
    data = json.loads(path.read_text())
    data["field"]["sha256"] = "0" * 64
    path.write_text(json.dumps(data))
    placed.load.native.click()
    said = placed.job.message.value
    assert said.startswith(
        f"s_40x_1: in doubt. {path.name} was made from other pixels than those of s_40x_1"
    )
    assert said.endswith("Fits.")


def test_all_fields_go_into_a_table_a_folder_or_a_scene(
    placed, photos, wait, monkeypatch, tmp_path
):
    placed.fields.choose(photos[1:])
    choose(placed, "csv", tmp_path / "all", monkeypatch)
    with (tmp_path / "all.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["field"] for row in rows] == ["s_40x_1", "s_40x_2"]
    assert float(rows[0]["overview_um_row"]) == 1.25
    choose(placed, "itk", tmp_path, monkeypatch)
    assert {path.name for path in tmp_path.glob("*.tfm")} == {"s_40x_1.tfm", "s_40x_2.tfm"}
    before = (tmp_path / "s_40x_1.tfm").read_bytes()
    choose(placed, "itk", tmp_path, monkeypatch)  # nobody was asked about these files
    assert "already there" in placed.job.message.value
    assert (tmp_path / "s_40x_1.tfm").read_bytes() == before
    choose(placed, "ome-zarr", tmp_path / "s.ome.zarr", monkeypatch)
    wait(placed.job)
    for place in read_scene(tmp_path / "s.ome.zarr").values():
        np.testing.assert_allclose(place.to_overview(POINTS), there())


def test_what_does_not_fit_changes_nothing(placed, photos, monkeypatch, tmp_path):
    field = photos[1]
    Placement(MATRIX, (9, 9), (300, 400), True, "", 0.8).save(tmp_path / "small.json")
    (tmp_path / "none.json").write_text("{}")
    before = field.affine.affine_matrix.copy()
    for name, says in (("small.json", "9 x 9"), ("none.json", "not a placement")):
        path = tmp_path / name
        monkeypatch.setattr("napari_medrefine.widgets.register.ask_file", lambda *_, p=path: p)
        placed.fields.choose([field])
        placed.load.native.click()
        assert says in placed.job.message.value
        np.testing.assert_array_equal(field.affine.affine_matrix, before)
    placed.fields.choose(photos[1:])
    placed.load.native.click()
    assert "Select the one field" in placed.job.message.value


def seen(viewer):
    """All that the widget changes on layers."""
    return [
        (x.name, x.opacity, x.visible, x.affine.affine_matrix.tolist(), x.units, dict(x.metadata))
        for x in viewer.layers
    ]


def test_undo_and_redo_of_everything_that_is_changed(viewer, search, photos, wait):
    overview, first, _ = photos
    overview.visible = False
    viewer.layers.move(0, 2)  # the overview above its fields
    states = [seen(viewer)]
    widget = RegisterWidget(viewer)
    widget.register()
    wait(widget.job)
    states.append(seen(viewer))
    widget.fields.choose([first])
    widget.opacity.value = 0.75
    widget.opacity.value = 0.5  # one drag
    states.append(seen(viewer))
    assert states[0] != states[1] != states[2]
    for state in (states[1], states[0]):
        widget.undo.native.click()
        assert seen(viewer) == state
    assert not widget.undo.enabled
    for state in states[1:]:
        widget.redo.native.click()
        assert seen(viewer) == state
    assert not widget.redo.enabled
    widget.undo.native.click()
    widget.opacity.value = 0.25  # something new: what was undone is no more
    assert not widget.redo.enabled


def test_undo_leaves_what_the_user_did_since(viewer, search, photos, wait):
    _, first, second = photos
    widget = RegisterWidget(viewer)
    widget.register()
    wait(widget.job)
    first.opacity = 0.3
    extra = viewer.add_image(np.zeros((5, 5)), name="new")
    viewer.layers.remove(second)
    widget.undo.native.click()
    assert first.opacity == 0.3
    assert np.array_equal(first.affine.affine_matrix, np.eye(3))
    assert extra in viewer.layers
    widget.redo.native.click()
    assert not np.array_equal(first.affine.affine_matrix, np.eye(3))


def test_what_was_drawn_is_undone_and_done_again(placed, viewer, photos, wait):
    before = list(viewer.layers)
    placed.outline.native.click()
    outlines = list(viewer.layers)
    placed.difference.native.click()
    wait(placed.job)
    differences = list(viewer.layers)
    placed.outline.native.click()  # in place of the earlier ones
    again = list(viewer.layers)
    assert [len(x) for x in (before, outlines, differences, again)] == [3, 5, 7, 7]
    for layers in (differences, outlines, before):
        placed.undo.native.click()
        assert list(viewer.layers) == layers
    assert "taken away again" in placed.job.message.value
    for layers in (outlines, differences, again):
        placed.redo.native.click()
        assert list(viewer.layers) == layers
    for _ in range(4):  # and the registration itself
        placed.undo.native.click()
    assert list(viewer.layers) == before
    assert all(np.array_equal(x.affine.affine_matrix, np.eye(3)) for x in before)
    assert not placed.undo.enabled


def test_a_drawing_that_the_user_removed_does_not_come_back(placed, viewer):
    placed.outline.native.click()
    viewer.layers.remove(viewer.layers[-1])
    placed.undo.native.click()
    assert len(viewer.layers) == 3
    placed.redo.native.click()
    assert len(viewer.layers) == 4
