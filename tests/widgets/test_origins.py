"""Registrations and results hang on the layer they are of, whatever that is called by now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import sha256_of
from napari_medrefine.photos import write_image
from napari_medrefine.registration import Placement
from napari_medrefine.registration.placement import similarity
from napari_medrefine.widgets._layer_pair import LayerPair
from napari_medrefine.widgets._learning import found_on
from napari_medrefine.widgets._measure_roles import registered_field, roles_of
from napari_medrefine.widgets._origins import MADE_FROM, OVERVIEW, is_origin, origin_of, remember
from napari_medrefine.widgets._placing import bring_into_sight, place
from napari_medrefine.widgets._registrations import Registrations
from napari_medrefine.widgets.save_session import save

SHAPE, FIELD = (120, 160), (60, 80)


def photo(viewer, tissue, name, shape=SHAPE, seed=0, **options):
    return viewer.add_image(tissue(*shape, seed), rgb=True, name=name, **options)


def placed(overview, field, ratio=10.0, centre=(60.0, 80.0)):
    matrix = similarity(ratio, 0.0, (np.array(FIELD) - 1) / 2, np.array(centre))
    own = sha256_of(np.asarray(overview.data))
    placement = Placement(matrix, FIELD, SHAPE, True, "Fits.", 0.9, overview_sha256=own)
    place(overview, field, placement)
    return placement


@pytest.fixture
def registered(viewer, tissue):
    """An overview with a registered field and a result."""
    overview = photo(viewer, tissue, "s_4x")
    field = photo(viewer, tissue, "s_40x", FIELD, 1)
    placed(overview, field)
    made = photo(viewer, tissue, "large", (240, 320), 2)
    made.scale = (0.5, 0.5)
    made.metadata = {"medrefine": {"made_from": "s_4x", "scale": 2.0}}
    remember(made, MADE_FROM, overview)
    return overview, field, made


def test_a_renamed_overview_keeps_its_fields_and_results(viewer, registered):
    overview, field, made = registered
    overview.name = "Overview of case 12"
    pair = LayerPair(viewer)
    assert pair.layers == (made, overview)
    assert registered_field(viewer, None, None).given is overview
    assert found_on(viewer, (field,)).overview is overview
    assert Registrations(viewer).of([field])[0][1].overview is overview
    assert roles_of(viewer, made, field).given is overview
    with pytest.raises(MedRefineError, match="was made from 'Overview of case 12'"):
        roles_of(viewer, made, overview)


def test_another_photo_of_the_same_name_is_no_overview(viewer, tissue, registered):
    overview, field, made = registered
    viewer.layers.remove(overview)
    other = photo(viewer, tissue, "s_4x", seed=9)
    assert origin_of(viewer.layers, field, OVERVIEW) is None
    assert origin_of(viewer.layers, made, MADE_FROM) is None
    assert found_on(viewer, (field, other)) is None
    with pytest.raises(MedRefineError, match="Register 's_40x' first"):
        Registrations(viewer).of([field])
    same = photo(viewer, tissue, "opened again")  # the very photo, under another name
    assert origin_of(viewer.layers, field, OVERVIEW) is same


def test_a_session_of_a_renamed_overview_brings_its_registrations_back(viewer, tissue, tmp_path):
    from npe2 import PluginManager

    PluginManager.instance().discover()
    for name, shape, seed in (("s_4x", SHAPE, 0), ("s_40x", FIELD, 1)):
        write_image(tmp_path / f"{name}.png", tissue(*shape, seed))
    overview, field = (
        viewer.open(str(tmp_path / f"{name}.png"), plugin="napari")[0] for name in ("s_4x", "s_40x")
    )
    placed(overview, field)
    overview.name = "Case 12"
    save(viewer, Path(tmp_path / "mine.medrefine-session.json"))
    viewer.layers.clear()
    viewer.open(str(tmp_path / "mine.medrefine-session.json"), plugin="napari-medrefine")
    again, field = viewer.layers
    assert again.name == "Case 12"
    assert Registrations(viewer).of([field])[0][1].overview is again


def test_undone_the_note_of_before_counts(viewer, tissue):
    first, second = photo(viewer, tissue, "one_4x"), photo(viewer, tissue, "two_4x", seed=5)
    field = photo(viewer, tissue, "40x", FIELD, 1)
    registrations = Registrations(viewer)
    for overview in (first, second):
        registrations.begin()
        with registrations.history.changing("placed", [field]):
            placed(overview, field)
    assert origin_of(viewer.layers, field, OVERVIEW) is second
    registrations.history.undo()
    assert origin_of(viewer.layers, field, OVERVIEW) is first
    assert not is_origin(second, field, OVERVIEW)


@pytest.mark.parametrize("bottom_up", ["s_10x s_40x_1 s_40x_2 s_4x", "s_4x s_40x_1 s_40x_2 s_10x"])
def test_finer_fields_come_to_lie_above_coarser_ones(viewer, tissue, bottom_up):
    for seed, name in enumerate(bottom_up.split()):
        photo(viewer, tissue, name, SHAPE if name == "s_4x" else FIELD, seed)
    overview = viewer.layers["s_4x"]
    for name in ("s_10x", "s_40x_1", "s_40x_2"):
        placed(overview, viewer.layers[name], 2.5 if name == "s_10x" else 10.0)
        bring_into_sight(viewer, overview, viewer.layers[name])
    names = [layer.name for layer in viewer.layers]
    assert names[:2] == ["s_4x", "s_10x"]
    assert set(names[2:]) == {"s_40x_1", "s_40x_2"}
