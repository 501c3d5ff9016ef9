"""The menu command that outlines tiles, on napari's model of a viewer."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medrefine.dataset.colours import SPLIT_COLOURS
from napari_medrefine.io.writer import save_layers
from napari_medrefine.widgets import tile_outlines
from napari_medrefine.widgets.tile_outlines import NONE_THERE, add_outlines


@pytest.fixture
def said(monkeypatch):
    sentences = []
    monkeypatch.setattr(tile_outlines, "show_info", sentences.append)
    monkeypatch.setattr(tile_outlines, "show_warning", sentences.append)
    return sentences


@pytest.fixture
def manifest(tissue, tmp_path):
    layers = [
        (tissue(300, 400, seed), {"name": f"p{seed}", "rgb": True, "visible": seed == 1}, "image")
        for seed in range(3)
    ]
    return save_layers(tmp_path / "a.medrefine.json", layers)


@pytest.fixture
def opened(viewer, manifest):
    from npe2 import PluginManager

    PluginManager.instance().discover()
    viewer.open(str(manifest), plugin="napari-medrefine")
    viewer.layers.selection.clear()
    return viewer


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_visible_photos_are_outlined_once(opened, said):
    (added,) = add_outlines(opened)
    assert names(opened) == ["p0", "p1", "p1 tiles", "p2"]
    assert said == [
        "Each rectangle is a tile: blue is training, orange is validation, green is test."
    ]
    assert len(added.data) == 4
    split = opened.layers["p1"].data.medrefine["split"]
    expected = [int(SPLIT_COLOURS[split][i : i + 2], 16) / 255 for i in (1, 3, 5)]
    assert added.edge_color[0][:3] == pytest.approx(np.array(expected), abs=1e-6)
    opened.layers.selection.clear()
    assert add_outlines(opened) == []
    assert len(opened.layers) == 4


def test_selected_photos_are_outlined_where_they_are_now(opened, said):
    photo = opened.layers["p0"]
    opened.layers.selection = {photo}
    photo.scale, photo.translate, photo.rotate, photo.name = (2, 3), (7, -1), 20, "mine"
    (added,) = add_outlines(opened)
    assert names(opened)[:2] == ["mine", "mine tiles"]
    for point in ((0, 0), (299.5, 399.5)):
        assert added.data_to_world(point) == pytest.approx(photo.data_to_world(point))


def test_without_a_dataset_it_says_what_to_do(viewer, tissue, said):
    viewer.add_image(tissue(64, 64), rgb=True)
    assert add_outlines(viewer) == []
    assert said == [NONE_THERE]


def test_a_dataset_that_is_gone_is_said(opened, manifest, said):
    manifest.unlink()
    assert add_outlines(opened) == []
    assert len(said) == 1
    assert "a.medrefine.json" in said[0]
