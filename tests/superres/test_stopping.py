"""Networks of others stop in the middle of a tile, as ours do."""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.superres.foreign_zoo import Doubler, described, library
from torch import Tensor, nn

from napari_medrefine import magnify
from napari_medrefine.progress import JobStopped, stoppable
from napari_medrefine.superres import foreign, stopping
from napari_medrefine.superres.stopping import let_stop


class Ran(list[int]):
    """What has run; may hold what runs at some point, until it is to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.hold_at, self.reached, self.go_on = 0, threading.Event(), threading.Event()

    def append(self, one: int) -> None:
        super().append(one)
        if len(self) == self.hold_at:
            self.reached.set()
            assert self.go_on.wait(60)


class Slow(nn.Module):
    """A layer that takes its time, as far as anybody knows; notes that it has run."""

    def __init__(self, ran: Ran) -> None:
        super().__init__()
        self.ran = ran

    def forward(self, image: Tensor) -> Tensor:
        self.ran.append(1)
        return image


class Deep(Doubler):
    """A network of many layers, in layers."""

    def __init__(self, ran: Ran) -> None:
        super().__init__()
        self.body = nn.Sequential(*(nn.Sequential(*(Slow(ran) for _ in range(5))) for _ in "12345"))

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(self.body(image))


@pytest.fixture
def deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A weight file that is read as a deep network, and the list of what has run."""
    ran = Ran()
    path = tmp_path / "2x-deep.pth"
    torch.save({"body.0.weight": torch.zeros(12, 3, 3, 3)}, path)
    monkeypatch.setattr(foreign, "spandrel", lambda _: library(described(Deep(ran))))
    return path, ran


def test_after_the_wish_to_stop_no_further_layer_runs(deep: Any) -> None:
    path, ran = deep
    image = np.full((40, 40, 3), 128, np.uint8)
    magnify(image, 2, model=path)
    ran.clear()
    with stoppable(lambda: len(ran) >= 7), pytest.raises(JobStopped):
        magnify(image, 2, model=path)
    assert len(ran) == 7
    magnify(image, 2, model=path)  # as if nothing had been
    assert len(ran) == 7 + 25


def test_cancel_stops_a_network_of_others_within_its_tile(
    deep: Any, viewer: Any, qtbot: Any, wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_medrefine.widgets.magnify import MagnifyWidget

    path, ran = deep
    viewer.add_image(np.arange(4800, dtype=np.uint16).reshape(40, 40, 3), rgb=True, name="photo")
    widget = MagnifyWidget(viewer)
    monkeypatch.setattr("napari_medrefine.widgets._model_choice.ask_weights", lambda _: path)
    widget.model.browse.native.click()
    widget.region.value = "whole"
    magnify(np.zeros((40, 40, 3)), 2, model=path)  # the network is ready
    ran.clear()
    ran.hold_at = 7
    widget.job.start.native.click()
    qtbot.waitUntil(ran.reached.is_set, timeout=60_000)
    widget.job.cancel.native.click()
    ran.go_on.set()
    wait(widget.job)
    assert len(ran) == 7
    assert widget.job.message.value == "Stopped."


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_a_convolution_in_bands_is_the_convolution(data: st.DataObject) -> None:
    kernel = data.draw(st.tuples(st.sampled_from((1, 2, 3, 5)), st.sampled_from((1, 3, 4))))
    groups = data.draw(st.sampled_from((1, 2)))
    padding = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    layer = nn.Conv2d(4, 6, kernel, padding=padding, groups=groups, bias=data.draw(st.booleans()))
    image = torch.randn(2, 4, data.draw(st.integers(5, 40)), 9)
    wanted = layer(image)
    let_stop(layer)
    looks: list[int] = []
    rows = data.draw(st.integers(1, 9))
    with pytest.MonkeyPatch.context() as patch, stoppable(lambda: bool(looks.append(1))):
        patch.setattr(stopping, "LEAST_ROWS", rows)
        patch.setattr(stopping, "ENOUGH", 0)
        made = layer(image)
    torch.testing.assert_close(made, wanted)
    bands = -(-wanted.shape[2] // rows)
    assert len(looks) == 1 + (bands if bands > 1 and padding[0] < kernel[0] else 0)


def test_a_copy_is_a_network_of_its_own() -> None:
    """On another device, say: see `Chain.on`."""
    layer = nn.Conv2d(1, 1, 1, bias=False)
    let_stop(layer)
    other = copy.deepcopy(layer)
    with torch.no_grad():
        other.weight.fill_(7)
    assert (other(torch.ones(1, 1, 2, 2)) == 7).all()
    assert not (layer(torch.ones(1, 1, 2, 2)) == 7).all()
