"""From photos to the verdict, in a process of its own: stopped, gone on with, and by command."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scene import Scene, placed

from napari_medrefine.cli import main
from napari_medrefine.dataset.pair_files import read_pairs
from napari_medrefine.errors import MedRefineError
from napari_medrefine.learning import learn_steps
from napari_medrefine.photos import write_image
from napari_medrefine.progress import finish
from napari_medrefine.registration.lens import Lens
from napari_medrefine.registration.placement import Distortion
from napari_medrefine.superres.learning_events import LearningConfig, read_learning
from napari_medrefine.superres.run_lock import held

SCENE = Scene()
OVERVIEW = SCENE.overview()
PLACES = (
    placed(middle=(40.3, 42.8)),
    placed(9.4, -12, (108.0, 115.0)),
    placed(accepted=False),
)
SHORT = LearningConfig(steps=2, every=1, batch=1, crop=32)


@pytest.fixture
def photos(tmp_path) -> Path:
    """Return a folder of an overview, fields and their placements."""
    write_image(tmp_path / "slide_4x.png", OVERVIEW)
    for number, field in enumerate(SCENE.fields(*PLACES)):
        write_image(tmp_path / f"slide_40x_{number}.png", field.image)
        field.placement.save(tmp_path / f"slide_40x_{number}.placement.json")
    return tmp_path


def wait_until_free(folder: Path) -> None:
    """Wait until no process is at it any more."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with held(folder):
                return
        except MedRefineError:
            assert time.monotonic() < deadline, "the process is still running"
            time.sleep(0.1)


def test_stopped_in_the_middle_it_leaves_no_weights_and_goes_on_later(tmp_path) -> None:
    folder = tmp_path / "run"
    long = SHORT.model_copy(update={"steps": 500, "every": 500})
    job = learn_steps(OVERVIEW, SCENE.fields(*PLACES), folder, long, name="slide_4x")
    while "batch 2" not in next(job).text:
        pass
    job.close()
    wait_until_free(folder)
    assert (folder / "checkpoint.pt").is_file()
    assert not list(folder.glob("*.safetensors"))
    manifest = read_pairs(folder / "pairs")
    assert [pair.field.name for pair in manifest.pairs] == ["field 0", "field 1"]
    assert [one.field.name for one in manifest.refused] == ["field 2"]
    again = learn_steps(OVERVIEW, SCENE.fields(*PLACES), folder, long, name="slide_4x")
    texts = []
    while len(texts) < 2:
        texts += [text for text in [next(again).text] if "batch" in text]
    again.close()
    assert "batch 0" not in texts[0]
    with pytest.raises(MedRefineError, match="other photos"):
        finish(learn_steps(OVERVIEW, SCENE.fields(*PLACES[:2]), folder, long))


def test_the_command_says_what_was_left_out_and_what_came_of_it(photos, tmp_path, capsys) -> None:
    fields = [str(photos / f"slide_40x_{n}.png") for n in range(3)]
    command = ["learn", str(photos / "slide_4x.png"), *fields, "--placements", str(photos)]
    status = main([*command, "-o", str(tmp_path / "run"), "--steps", "1"])
    said = capsys.readouterr().out
    record = read_learning(tmp_path / "run")
    assert status == (0 if record.kept else 3)
    assert "slide_40x_2: LEFT OUT, its place is not sure" in said
    assert ("not kept" in said) == (not record.kept)
    assert (tmp_path / "run" / "best.safetensors").exists() == record.kept
    for score in record.scores:
        assert f"{score.name}: {score.before:.2f} dB shipped" in said


def test_the_command_needs_two_fields_and_a_free_folder(photos, tmp_path, capsys) -> None:
    command = ["learn", str(photos / "slide_4x.png"), str(photos / "slide_40x_0.png")]
    command += ["--placements", str(photos)]
    assert main([*command, "-o", str(photos)]) == 1
    assert "Something else is in" in capsys.readouterr().err
    assert main([*command, "-o", str(tmp_path / "run")]) == 1
    assert "two are needed" in capsys.readouterr().err
    assert not list((tmp_path / "run").glob("*.safetensors"))


def test_pairs_of_other_photos_of_the_same_names_are_no_start(tmp_path) -> None:
    folder, fields = tmp_path / "run", SCENE.fields(*PLACES)
    job = learn_steps(OVERVIEW, fields, folder, SHORT)
    while next(job).text != "loading the network":
        pass
    job.close()
    place = fields[0].placement
    moved = replace(place, matrix=place.matrix + np.outer(np.eye(3)[0], np.eye(3)[2]) * 1e-4)
    bent = Distortion(place.matrix, Lens(place.field_shape, 1e-3), Lens(place.overview_shape, 0))
    for overview, others in (
        (OVERVIEW[::-1].copy(), fields),
        (OVERVIEW, [replace(fields[0], image=fields[0].image[::-1].copy()), *fields[1:]]),
        (OVERVIEW, [replace(fields[0], placement=moved), *fields[1:]]),
        (OVERVIEW, [replace(fields[0], placement=replace(place, distortion=bent)), *fields[1:]]),
    ):
        with pytest.raises(MedRefineError, match="other photos, or at other places"):
            next(learn_steps(overview, others, folder, SHORT))
