"""The menu commands that save layers and open OME-Zarr, in a real window."""

from __future__ import annotations

import numpy as np

from napari_medrefine.widgets.open_folder import open_folder
from napari_medrefine.widgets.save_layers import save_layers


def test_the_selected_images_are_saved_and_open_again(real_viewer, tissue, monkeypatch, tmp_path):
    um = {"scale": (0.5, 0.25), "units": ("um", "um"), "rgb": True}
    real_viewer.add_image(tissue(40, 50), name="first", rotate=20, **um)
    second = real_viewer.add_image(tissue(30, 40, 1), name="a/b", **um)
    real_viewer.layers.selection = {second}
    said = []
    monkeypatch.setattr("napari_medrefine.widgets.save_layers.show_info", said.append)
    monkeypatch.setattr("napari_medrefine.widgets.save_layers.show_warning", said.append)
    monkeypatch.setattr(
        "napari_medrefine.widgets.save_layers.ask_save_path",
        lambda *asked: (said.append(asked[2]), tmp_path / "x.ome.zarr")[1],
    )
    save_layers()
    assert said == ["a_b.ome.tif", f"Saved 'a/b' in {tmp_path / 'x.ome.zarr'}."]
    monkeypatch.setattr(
        "napari_medrefine.widgets.open_folder.ask_folder", lambda *_: tmp_path / "x.ome.zarr"
    )
    open_folder()
    again = real_viewer.layers[-1]
    np.testing.assert_array_equal(again.data, second.data)
    assert again.data_to_world((7, 9)) == second.data_to_world((7, 9))
    assert again.units == second.units
    real_viewer.layers.clear()
    save_layers()
    assert said[-1] == "There is no image layer to save."
