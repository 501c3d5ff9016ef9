"""In a real napari window: the manifest's contributions, and windows closed in the middle."""

from __future__ import annotations

import threading
from contextlib import suppress

import numpy as np
import pytest
from npe2 import PluginManager, PluginManifest

from napari_medrefine.progress import Step

PLUGIN = "napari-medrefine"
WIDGETS = (
    "First minute",
    "Register",
    "Magnify & sharpen",
    "Compare",
    "Atlas",
    "Prepare dataset",
    "Train",
)


def test_the_manifest_names_what_exists():
    from napari._app_model.constants._menus import is_menu_contributable

    manifest = PluginManifest.from_distribution(PLUGIN)
    manifest.validate_imports()
    assert manifest.display_name == "MedRefine"
    assert {widget.display_name for widget in manifest.contributions.widgets} == set(WIDGETS)
    assert [sample.key for sample in manifest.contributions.sample_data] == ["slide"]
    assert not any(reader.accepts_directories for reader in manifest.contributions.readers)
    assert all(is_menu_contributable(menu) for menu in manifest.contributions.menus)


def test_only_a_datasets_manifest_is_claimed(tmp_path):
    manager = PluginManager()
    manager.register(PluginManifest.from_distribution(PLUGIN))
    claimed = [
        name
        for name in ("medrefine-dataset.json", "a.json", "photo.jpg", "folder")
        if list(manager.iter_compatible_readers([str(tmp_path / name)]))
    ]
    assert claimed == ["medrefine-dataset.json"]


@pytest.mark.parametrize("name", ["Register", "Magnify & sharpen"])
def test_the_dock_widgets_open_and_follow_the_layers(real_viewer, tissue, name):
    _, widget = real_viewer.window.add_plugin_dock_widget(PLUGIN, name)
    chooser = widget.overview if name == "Register" else widget.layer
    assert chooser.value is None
    layer = real_viewer.add_image(tissue(64, 64), rgb=True, name="slide_4x")
    assert chooser.value is layer
    layer.name = "renamed"
    assert chooser.current_choice == "renamed"
    real_viewer.layers.clear()
    assert chooser.value is None


def test_every_control_has_a_tooltip(real_viewer):
    from qtpy.QtWidgets import QAbstractButton, QComboBox, QListWidget, QSlider

    for name in WIDGETS:
        _, widget = real_viewer.window.add_plugin_dock_widget(PLUGIN, name)
        for kind in (QAbstractButton, QComboBox, QListWidget, QSlider):
            for control in widget.native.findChildren(kind):
                assert control.toolTip() or control.parent().toolTip(), control


def test_the_widgets_fit_a_small_screen(real_viewer):
    for name in WIDGETS:
        _, widget = real_viewer.window.add_plugin_dock_widget(PLUGIN, name)
        assert widget.native.minimumSizeHint().width() < 400
        assert widget.native.minimumSizeHint().height() < 300  # the rest scrolls


def test_a_dock_widget_closed_in_the_middle_takes_its_job_along(real_viewer, qtbot):
    dock, widget = real_viewer.window.add_plugin_dock_widget(PLUGIN, "Register")
    over, done = threading.Event(), []

    def work():
        try:
            for k in range(2_000):
                threading.Event().wait(0.005)
                yield Step(k, 2_000, "")
        finally:
            over.set()

    widget.job.run(work, on_done=done.append)
    qtbot.wait(50)
    real_viewer.window.remove_dock_widget(dock)  # what its close button does
    qtbot.waitUntil(over.is_set, timeout=20_000)
    real_viewer.add_image(np.zeros((8, 8)))  # the closed widget does not mind new layers
    with suppress(RuntimeError):  # Qt may have deleted it already
        widget.native.deleteLater()
    assert done == []


def test_the_view_of_a_real_canvas_is_what_is_cut(real_viewer, tissue):
    from napari_medrefine.widgets._regions import in_view

    layer = real_viewer.add_image(tissue(300, 400), rgb=True, scale=(2, 2), units=("um", "um"))
    real_viewer.fit_to_view()
    assert in_view(real_viewer, layer).shape == (300, 400)
    real_viewer.scene.camera.zoom *= 8
    rows, cols = in_view(real_viewer, layer).shape
    assert 20 < rows < 80
    assert 20 < cols < 120


def test_the_folder_command_opens_photos_or_says_why_not(real_viewer, tissue, tmp_path):
    from napari_medrefine.photos import write_image
    from napari_medrefine.widgets.open_folder import add_photos

    add_photos(real_viewer, tmp_path)
    assert len(real_viewer.layers) == 0
    write_image(tmp_path / "s_4x.png", tissue(40, 60), pixel_um=1.25)
    add_photos(real_viewer, tmp_path)
    assert [layer.name for layer in real_viewer.layers] == ["s_4x"]
    assert real_viewer.layers[0].scale == pytest.approx(1.25, rel=1e-3)
