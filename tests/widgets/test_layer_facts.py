"""What the widgets read off layers: magnification, likely overview, what is no photo."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_medrefine.errors import MedRefineError
from napari_medrefine.widgets._layers import (
    Magnification,
    check_photo,
    likely_fields,
    likely_overview,
    note,
)


def photo(name, **options):
    return Image(np.zeros((20, 30, 3), np.uint8), rgb=True, name=name, **options)


def ratio(overview, field):
    return Magnification.of(overview).ratio(Magnification.of(field))


def test_ratio_comes_from_pixel_sizes_in_any_units():
    overview = photo("a", scale=(1.25, 1.25), units=("um", "um"))
    field = photo("b", scale=(125, 125), units=("nm", "nm"))
    assert ratio(overview, field) == pytest.approx(10)


def test_ratio_comes_from_names_where_nothing_else_says_it():
    assert ratio(photo("slide1_4x"), photo("slide1_10x_2")) == pytest.approx(2.5)
    assert ratio(photo("one"), photo("two")) is None


def test_ratio_comes_from_what_a_reader_noted():
    overview, field = photo("one"), photo("two")
    note(overview, objective=4.0)
    note(field, objective=40.0)
    assert ratio(overview, field) == pytest.approx(10)


def test_equal_pixel_sizes_do_not_overrule_the_objectives():
    scale = {"scale": (2.0, 2.0), "units": ("um", "um")}
    assert ratio(photo("s_4x", **scale), photo("s_40x", **scale)) == pytest.approx(10)


def test_likely_overview_is_the_coarsest_and_its_fields_are_of_its_slide():
    layers = [photo("b_40x_1"), photo("a_40x_1"), photo("a_4x"), photo("a_10x_1")]
    overview = likely_overview(layers)
    assert overview.name == "a_4x"
    assert [x.name for x in likely_fields(overview, layers)] == ["a_40x_1", "a_10x_1"]


def test_photos_that_say_nothing_lie_on_the_bottom_one():
    layers = [photo("one"), photo("two")]
    overview = likely_overview(layers)
    assert overview is layers[0]
    assert likely_fields(overview, layers) == [layers[1]]


def test_notes_leave_the_users_metadata_alone():
    layer = photo("a", metadata={"mine": 1, "medrefine": {"objective": 4}})
    note(layer, overview="b")
    assert layer.metadata == {"mine": 1, "medrefine": {"objective": 4, "overview": "b"}}


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (None, "Select a 4x overview first"),
        (Labels(np.zeros((4, 4), int), name="cells"), "'cells' is no image layer"),
        (Image(np.zeros((3, 20, 30)), name="stack"), "'stack' has 3 dimensions"),
    ],
)
def test_what_is_no_photo_is_named(layer, says):
    with pytest.raises(MedRefineError, match=says):
        check_photo(layer, "a 4x overview")
