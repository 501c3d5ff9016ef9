"""What is set in napari's preferences is what happens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from napari.settings import get_plugin_settings

from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.precision import inference_precision, use_device
from napari_medrefine.widgets._preferences import Preferences, load_networks, preferences
from napari_medrefine.widgets.magnify import MagnifyWidget


@pytest.fixture
def section(qapp):
    """Return the settings that napari makes of the manifest."""
    settings = get_plugin_settings("napari-medrefine").magnify
    before = settings.model_dump()
    yield settings
    for name, value in before.items():
        setattr(settings, name, value)


def test_the_defaults_are_those_of_the_manifest(section):
    assert preferences() == Preferences()


def test_the_slider_stands_where_it_was_set(viewer, section):
    section.realism = 0.5
    assert MagnifyWidget(viewer).realism.value == 0.5
    section.ome_zarr = "0.4"
    assert preferences().ome_zarr == "0.4"


def test_the_networks_keep_to_device_and_threads():
    def in_a_job(wanted):
        load_networks(wanted)
        return inference_precision().device, torch.get_num_threads()

    with ThreadPoolExecutor(1) as job:
        assert job.submit(in_a_job, Preferences("cpu", threads=1)).result() == ("cpu", 1)
    use_device("automatic")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has an MPS device")
def test_a_device_that_is_not_there_is_told():
    with pytest.raises(MedRefineError, match="'mps': PyTorch finds no such device"):
        use_device("mps")
