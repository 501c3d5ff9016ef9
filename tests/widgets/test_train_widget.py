"""The Train widget: live curves and pictures, Stop, Resume, Use this model; napari never waits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil
import pytest
from qtpy.QtCore import QTimer
from qtpy.QtGui import QColor
from skimage.data import immunohistochemistry

from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import write_image
from napari_medrefine.superres.events import TrainingConfig
from napari_medrefine.superres.model_files import read_card
from napari_medrefine.superres.run_folder import RECORD, Epoch, read_log, read_run
from napari_medrefine.widgets._model_choice import shelf_of
from napari_medrefine.widgets._train_history import NETWORK, TRAINING, History
from napari_medrefine.widgets._train_words import describe_use, free_folder
from napari_medrefine.widgets.magnify import MagnifyWidget
from napari_medrefine.widgets.train import CHOOSE, TrainWidget

TINY = TrainingConfig(
    epochs=3, steps_per_epoch=4, batch=2, crop=16, channels=16, blocks=1, validation_steps=1,
    adversarial=1 / 3, precision="float32",
)  # fmt: skip


@pytest.fixture(scope="module")
def slides(tmp_path_factory) -> Path:
    """Return a folder with a photo of each of three slides."""
    folder = tmp_path_factory.mktemp("data") / "slides"
    photo = immunohistochemistry()
    for k, name in enumerate(("ash", "beech", "cedar")):
        (folder / name).mkdir(parents=True)
        write_image(folder / name / "photo.png", photo[k * 160 :][:160, :160])
    return folder


def trained(slides: Path, folder: Path, config: TrainingConfig) -> Path:
    from napari_medrefine.progress import finish
    from napari_medrefine.superres.training import read_sides, train_steps

    sides = read_sides(slides, config)
    finish(train_steps(sides.training, sides.validation, config, folder, source=slides))
    return folder


@pytest.fixture(scope="module")
def run(slides, tmp_path_factory) -> Path:
    """Return the folder of a finished training."""
    return trained(slides, tmp_path_factory.mktemp("runs") / "mine", TINY)


@pytest.fixture
def widget(viewer):
    return TrainWidget(viewer)


def choose_quick(widget: TrainWidget, slides: Path, folder: Path) -> None:
    widget.dataset.value, widget.output.value = slides, folder
    widget.settings.steps.value, widget.settings.batch.value = 3, 1
    widget.settings.crop.value, widget.settings.precision.value = 16, "float32"


def colors_in(chart) -> set[str]:
    chart.resize(320, 150)
    image = chart.grab().toImage()
    places = np.ndindex(image.width(), image.height())
    return {QColor(image.pixel(x, y)).name() for x, y in places}


def test_it_says_what_to_do_and_proposes_what_is_usual(widget, slides):
    assert widget.settings.config() == TrainingConfig()
    assert widget.job.message.value == CHOOSE
    widget.job.start.native.click()
    assert not widget.job.running
    assert widget.job.message.value == CHOOSE
    widget.dataset.value = slides
    assert widget.found.value == ("Not a prepared dataset: its 3 sub-folders are taken for slides.")
    assert "Press 'Start'" in widget.job.message.value
    assert widget.output.value == slides.with_name("slides-magnify-1")
    widget.settings.task.value = "sharpen"
    assert widget.output.value == slides.with_name("slides-sharpen-1")
    assert widget.state.value == "A new folder."
    assert not widget.use.enabled
    assert not widget.job.resume.enabled


def test_a_new_run_folder_is_never_one_that_exists(tmp_path):
    (tmp_path / "set").mkdir()
    for number in (1, 2):
        (tmp_path / f"set-magnify-{number}").mkdir()
    assert free_folder(tmp_path / "set", "magnify") == tmp_path / "set-magnify-3"


def test_a_path_that_is_typed_may_begin_at_the_root(widget):
    widget.dataset.line_edit.value = "/"
    assert not widget.job.running
    assert free_folder(Path("/"), "magnify").name == "dataset-magnify-1"


@pytest.mark.parametrize(("psnr", "worse"), [(24.0, False), (19.5, True)])
def test_a_network_that_is_worse_than_none_is_used_with_a_warning(psnr, worse):
    epoch = Epoch(1, 1, "pixel", {"pixel": 0.1}, 0.2, psnr, 22.0)
    said = describe_use("mine", History.of([epoch]))
    assert ("2.50 dB WORSE than interpolation" in said) == worse


def test_training_shows_its_course_while_napari_goes_on(widget, slides, tmp_path, qtbot):
    folder = tmp_path / "run"
    choose_quick(widget, slides, folder)
    widget.settings.epochs.value = 2
    widget.settings.gan.value = False
    ticks: list[None] = []
    clock = QTimer()
    clock.timeout.connect(lambda: ticks.append(None))
    clock.start(10)
    widget.job.start.native.click()
    assert widget.job.running
    assert not widget.job.start.enabled
    assert not widget.settings.epochs.enabled
    qtbot.waitUntil(lambda: bool(widget.course.history.epochs), timeout=180_000)
    assert widget.job.progress.value.startswith("Epoch ")
    assert "left" in widget.job.progress.value
    pictures = [folder / "samples" / f"epoch-00{epoch}.png" for epoch in (1, 2)]
    assert widget.course.samples.shown in pictures  # both, where the two came between two looks
    qtbot.waitUntil(lambda: not widget.job.running, timeout=180_000)
    assert widget.course.samples.shown == pictures[-1]
    clock.stop()
    assert len(ticks) > 20  # the window never waited for the training, or hardly one would be heard
    assert widget.job.message.value.startswith("Finished: 2 epochs. Best is epoch ")
    assert [one.epoch for one in read_log(folder)] == [1, 2]
    assert read_run(folder).dataset == slides
    assert read_run(folder).config.adversarial == 0
    assert widget.use.enabled
    assert not widget.job.resume.enabled  # there is nothing left to do
    assert widget.settings.epochs.enabled is False  # a training keeps its settings
    widget.fresh.native.click()
    assert widget.job.start.enabled
    assert widget.settings.epochs.enabled
    assert not Path(widget.output.value).exists()


def test_stopped_then_resumed_in_another_napari_then_closed(viewer, slides, tmp_path, qtbot):
    folder = tmp_path / "run"
    first = TrainWidget(viewer)
    choose_quick(first, slides, folder)
    first.settings.epochs.value = 500
    first.job.start.native.click()
    qtbot.waitUntil(lambda: bool(first.course.history.epochs), timeout=180_000)
    first.job.cancel.native.click()
    assert "Stopping" in first.job.progress.value
    qtbot.waitUntil(lambda: not first.job.running, timeout=180_000)
    assert "checkpoint is kept in" in first.job.message.value
    assert "press 'Resume'" in first.job.message.value
    before = len(read_log(folder))

    second = TrainWidget(viewer)  # as after a restart: it only knows the folder
    second.output.value = folder
    assert second.dataset.value == slides
    assert second.settings.config().epochs == 500
    assert f"stopped after epoch {before} of 500" in second.state.value
    assert not second.job.start.enabled
    second.job.resume.native.click()
    qtbot.waitUntil(lambda: len(second.course.history.epochs) > before, timeout=180_000)
    pid = second.job._training.pid
    second._parent_changed(None)  # what napari does when the dock widget is closed
    second.native.deleteLater()
    qtbot.waitUntil(lambda: is_gone(pid), timeout=180_000)
    assert len(read_log(folder)) > before
    assert read_run(folder).config.epochs == 500


def is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_what_goes_wrong_is_one_sentence(widget, slides, tmp_path, qtbot, broken_python):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("mine")
    choose_quick(widget, slides, tmp_path / "taken")
    assert widget.state.value == "Something else is in this folder; choose another one."
    widget.job.start.native.click()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=180_000)
    assert widget.job.message.value.startswith("The training ended unexpectedly (ModuleNotFound")
    assert widget.job.start.enabled
    widget.settings.crop.value = 15
    widget.job.start.native.click()
    assert widget.job.message.value.startswith("These settings are impossible: crop")
    (tmp_path / "taken" / RECORD).write_text("{")
    widget.output.value = tmp_path
    widget.output.value = tmp_path / "taken"
    assert "damaged" in widget.state.value


def test_an_earlier_training_is_looked_at(widget, run, slides):
    widget.output.value = run
    assert widget.state.value.startswith("A finished training of 3 epochs.")
    assert widget.settings.config().batch == TINY.batch
    assert widget.dataset.value == slides
    assert TRAINING in colors_in(widget.course.loss)
    assert NETWORK in colors_in(widget.course.quality)
    samples = widget.course.samples
    assert "(newest)" in samples.caption.text()
    samples.back.click()
    assert samples.shown == run / "samples" / "epoch-002.png"
    assert samples.caption.text() == "Held-out slides after epoch 2"
    samples.offer([*samples.paths, run / "samples" / "epoch-004.png"])
    assert samples.shown == run / "samples" / "epoch-002.png"  # one goes on looking at it


def test_the_sample_opens_as_layers_on_the_same_place(widget, viewer, run):
    widget.output.value = run
    widget.layers.native.click()
    names = [layer.name for layer in viewer.layers]
    assert names == [f"mine epoch 3 · {name}" for name in ("input", "generated", "sharp")]
    shapes = {layer.data.shape for layer in viewer.layers}
    assert len(shapes) == 1
    _, made, sharp = (layer.data.astype(float) for layer in viewer.layers)
    assert np.abs(made - sharp).mean() < 30
    assert "not for diagnosis" in viewer.layers[1].metadata["medrefine"]["warning"]


def test_use_this_model_makes_magnify_run_it(widget, viewer, run, tissue, wait):
    viewer.add_image(tissue(24, 32), rgb=True, name="slide")
    magnify = MagnifyWidget(viewer)
    assert magnify.model.file is None
    widget.output.value = run
    widget.use.native.click()
    assert "'Magnify & sharpen' now runs the network 'mine'." in widget.job.message.value
    assert magnify.model.model.current_choice == "mine"
    assert MagnifyWidget(viewer).model.file == run / "best.safetensors"  # later ones too
    magnify.region.value, magnify.scale.value = "whole", 2.0
    magnify.job.start.native.click()
    wait(magnify.job)
    noted = viewer.layers[1].metadata["medrefine"]
    assert noted["model"] == str(run / "best.safetensors")
    card = read_card(run / "best.safetensors")
    assert noted["weights"] == [{"name": card.name, "sha256": card.sha256}]
    from napari_medrefine.superres import magnify as enlarge

    expected = enlarge(viewer.layers[0].data, 2, model=run / "best.safetensors")
    np.testing.assert_array_equal(viewer.layers[1].data, expected)
    magnify.task.value = "sharpen"
    assert "'mine' was trained to magnify" in magnify.size.value
    magnify.job.start.native.click()
    assert "choose the task 'magnify', or another model" in magnify.job.message.value
    assert len(viewer.layers) == 2


def test_models_are_refused_that_are_none_and_named_so_that_they_differ(viewer, run, tmp_path):
    shelf = shelf_of(viewer)
    (tmp_path / "no.safetensors").write_bytes(b"\x05\0\0\0\0\0\0\0hello")
    (tmp_path / "huge.safetensors").write_bytes(b"\xff" * 64)
    problems = {"no": "no weight file", "huge": "no weight file", "gone": "Cannot read"}
    for name, says in problems.items():
        with pytest.raises(MedRefineError, match=says):
            shelf.add(tmp_path / f"{name}.safetensors")
    with pytest.raises(MedRefineError, match="There are no weights in"):
        shelf.add(tmp_path)
    twin = tmp_path / "other" / "mine"
    twin.mkdir(parents=True)
    (twin / "best.safetensors").write_bytes((run / "best.safetensors").read_bytes())
    widget = MagnifyWidget(viewer)
    shelf.add(run)
    shelf.add(twin)
    assert widget.model.model.current_choice == "Shipped"  # offered, not chosen
    box = widget.model.model.native
    names = [box.itemText(k) for k in range(box.count())]
    assert names == ["Shipped", "For photos", f"{run.parent.name}/mine", "other/mine"]
