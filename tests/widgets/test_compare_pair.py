"""Which two layers are compared: likely ones, then the user's; what to do where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medrefine.errors import MedRefineError
from napari_medrefine.widgets._layer_pair import LayerPair
from napari_medrefine.widgets._layers import note


@pytest.fixture
def pair(viewer):
    return LayerPair(viewer)


def photo(viewer, name, **options):
    return viewer.add_image(np.zeros((20, 30, 3), np.uint8), rgb=True, name=name, **options)


def chosen(pair):
    return pair.first.current_choice, pair.second.current_choice


def test_it_says_what_to_do_when_there_is_nothing_to_compare(viewer, pair):
    with pytest.raises(MedRefineError, match=r"Open a 4x overview .* first"):
        _ = pair.layers
    photo(viewer, "s_4x")
    with pytest.raises(MedRefineError, match=r"Only 's_4x' is open.*register"):
        _ = pair.layers
    photo(viewer, "s_40x_1")
    assert [layer.name for layer in pair.layers] == ["s_40x_1", "s_4x"]
    pair.second.value = viewer.layers["s_40x_1"]
    with pytest.raises(MedRefineError, match="chosen twice"):
        _ = pair.layers


def test_layers_that_cannot_be_compared_are_refused(viewer, pair):
    photo(viewer, "s_4x", units=("um", "um"))
    other = photo(viewer, "seconds", units=("s", "s"))
    pair.first.value = other
    with pytest.raises(MedRefineError, match="cannot be converted"):
        _ = pair.layers
    pair.first.value = viewer.add_image(np.zeros((3, 20, 30)), name="stack")
    with pytest.raises(MedRefineError, match="3 dimensions"):
        _ = pair.layers


def test_the_newest_result_and_its_source_are_chosen_until_the_user_chooses(viewer, pair, qtbot):
    overview, field = photo(viewer, "s_4x"), photo(viewer, "s_40x_1")
    photo(viewer, "other")
    field.affine = np.diag([0.1, 0.1, 1])
    note(field, overview="s_4x")
    qtbot.waitUntil(lambda: chosen(pair) == ("s_40x_1", "s_4x"), timeout=2_000)
    made = photo(viewer, "magnified", metadata={"medrefine": {"made_from": "s_4x"}})
    viewer.layers.move(3, 1)
    assert pair.layers == (made, overview)
    trust = {"made_from": "s_4x", "trust_of": "magnified"}
    photo(viewer, "trust", metadata={"medrefine": trust})
    assert pair.layers == (made, overview)
    pair.first.value = field
    photo(viewer, "again", metadata={"medrefine": {"made_from": "s_4x"}})
    assert pair.layers == (field, overview)
    field.name = "renamed"
    assert pair.layers == (field, overview)


def test_of_layers_that_were_there_before_the_generated_one_is_chosen(viewer):
    photo(viewer, "s_4x")
    photo(viewer, "magnified", metadata={"medrefine": {"made_from": "s_4x"}})
    photo(viewer, "s_40x_1", metadata={"medrefine": {"overview": "s_4x"}})  # and above it
    assert chosen(LayerPair(viewer)) == ("magnified", "s_4x")


def test_a_change_is_told_once_and_only_when_there_is_one(viewer, pair):
    told = []
    pair.changed.connect(lambda: told.append(chosen(pair)))
    photo(viewer, "a")
    photo(viewer, "b")
    assert told == [("a", "a"), ("b", "a")]
    viewer.layers["a"].name = "c"
    viewer.layers.move(0, 1)
    assert len(told) == 2
    photo(viewer, "d")
    viewer.layers.remove("d")
    assert told[2:] == [("d", "b"), ("b", "c")]


def test_a_chosen_layer_that_is_removed_is_replaced(viewer, pair):
    for name in "abc":
        photo(viewer, name)
    pair.first.value, pair.second.value = viewer.layers["a"], viewer.layers["b"]
    viewer.layers.remove("a")
    assert chosen(pair) == ("c", "b")
    viewer.layers.clear()
    assert pair.first.value is None
