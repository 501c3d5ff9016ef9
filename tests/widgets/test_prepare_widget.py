"""The Prepare dataset widget: what it says beforehand, what a click makes, and what stops it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_medrefine.dataset import (
    MANIFEST,
    SUMMARY,
    Recipe,
    load_manifest,
    prepare_steps,
    survey_steps,
)
from napari_medrefine.photos import write_image
from napari_medrefine.progress import Step, finish
from napari_medrefine.widgets.prepare import CHOOSE, GO_ON, PrepareWidget, describe_dataset

SMALL = Recipe(tile=64, reduce=2)


def photo(seed: int, height: int = 280, width: int = 400) -> np.ndarray:
    rng = np.random.default_rng(seed)
    structure = sum(
        sigma * gaussian_filter(rng.normal(size=(height, width)), sigma) for sigma in (1, 3, 9)
    )
    return np.clip(190 + structure[..., None] * [18.0, 30.0, 16.0], 0, 250).astype(np.uint8)


@pytest.fixture(scope="module")
def _once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("once") / "photos"
    folder.mkdir()
    for slide in range(1, 5):
        write_image(folder / f"slide{slide}_4x.png", photo(slide))
        write_image(folder / f"slide{slide}_40x_1.png", photo(10 + slide), pixel_um=0.125)
    return folder


@pytest.fixture
def photos(_once: Path, tmp_path: Path) -> Path:
    """Return a folder with four slides: an overview and a field of each."""
    return shutil.copytree(_once, tmp_path / "photos")


@pytest.fixture
def widget(viewer):
    return PrepareWidget(viewer)


@pytest.fixture
def choose(widget, wait):
    """Choose a folder of photos and a small recipe."""

    def until_known(folder: Path) -> PrepareWidget:
        widget.photos.value = folder
        wait(widget.job)
        widget.recipe.tile.value, widget.recipe.reduce.value = SMALL.tile, SMALL.reduce
        return widget

    return until_known


def sizes(widget: PrepareWidget) -> list[str]:
    return [box.label for box in widget.recipe.sizes]


def files(folder: Path) -> dict[str, bytes]:
    there = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in there}


def test_it_begins_with_the_recipe_of_the_study_and_says_what_to_do(widget):
    assert widget.recipe.recipe() == Recipe()
    assert widget.job.message.value == CHOOSE
    assert not widget.open.enabled
    assert not widget.summary.enabled
    widget.job.start.native.click()
    assert not widget.job.running
    assert widget.job.message.value == CHOOSE


def test_a_chosen_folder_is_described_at_once(choose, photos):
    (photos / "broken_4x.jpg").write_bytes(b"\xff\xd8\xff no photo")
    widget = choose(photos)
    assert widget.found.value == "8 photos: 4 at 4x, 4 at 40x. 1 file cannot be read."
    assert widget.output.value == photos.with_name("photos-dataset")
    assert sizes(widget) == ["4x"]  # the fields say theirs
    assert widget.recipe.objective.native.isHidden()
    assert widget.recipe.gives.value == (
        "400 x 280 is cropped to 384 x 256, reduced to 192 x 128: 6 tiles of 64 x 64"
    )
    widget.recipe.tile.value = 200
    assert widget.recipe.gives.value == (
        "No tiles: it is 400 x 280 pixels, smaller than the 400 x 400 needed."
    )
    widget.recipe.reduce.value = 1
    assert widget.recipe.gives.value == "400 x 280 is cropped to 400 x 200: 2 tiles of 200 x 200"


def test_a_folder_without_photos_or_without_a_folder_is_one_sentence(choose, tmp_path):
    (tmp_path / "empty").mkdir()
    widget = choose(tmp_path / "empty")
    assert widget.job.message.value.startswith("There are no JPEG, PNG, TIFF or BMP photos in")
    assert widget.found.value == widget.recipe.gives.value == ""
    widget = choose(tmp_path / "nowhere")
    assert widget.job.message.value.startswith("Cannot read the folder")
    widget.prepare()
    assert not (tmp_path / "nowhere-dataset").exists()


def test_a_click_makes_what_the_api_makes(choose, photos, tmp_path, wait):
    finish(prepare_steps(photos, tmp_path / "api", SMALL))
    (photos / "blank_4x.png").write_bytes(b"")
    widget = choose(photos)
    (photos / "blank_4x.png").unlink()
    widget.job.start.native.click()
    wait(widget.job)
    made = photos.with_name("photos-dataset")
    assert files(made) == files(tmp_path / "api")
    counts = [sum(t.split == s for t in load_manifest(made).tiles) for s in
              ("train", "validation", "test")]  # fmt: skip
    assert widget.job.message.value == (
        f"48 tiles of 8 photos, split by slide: {counts[0]} training, {counts[1]} validation, "
        f"{counts[2]} test."
    )
    assert widget.open.enabled
    assert widget.summary.enabled


def test_every_control_goes_into_the_recipe(choose, photos, wait):
    (photos / "slide1_4x.png").rename(photos / "slide1.png")
    write_image(photos / "flat_40x.png", np.full((280, 400, 3), 240, np.uint8))
    widget = choose(photos)
    controls = widget.recipe
    for box, value in zip(controls.shares, (70, 15, 15), strict=True):
        box.value = value
    controls.split_by.value, controls.seed.value = "photo", 7
    controls.contrast.value, controls.sharpness.value, controls.clipped.value = 0.5, 0.1, 0.75
    controls.duplicates.value = False
    widget.job.start.native.click()
    wait(widget.job)
    manifest = load_manifest(photos.with_name("photos-dataset"))
    assert manifest.recipe == Recipe(
        tile=64, reduce=2, proportions=(70, 15, 15), split_by="photo", seed=7,
        cleaning={"contrast": 0.5, "sharpness": 0.1, "clipped": 0.75, "duplicates": False},
    )  # fmt: skip
    assert "1 photo left out:\nflat_40x.png: " in widget.job.message.value


def test_what_photos_do_not_say_is_asked_and_remembered(choose, photos, viewer, wait):
    for k in (1, 2):
        (photos / f"slide{k}_4x.png").rename(photos / f"section{k}.png")
    widget = choose(photos)
    assert "2 do not say their objective (section1.png, section2.png)" in widget.found.value
    assert not widget.recipe.objective.native.isHidden()
    assert sizes(widget) == ["4x"]
    widget.recipe.sizes[0].value = 1.25
    widget.recipe.objective.value = 10
    assert sizes(widget) == ["4x", "10x"]
    assert widget.recipe.sizes[0].value == 1.25
    widget.recipe.sizes[1].value = 0.5
    widget.job.start.native.click()
    wait(widget.job)
    manifest = load_manifest(photos.with_name("photos-dataset"))
    told = {entry.source: (entry.objective, entry.pixel_um) for entry in manifest.photos}
    assert told["section1.png"] == (10, 1.0)
    assert told["slide3_4x.png"] == (4, 2.5)
    assert told["slide1_40x_1.png"] == (40, pytest.approx(0.25))
    again = PrepareWidget(viewer)
    again.photos.value = photos
    wait(again.job)
    again.recipe.tile.value, again.recipe.reduce.value = SMALL.tile, SMALL.reduce
    assert again.recipe.recipe() == manifest.recipe


def test_impossible_proportions_are_one_sentence(choose, photos):
    widget = choose(photos)
    for box in widget.recipe.shares:
        box.value = 0
    widget.job.start.native.click()
    assert not widget.job.running
    assert widget.job.message.value == (
        "This recipe is impossible: the proportions of training, validation and test are all 0."
    )


def test_cancel_leaves_no_manifest_and_a_later_click_finishes(
    choose, photos, qtbot, wait, tmp_path, monkeypatch
):
    finish(prepare_steps(photos, tmp_path / "api", SMALL))
    widget, go_on = choose(photos), threading.Event()

    def held(*how, **more):
        for step in (job := prepare_steps(*how, **more)):
            while step.done > 3 and not go_on.wait(0.02):
                yield step  # until Cancel closes this
            yield step
        job.close()

    with monkeypatch.context() as patch:
        patch.setattr("napari_medrefine.widgets.prepare.prepare_steps", held)
        widget.job.start.native.click()
        qtbot.waitUntil(lambda: ".png" in widget.job.message.value, timeout=60_000)
    widget.job.cancel.native.click()
    wait(widget.job)
    made = photos.with_name("photos-dataset")
    assert widget.job.message.value == GO_ON
    assert not (made / MANIFEST).exists()
    assert not widget.open.enabled
    widget.job.start.native.click()
    wait(widget.job)
    assert files(made) == files(tmp_path / "api")


def test_what_is_there_is_replaced_only_when_asked(choose, photos, wait):
    made = photos.with_name("photos-dataset")
    made.mkdir()
    (made / "letter.txt").write_text("mine")
    widget = choose(photos)
    widget.job.start.native.click()
    wait(widget.job)
    assert widget.job.message.value.endswith(
        "is not empty and holds no dataset; choose another folder, or say that what is there may "
        "be replaced."
    )
    assert widget.replace.text == "Replace what is there"
    assert [path.name for path in made.iterdir()] == ["letter.txt"]
    widget.replace.value = True
    widget.job.start.native.click()
    wait(widget.job)
    assert (made / MANIFEST).is_file()
    assert (made / "letter.txt").read_text() == "mine"


def test_photos_that_vanish_are_one_sentence(choose, photos, wait):
    widget = choose(photos)
    shutil.rmtree(photos)
    widget.job.start.native.click()
    wait(widget.job)
    assert widget.job.message.value.startswith("Cannot read the folder")
    assert str(photos) in widget.job.message.value


def test_the_dataset_opens_whole_or_in_part_and_is_outlined(choose, photos, viewer, wait):
    widget = choose(photos)
    widget.job.start.native.click()
    wait(widget.job)
    manifest = load_manifest(photos.with_name("photos-dataset"))
    widget.which.value = "train"
    widget.open.native.click()
    wait(widget.job)
    training = [entry for entry in manifest.photos if entry.split == "train"]
    assert [layer.name for layer in viewer.layers] == [
        f"{Path(entry.source).stem} (train)" for entry in training
    ]
    assert viewer.layers.selection.active is viewer.layers[0]
    widget.outlines.native.click()
    assert len(viewer.layers) == len(training) + 1
    viewer.layers.clear()
    widget.which.value = None
    widget.open.native.click()
    wait(widget.job)
    assert len(viewer.layers) == 8
    assert "Opened 8 photos" in widget.job.message.value


def test_the_summary_opens_in_the_browser_or_its_place_is_said(choose, photos, wait, monkeypatch):
    opened = []
    monkeypatch.setattr(
        "napari_medrefine.widgets.prepare.open_page", lambda page: bool(opened.append(page))
    )
    widget = choose(photos)
    widget.job.start.native.click()
    wait(widget.job)
    widget.summary.native.click()
    page = photos.with_name("photos-dataset") / SUMMARY
    assert opened == [page]
    assert page.is_file()
    assert widget.job.message.value == f"No browser could be opened; the summary is {page}."


def test_another_folder_chosen_while_one_is_looked_at_is_the_one_described(
    widget, photos, tmp_path, monkeypatch, qtbot
):
    few, go_on = tmp_path / "few", threading.Event()
    few.mkdir()
    write_image(few / "a_10x.png", photo(3))

    def slow(folder, output):
        while folder == photos and not go_on.wait(0.02):
            yield Step(0, 0, "looking")
        return (yield from survey_steps(folder, output))

    monkeypatch.setattr("napari_medrefine.widgets.prepare.survey_steps", slow)
    widget.photos.value = photos
    qtbot.wait(50)
    widget.photos.value = few
    qtbot.waitUntil(lambda: widget.found.value != "", timeout=10_000)
    assert widget.found.value == "1 photo: 1 at 10x."
    assert widget.output.value == tmp_path / "few-dataset"
    go_on.set()


def test_a_folder_that_the_user_named_for_the_result_stays(widget, photos, tmp_path, qtbot, wait):
    widget.photos.value = photos
    wait(widget.job)
    assert widget.output.value == photos.with_name("photos-dataset")  # proposed
    widget.output.value = tmp_path / "mine"
    other = tmp_path / "other"
    shutil.copytree(photos, other)
    widget.photos.value = other
    wait(widget.job)
    assert widget.output.value == tmp_path / "mine"


def test_a_dock_closed_in_the_middle_leaves_a_dataset_to_go_on_with(
    real_viewer, photos, qtbot, wait, tmp_path
):
    finish(prepare_steps(photos, tmp_path / "api", SMALL))
    dock, widget = real_viewer.window.add_plugin_dock_widget("napari-medrefine", "Prepare dataset")
    widget.photos.value = photos
    wait(widget.job)
    widget.recipe.tile.value, widget.recipe.reduce.value = SMALL.tile, SMALL.reduce
    widget.job.start.native.click()
    qtbot.wait(30)
    real_viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: not widget.job.running, timeout=10_000)
    made = photos.with_name("photos-dataset")
    finish(prepare_steps(photos, made, SMALL))
    assert files(made) == files(tmp_path / "api")
    widget.native.deleteLater()


def test_no_control_is_wider_than_the_dock(real_viewer, photos, qtbot, wait):
    from qtpy.QtWidgets import QScrollArea

    (photos / "slide1_4x.png").rename(photos / "slide1.png")
    _, widget = real_viewer.window.add_plugin_dock_widget("napari-medrefine", "Prepare dataset")
    real_viewer.window.resize(1280, 720)
    real_viewer.window.show()
    widget.photos.value = photos
    wait(widget.job)
    widget.recipe.folded.button.native.click()
    qtbot.wait(200)
    area = widget.native.findChild(QScrollArea)
    assert widget.native.width() < 400
    assert area.widget().width() <= area.viewport().width()


def test_an_empty_part_is_said_with_the_result(photos, tmp_path):
    for number in (3, 4):
        for path in photos.glob(f"slide{number}_*"):
            path.unlink()
    job = prepare_steps(photos, tmp_path / "out", SMALL.model_copy(update={"split_by": "slide"}))
    said = describe_dataset(finish(job), [])
    assert "Caution: nothing is left for validation" in said
