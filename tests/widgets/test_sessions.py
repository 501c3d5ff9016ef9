"""A session saved to one file and opened again: layers, places, looks, order, registrations."""

from __future__ import annotations

import json
import os
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._session_files import layers_of
from napari_medrefine.io.session import get_session_reader, read_session, save_session
from napari_medrefine.io.writer import save_layers
from napari_medrefine.photos import write_image
from napari_medrefine.registration import Placement
from napari_medrefine.registration.placement import similarity
from napari_medrefine.widgets.register import RegisterWidget
from napari_medrefine.widgets.save_layers import save as save_images
from napari_medrefine.widgets.save_session import save

MATRIX = similarity(10.0, 4.0, np.array([89.5, 119.5]), np.array([150.0, 210.0]))
PLUGIN = "napari-medrefine"


class Search:
    def __init__(self, image):
        self.shape = np.asarray(image).shape[:2]

    def register_steps(self, field, **_):
        yield from ()
        return Placement(MATRIX, field.shape[:2], self.shape, True, "Fits.", 0.8)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Have napari know its plugins, and keep what is said."""
    from npe2 import PluginManager

    PluginManager.instance().discover()
    said = []
    for place in (
        "save_session.show_info",
        "save_session.show_warning",
        "save_layers.show_warning",
        "_saving.show_info",
    ):
        monkeypatch.setattr(f"napari_medrefine.widgets.{place}", said.append)
    return said


@pytest.fixture
def session(viewer, tissue, wait, monkeypatch, tmp_path):
    """Two photos from files, one registered, with an outline; and a generated layer."""
    monkeypatch.setattr("napari_medrefine.registration.Overview", Search, raising=False)
    folder = tmp_path / "one"
    folder.mkdir()
    write_image(folder / "s_4x.png", tissue(300, 400))
    write_image(folder / "s_40x.png", tissue(180, 240, 1))
    overview = viewer.open(str(folder / "s_4x.png"), plugin="napari")[0]
    field = viewer.open(str(folder / "s_40x.png"), plugin="napari")[0]
    overview.scale, overview.units = (1.25, 1.25), ("um", "um")
    widget = RegisterWidget(viewer)
    widget.overview.choose([overview])
    widget.fields.choose([field])
    widget.register()
    wait(widget.job)
    widget.outline.native.click()
    widget.opacity.value = 0.5
    facts = {"made_from": "s_4x", "version": "0.1.0"}
    viewer.add_image(
        tissue(60, 80, 2), rgb=True, name="made", rotate=20, visible=False,
        metadata={"medrefine": facts},
    )  # fmt: skip
    viewer.layers.move(3, 1)
    return folder


def opened(path):
    from napari.components import ViewerModel

    viewer = ViewerModel()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        viewer.open(str(path), plugin=PLUGIN)
    own = [
        str(one.message)
        for one in said
        if "restored" in str(one.message) or "changed since" in str(one.message)
    ]
    return viewer, own


def looks(layer):
    return (
        layer.name, layer.opacity, layer.visible, layer.units,
        np.round(layer.data_to_world((3, 5)), 9).tolist(),
    )  # fmt: skip


def test_everything_comes_back_even_after_the_folder_moved(viewer, session, quiet, tmp_path):
    save_images([viewer.layers["made"]], session / "made.ome.tif")
    save(viewer, session / "mine")
    assert "session is in" in quiet[-1]
    moved = tmp_path / "elsewhere"
    shutil.move(session, moved)
    again, said = opened(moved / "mine.medrefine-session.json")
    assert said == []
    assert [looks(x) for x in again.layers] == [looks(x) for x in viewer.layers]
    for one, other in zip(viewer.layers, again.layers, strict=True):
        np.testing.assert_array_equal(np.asarray(other.data), np.asarray(one.data))
    widget = RegisterWidget(again)  # it knows the registration: an outline needs none
    widget.fields.choose([again.layers["s_40x"]])
    widget.outline.native.click()
    assert "Outlines show" in widget.job.message.value
    np.testing.assert_allclose(again.layers[-1].data[0], viewer.layers["s_40x · outline"].data[0])


def test_a_generated_layer_without_a_file_is_said_and_the_rest_restored(viewer, session, quiet):
    save(viewer, session / "mine.medrefine-session.json")
    (said,) = quiet  # one notification: a second one would lie over it
    assert said.startswith("1 layer will not come back. The session is in")
    assert "'made' is in no file" in said
    again, said = opened(session / "mine.medrefine-session.json")
    assert [layer.name for layer in again.layers] == ["s_4x", "s_40x", "s_40x · outline"]
    assert len(said) == 1
    assert "make it again" in said[0]


def test_a_missing_file_costs_its_layer_and_a_changed_one_is_said(viewer, session, tissue):
    viewer.layers.remove("made")
    save(viewer, session / "mine.medrefine-session.json")
    write_image(session / "s_4x.png", tissue(300, 400, 9))
    (session / "s_40x.png").unlink()
    again, said = opened(session / "mine.medrefine-session.json")
    assert [layer.name for layer in again.layers] == ["s_4x", "s_40x · outline"]
    assert "'s_4x', s_4x.png, has been changed since" in said[0]
    assert "s_40x.png is not there any more" in said[1]
    (session / "s_4x.png").unlink()
    viewer.layers.remove("s_40x · outline")
    save(viewer, session / "other.medrefine-session.json")
    with pytest.raises(MedRefineError, match=r"Nothing of .* can be restored"):
        read_session(session / "other.medrefine-session.json")


def test_nothing_is_replaced_unasked_and_damage_is_said(viewer, session, quiet):
    path = session / "mine.medrefine-session.json"
    save(viewer, path)
    before = path.read_bytes()
    save(viewer, session / "mine")
    assert "already there" in quiet[-1]
    assert path.read_bytes() == before
    data = json.loads(before)
    for change, words in (
        ({"version": 2}, "newer"), ({"format": "x"}, "not a session"), ({"layers": 3}, "layers"),
    ):  # fmt: skip
        path.write_text(json.dumps(data | change))
        with pytest.raises(MedRefineError, match=words):
            read_session(path)


def test_models_are_listed_and_only_sessions_claimed(viewer, session):
    made = {
        "kind": "napari-medrefine provenance", "made": "magnify", "inputs": [], "parameters": {},
        "weights": [{"name": "magnify-faithful", "sha256": "ab"}],
    }  # fmt: skip
    viewer.layers["made"].metadata = {"medrefine": {"made_from": "x", "provenance": made}}
    save(viewer, session / "mine.medrefine-session.json")
    data = json.loads((session / "mine.medrefine-session.json").read_text())
    assert data["models"] == [{"name": "magnify-faithful", "sha256": "ab"}]
    assert get_session_reader("x.medrefine-session.json") is read_session
    assert get_session_reader("x.medrefine.json") is None


def test_what_a_session_cannot_hold_is_said_with_what_to_do(viewer, session, quiet):
    viewer.add_labels(np.ones((30, 40), int), name="nuclei")
    save(viewer, session / "mine.medrefine-session.json")
    (said,) = [text for text in quiet if "nuclei" in text]
    assert "'nuclei' is left out: a session holds images, shapes and points, no labels" in said
    assert "Save Selected Layers" in said
    again, _ = opened(session / "mine.medrefine-session.json")
    assert "nuclei" not in again.layers


def seen_in(viewer):
    camera = viewer.scene.camera
    return (*camera.center[-2:], camera.zoom, *camera.angles, viewer.dims.ndisplay)


def test_the_canvas_shows_what_it_showed(real_viewer, tissue, tmp_path, qtbot):
    write_image(tmp_path / "s_4x.png", tissue(300, 400))
    real_viewer.open(str(tmp_path / "s_4x.png"), plugin="napari")
    camera = real_viewer.scene.camera
    for ndisplay in (2, 3):
        real_viewer.dims.ndisplay = ndisplay
        camera.center, camera.zoom = (0, 120.5, 77.25), 3.5
        if ndisplay == 3:
            camera.angles = (10, 20, 30)
        wanted = seen_in(real_viewer)
        save(real_viewer, tmp_path / f"{ndisplay}.medrefine-session.json")
        real_viewer.layers.clear()
        real_viewer.dims.ndisplay = 2
        camera.zoom = 1
        real_viewer.open(str(tmp_path / f"{ndisplay}.medrefine-session.json"), plugin=PLUGIN)
        qtbot.waitUntil(lambda w=wanted: seen_in(real_viewer) == pytest.approx(w), timeout=10_000)
        assert [layer.name for layer in real_viewer.layers] == ["s_4x"]


def test_a_session_without_a_view_opens_as_anything_does(viewer, session):
    path = session / "mine.medrefine-session.json"
    save(viewer, path)
    data = json.loads(path.read_text())
    data["view"]["zoom"] = 0
    path.write_text(json.dumps(data))
    with pytest.raises(MedRefineError, match=r"view\.zoom"):
        read_session(path)
    del data["view"]
    path.write_text(json.dumps(data))
    again, _ = opened(path)
    assert len(again.layers) == 3


def test_points_and_shapes_in_a_stack_come_back_with_what_is_known_of_each(viewer, quiet, tmp_path):
    cells = viewer.add_points(
        np.arange(12.0).reshape(4, 3),
        name="cells",
        features={"kind": ["lymphocyte", "mitosis", "lymphocyte", "unsure"], "score": [1, 2, 3, 4]},
        text={"string": "{kind}", "size": 8, "color": "yellow"},
        face_color="kind",
        border_width=2,
        border_width_is_relative=False,
        symbol=["disc", "cross", "disc", "star"],
        shown=[True, True, False, True],
    )
    outline = np.array([[1, 0, 0], [1, 9, 0], [1, 9, 9], [1, 0, 9]], float)
    viewer.add_shapes([outline], shape_type="polygon", features={"grade": [3]}, name="tumour")
    viewer.add_points(np.empty((0, 3)), name="none yet")
    viewer.add_points([[np.nan, 1.0]], name="nowhere")
    target = tmp_path / "cells.medrefine-session.json"
    save(viewer, target)
    assert "'nowhere' is left out: it holds numbers that are not finite." in quiet[-1]
    viewer, said = opened(target)
    assert said == []
    again = viewer.layers["cells"]
    np.testing.assert_array_equal(again.data, cells.data)
    assert again.features.to_dict("list") == cells.features.to_dict("list")
    assert list(again.text.values) == list(cells.text.values)
    np.testing.assert_array_equal(again.shown, cells.shown)
    np.testing.assert_allclose(again.face_color, cells.face_color)
    np.testing.assert_allclose(again.border_width, cells.border_width)
    assert not again.border_width_is_relative
    assert [str(one) for one in again.symbol] == ["disc", "cross", "disc", "star"]
    np.testing.assert_array_equal(viewer.layers["tumour"].data[0], outline)
    assert viewer.layers["tumour"].features["grade"].tolist() == [3]
    assert viewer.layers["none yet"].ndim == 3


def test_a_damaged_layer_costs_only_itself(viewer, session, quiet):
    path = session / "mine.medrefine-session.json"
    viewer.layers.remove("made")
    save(viewer, path)
    record = json.loads(path.read_text(encoding="utf-8"))
    record["layers"][-1]["vector"]["data"] = [[[0, 1], [2]]]
    path.write_text(json.dumps(record), encoding="utf-8")
    again, said = opened(path)
    assert [layer.name for layer in again.layers] == ["s_4x", "s_40x"]
    assert said == ["'s_40x · outline' is not restored: what the session says of it is damaged."]


VECTOR = {"data": [[1, 2]]}


@pytest.mark.parametrize(
    "damage",
    [
        {"vector": {**VECTOR, "affine": [[1]]}},
        {"vector": {**VECTOR, "evil": 1}},
        {"vector": {**VECTOR, "scale": [0, 0]}},
        {"vector": {**VECTOR, "ndim": 10**12, "data": []}},
        {"vector": {**VECTOR, "symbol": ["no such"]}},
        {"vector": None, "source": {"relative": "x" * 5000, "absolute": "/x"}},
        {"vector": None, "kind": "image", "attributes": {"blending": "no such"}},
    ],
)
def test_whatever_is_damaged_in_a_layer_the_others_come_back(tmp_path, damage):
    path, photo = tmp_path / "s.medrefine-session.json", tmp_path / "s.png"
    write_image(photo, np.zeros((30, 40), np.uint8))
    (layer,) = layers_of(photo, PLUGIN)
    points = np.zeros((1, 2)), {"name": "p"}, "points"
    save_session(path, [(layer, str(photo), PLUGIN), (points, None, None)])
    record = json.loads(path.read_text(encoding="utf-8"))
    whole = record["layers"][0]
    record["layers"][1] = {"attributes": {}, **whole, **record["layers"][1], **damage}
    path.write_text(json.dumps(record), encoding="utf-8")
    again, said = opened(path)
    assert [layer.name for layer in again.layers] == ["s"]
    assert len(said) == 1
    assert said[0].startswith("'p' is not restored: ")


@pytest.mark.skipif(sys.platform != "linux", reason="here all names of files are text")
def test_a_file_whose_name_is_no_text_costs_its_layer(tmp_path):
    path, photo = tmp_path / "s.medrefine-session.json", tmp_path / os.fsdecode(b"q\xff.png")
    write_image(photo, np.zeros((30, 40), np.uint8))
    (layer,) = layers_of(photo, PLUGIN)
    points = np.zeros((1, 2)), {"name": photo.stem}, "points"
    (said,) = save_session(path, [(layer, str(photo), PLUGIN), (points, None, None)])
    assert "'q\ufffd' is left out" in said
    assert "rename it" in said
    assert [one[1]["name"] for one in read_session(path)] == ["q\ufffd"]


@pytest.mark.parametrize("file", ["x.medrefine.json", "x.ome.tif", "x.ome.zarr"])
def test_of_several_pictures_of_one_size_the_right_one_comes_back(tmp_path, file):
    pictures = {name: np.full((90, 120, 3), n, np.uint8) for n, name in enumerate("ABC", 40)}
    saved = [(one, {"name": name, "rgb": True}, "image") for name, one in pictures.items()]
    made = Path(save_layers(tmp_path / file, saved))
    path = tmp_path / "s.medrefine-session.json"
    layers = layers_of(made, PLUGIN)
    layers[0][1]["name"] = "renamed"
    save_session(path, [(layers[n], str(made), PLUGIN) for n in (2, 0)])

    def back():
        return [
            (one[1]["name"], int(np.asarray(finest(one))[50, 50, 0])) for one in read_session(path)
        ]

    def finest(one):
        return one[0][0] if isinstance(one[0], list) else one[0]

    assert back() == [("C", 42), ("renamed", 40)]

    # Of a session of before: the name tells, and where it does not, that is said.
    kept = json.loads(path.read_text())
    for layer in kept["layers"]:
        del layer["windows_sha256"]
    path.write_text(json.dumps(kept))
    with pytest.warns(
        UserWarning, match="3 pictures of the size of 'renamed'|2 pictures of the si"
    ):
        assert back()[0] == ("C", 42)
