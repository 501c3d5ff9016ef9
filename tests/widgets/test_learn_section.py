"""The Learn section: which fields there are, the verdict in words, and the weights in use."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Image

import napari_medrefine.superres
from napari_medrefine.progress import Step
from napari_medrefine.registration import Placement
from napari_medrefine.superres.learning_events import FieldScore, LearningResult
from napari_medrefine.widgets import _learning
from napari_medrefine.widgets._layer_pair import LayerPair
from napari_medrefine.widgets._layers import note
from napari_medrefine.widgets._learning import LearnSection
from napari_medrefine.widgets._model_choice import ModelChoice

SHIPPED = Path(napari_medrefine.superres.__file__).parent / "weights"


def add(viewer, name: str, *, on: str = "", accepted: bool = True) -> None:
    layer = viewer.add_image(np.zeros((20, 30, 3), np.uint8), rgb=True, name=name)
    if on:
        place = Placement(np.diag([0.1, 0.1, 1]), (20, 30), (20, 30), accepted, "", 0.9)
        note(layer, placement=place, overview=on)


@pytest.fixture
def section(viewer) -> LearnSection:
    add(viewer, "slide_4x")
    add(viewer, "slide_40x_1", on="slide_4x")
    add(viewer, "slide_40x_2", on="slide_4x", accepted=False)
    add(viewer, "other_4x")
    return LearnSection(viewer, LayerPair(viewer))


def result(folder: Path, *, kept: bool) -> LearningResult:
    after = 22.7 if kept else 22.1
    scores = (FieldScore(name="slide_40x_1", before=22.0, after=after),)
    weights = folder / "best.safetensors" if kept else None
    return LearningResult(folder, kept, scores, 3, 60, False, 0.5, weights)


@pytest.fixture
def learning(monkeypatch, section, viewer, tmp_path, qtbot):
    """Return what presses Learn, and waits for a result that is given."""

    def learn(outcome: LearningResult) -> dict[str, object]:
        asked: dict[str, object] = {}

        def steps(overview, fields, folder, **options):
            asked.update(fields=[f.name for f in fields], folder=folder, **options)
            yield Step(0, 1, "learning")
            return outcome

        monkeypatch.setattr(_learning, "learn_steps", steps)
        section.output.value = outcome.folder
        section.job.start.native.click()
        qtbot.waitUntil(lambda: not section.job.running, timeout=10_000)
        return asked

    return learn


def test_it_says_which_fields_there_are_and_what_is_missing(viewer, section) -> None:
    assert "two are needed" in section.found.value
    assert not section.job.start.enabled
    add(viewer, "slide_40x_3", on="slide_4x")
    assert "2 fields are registered on 'slide_4x': slide_40x_1, slide_40x_3" in section.found.value
    assert section.job.start.enabled
    viewer.layers.remove("slide_40x_1")
    viewer.layers.remove("slide_40x_3")
    assert "'Register' first" in section.found.value
    assert not section.job.start.enabled


def test_what_helped_is_said_in_numbers_and_can_be_used(
    viewer, section, learning, tmp_path
) -> None:
    add(viewer, "slide_40x_3", on="slide_4x")
    run = tmp_path / "learned-1"
    run.mkdir()
    shutil.copy(SHIPPED / "magnify-faithful.safetensors", run / "best.safetensors")
    asked = learning(result(run, kept=True))
    assert asked["fields"] == ["slide_40x_1", "slide_40x_3"]
    assert asked["name"] == "slide_4x"
    said = section.job.message.value
    assert "0.70 dB nearer to the real photo on 1 field it did not learn from" in said
    assert "slide_40x_1: 22.00 dB with the shipped weights, 22.70 dB" in said
    chooser = ModelChoice(viewer)
    assert chooser.file is None
    section.use.native.click()
    assert chooser.file == (run / "best.safetensors").absolute()
    said = section.job.message.value
    assert "0.70 dB nearer" in said
    assert "In use: 'Magnify & sharpen' runs 'learned-1' now" in said


def test_what_did_not_help_cannot_be_used(viewer, section, learning, tmp_path) -> None:
    add(viewer, "slide_40x_3", on="slide_4x")
    learning(result(tmp_path / "learned-1", kept=False))
    assert "not kept, at least 0.5 dB were asked for" in section.job.message.value
    assert not section.use.enabled


def test_without_a_folder_it_asks_for_one(viewer, section) -> None:
    add(viewer, "slide_40x_3", on="slide_4x")
    section.job.start.native.click()
    assert "Choose a folder" in section.job.message.value
    assert not section.job.running


def test_after_a_stop_the_folder_stays_to_go_on_in(viewer, section, monkeypatch, qtbot, tmp_path):
    opened = SimpleNamespace(path=str(tmp_path / "slide_4x.png"))
    monkeypatch.setattr(Image, "source", opened)
    add(viewer, "slide_40x_3", on="slide_4x")
    folder = tmp_path / "slide_4x-learned-1"
    assert section.output.value == folder

    def steps(*_, **__):
        folder.mkdir()
        while True:
            yield Step(0, 1, "learning")

    monkeypatch.setattr(_learning, "learn_steps", steps)
    section.job.start.native.click()
    qtbot.waitUntil(folder.exists, timeout=10_000)
    section.job.cancel.native.click()
    qtbot.waitUntil(lambda: not section.job.running, timeout=10_000)
    add(viewer, "another photo")
    assert section.output.value == folder
    assert "to go on" in section.job.message.value
