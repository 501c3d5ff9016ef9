"""Networks of others in the Magnify widget: offered for what they do, and run."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from tests.superres.foreign_zoo import written

from napari_medrefine.widgets._layers import KEY
from napari_medrefine.widgets._model_choice import OTHER, SHIPPED
from napari_medrefine.widgets.magnify import MagnifyWidget


def compact_like(path, scale):
    """What a file of Real-ESRGAN's compact network looks like, made without spandrel."""
    layers = [(8, 3), (8, 8), (3 * scale**2, 8)]
    state = {f"body.{2 * i}.weight": torch.zeros(*ends, 3, 3) for i, ends in enumerate(layers)}
    torch.save({"params": state}, path)
    return path


@pytest.fixture
def browse(viewer, tissue, monkeypatch, tmp_path):
    """A Magnify widget, and a way to choose a file in its Browse dialog."""
    viewer.add_image(tissue(48, 60), rgb=True, name="photo")
    widget = MagnifyWidget(viewer)

    def choose(path):
        monkeypatch.setattr("napari_medrefine.widgets._model_choice.ask_weights", lambda _: path)
        widget.model.browse.native.click()
        return widget

    return choose


@pytest.mark.parametrize(
    ("scale", "task", "shown", "other"),
    [(1, "sharpen", 4.0, 3.0), (2, "magnify", 2.0, 3.0), (4, "magnify", 4.0, 3.0),
     (3, "magnify", OTHER, 3.0), (8, "magnify", OTHER, 8.0)],
)  # fmt: skip
def test_a_network_of_others_is_offered_for_what_it_does(
    browse, tmp_path, scale, task, shown, other
):
    widget = browse(compact_like(tmp_path / "net.pth", scale))
    assert widget.task.value == task
    assert (widget.scale.value, widget.other_scale.value) == (shown, other)
    assert widget.recipe.scale == scale
    widget.task.value = "magnify" if task == "sharpen" else "sharpen"
    assert "trained to" in widget.size.value


def test_realism_is_for_networks_with_two_kinds_of_weights(browse, tmp_path):
    path = compact_like(tmp_path / "net.pth", 2)
    widget = browse(None)
    widget.realism.value = 0.4
    browse(path)
    assert not widget.realism.enabled
    assert widget.recipe.realism == 0
    browse(compact_like(tmp_path / "another.pth", 4))
    widget.model.model.value = SHIPPED
    assert widget.realism.enabled
    assert widget.recipe.realism == 0.4


def test_what_only_running_will_tell_is_offered_for_both(browse, tmp_path):
    torch.save({"a.weight": torch.zeros(2, 2)}, tmp_path / "unknown.ckpt")
    widget = browse(tmp_path / "unknown.ckpt")
    for task in ("magnify", "sharpen"):
        widget.task.value = task
        assert "become" in widget.size.value


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 cut off"])
def test_a_wrong_file_is_said_and_not_offered(browse, tmp_path, content, monkeypatch):
    said = []
    monkeypatch.setattr("napari_medrefine.widgets._model_choice.show_warning", said.append)
    (tmp_path / "bad.pth").write_bytes(content)
    widget = browse(tmp_path / "bad.pth")
    assert widget.model.file is None
    assert len(said) == 1
    assert "bad.pth" in said[0]


def test_a_network_of_others_magnifies_a_layer(browse, wait, viewer, tmp_path):
    path = written(tmp_path, "compact2")
    widget = browse(path)
    widget.region.value = "whole"
    widget.job.start.native.click()
    wait(widget.job, 120)
    made = viewer.layers[1]
    assert made.data.shape == (96, 120, 3)
    facts = made.metadata[KEY]
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert facts["weights"] == [{"name": "compact2.pth", "sha256": sha256}]
    assert facts["model"] == str(path)

    from napari_medrefine import magnify

    np.testing.assert_array_equal(made.data, magnify(viewer.layers[0].data, 2, model=path))


def test_why_a_network_cannot_run_is_said(browse, wait, viewer, tmp_path):
    widget = browse(compact_like(tmp_path / "hollow.pth", 2))
    widget.region.value = "whole"
    widget.job.start.native.click()
    wait(widget.job, 120)
    assert "hollow.pth" in widget.job.message.value
    assert len(viewer.layers) == 1
