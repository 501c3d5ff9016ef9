"""The slides of an atlas, assembled: what napari is given."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from napari_medrefine import MedRefineError, Placement
from napari_medrefine.atlas import load_atlas
from napari_medrefine.atlas.layers import layers_steps
from napari_medrefine.photos import read_photo
from napari_medrefine.progress import Step


@pytest.fixture
def layers(made):
    from napari.components import ViewerModel
    from napari.layers import Layer

    viewer = ViewerModel()
    for item in layers_steps(made, load_atlas(made)):
        if not isinstance(item, Step):
            viewer.add_layer(Layer.create(*item))
    return {layer.name: layer for layer in viewer.layers}


def test_every_photo_is_there_in_full_and_small(layers, photos):
    assert set(layers) == {*"kcmaqdxbye", "k · coverage", "d · coverage"}
    for name in "kcmaq":
        full, small = layers[name].data
        image = read_photo(photos / f"{name}.png").image
        assert (np.asarray(full) == image).all()
        assert small.shape[0] * 4 == image.shape[0]
        blocks = image.reshape(small.shape[0], 4, small.shape[1], 4, 3).mean((1, 3))
        assert np.abs(blocks - small).max() <= 1


def test_fields_lie_on_their_overview_in_the_world(layers, made):
    for photo in load_atlas(made).photos:
        if photo.role == "field":
            place = Placement.load(made / photo.placement)
            for point in ([0.0, 0.0], [500.0, 300.0]):
                here = layers[photo.name].data_to_world(point)
                there = layers[photo.overview[0]].data_to_world(
                    place.matrix[:2, :2] @ point + place.matrix[:2, 2]
                )
                assert here == pytest.approx(there, abs=1e-6)


def test_slides_lie_beside_each_other(layers):
    one, other = (layers[name].extent.world for name in "kd")
    assert (one[1] < other[0]).any() or (other[1] < one[0]).any()


def test_the_coverage_lies_on_the_overview_and_says_what_is_missing(layers):
    cover, overview = layers["k · coverage"], layers["k"]
    assert not cover.visible
    cover.visible = True
    np.testing.assert_allclose(
        cover.extent.world, overview.extent.world, atol=2.0 * cover.scale.max()
    )
    names = list(cover.features["photographed at"])
    assert names == ["", "10x", "40x", "missing"]
    shares = cover.features["share of the overview"]
    forty = layers["a"]
    middle = forty.data_to_world(np.array(forty.data[0].shape[:2]) / 2)
    assert cover.get_value(middle, world=True) == names.index("40x")
    assert cover.get_value(overview.data_to_world((3, 3)), world=True) == names.index("missing")
    assert shares[3] == pytest.approx(np.mean(cover.data == 3), abs=0.01)


def test_photos_that_were_moved_away_are_one_sentence(made, photos):
    shutil.move(photos, photos.with_name("elsewhere"))
    with pytest.raises(MedRefineError, match="photos of this atlas are not in"):
        next(layers_steps(made, load_atlas(made)))


def test_atlas_and_photos_moved_together_stay_together(made, photos, tmp_path):
    (tmp_path / "new").mkdir()
    for folder in (made, photos):
        shutil.move(folder, tmp_path / "new" / folder.name)
    job = layers_steps(tmp_path / "new" / "atlas", load_atlas(tmp_path / "new" / "atlas"))
    assert sum(not isinstance(item, Step) for item in job) == 12
