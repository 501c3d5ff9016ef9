"""The menu commands that save layers and open OME-Zarr, in a real window."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medrefine.widgets import save_layers as command
from napari_medrefine.widgets._saving import SavingPanel
from napari_medrefine.widgets.open_folder import open_folder
from napari_medrefine.widgets.save_layers import save_layers


def test_the_selected_images_are_saved_and_open_again(real_viewer, tissue, monkeypatch, tmp_path):
    um = {"scale": (0.5, 0.25), "units": ("um", "um"), "rgb": True}
    real_viewer.add_image(tissue(40, 50), name="first", rotate=20, **um)
    second = real_viewer.add_image(tissue(30, 40, 1), name="a/b", **um)
    real_viewer.layers.selection = {second}
    said = []
    monkeypatch.setattr("napari_medrefine.widgets._saving.show_info", said.append)
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


@pytest.fixture
def large(real_viewer, tissue, monkeypatch, tmp_path):
    """A layer that takes a while to save, the file asked for, and what is said."""
    said = []
    layer = real_viewer.add_image(tissue(700, 600), name="large", rgb=True)
    target = tmp_path / "large.ome.tif"
    monkeypatch.setattr(command, "AT_ONCE", 1000)
    monkeypatch.setattr(command, "ask_save_path", lambda *_: target)
    monkeypatch.setattr("napari_medrefine.widgets._saving.show_info", said.append)
    return layer, target, said


def panels(viewer):
    docks = viewer.window.dock_widgets.values()
    return [dock for dock in docks if isinstance(dock, SavingPanel)]


def test_large_ones_are_saved_beside_the_work_and_the_panel_goes(real_viewer, large, qtbot):
    layer, target, said = large
    save_layers()
    assert [panel.job.running for panel in panels(real_viewer)] == [True]
    qtbot.waitUntil(lambda: not panels(real_viewer), timeout=60_000)
    assert said == [f"Saved 'large' in {target}."]
    assert layer.metadata["medrefine"]["saved_as"] == str(target)
    real_viewer.open(target, plugin="napari-medrefine")
    np.testing.assert_array_equal(real_viewer.layers[-1].data, layer.data)


def test_stopped_it_leaves_nothing_and_can_begin_again(real_viewer, large, qtbot, wait):
    _, target, said = large
    save_layers()
    (panel,) = panels(real_viewer)
    panel.job.stop()
    wait(panel.job)
    assert panel.job.message.value == "Stopped; nothing was written."
    assert not list(target.parent.iterdir())
    assert said == []
    panel.job.start.native.click()
    qtbot.waitUntil(lambda: not panels(real_viewer), timeout=60_000)
    assert target.is_file()
