"""`medrefine verify`: what is as it was is confirmed; whatever was changed is named."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tifffile
import zarr
from skimage.data import immunohistochemistry

from napari_medrefine.cli import main
from napari_medrefine.dataset import Recipe, prepare_steps
from napari_medrefine.photos import read_header, read_note, read_photo, write_image
from napari_medrefine.progress import finish
from napari_medrefine.provenance import Provenance
from napari_medrefine.registration import Placement
from napari_medrefine.registration.pyramid import block_mean
from napari_medrefine.superres.models import list_models
from napari_medrefine.verify import verify

PHOTO = immunohistochemistry()[100:190, 100:196]


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A photo, and what the commands make of it."""
    folder = tmp_path_factory.mktemp("once")
    write_image(folder / "s_4x.png", PHOTO, pixel_um=1.25)
    photo = str(folder / "s_4x.png")
    for name in ("x.png", "x.jpg", "x.ome.zarr"):
        assert main(["magnify", photo, "--scale", "2", "-o", str(folder / name)]) == 0
    assert main(["sharpen", photo, "--realism", "1", "-o", str(folder / "sharp.tif")]) == 0
    return folder


@pytest.fixture
def folder(once, tmp_path):
    return shutil.copytree(once, tmp_path / "copy")


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "sharp.tif", "x.ome.zarr"])
def test_what_is_as_it_was_is_confirmed(folder, name, capsys):
    assert main(["verify", str(folder / name)]) == 0
    said = capsys.readouterr().out
    assert f"{name}: confirmed" in said
    assert "made again: identical" in said
    assert "The weights" in said


def test_files_say_from_what_and_with_what_they_were_made(once):
    made = Provenance.of_text(read_note(once / "sharp.tif"), "sharp.tif")
    assert made.made == "sharpen"
    assert (made.inputs[0].name, made.inputs[0].shape) == ("s_4x.png", PHOTO.shape)
    assert made.parameters["realism"] == 1.0
    assert [len(one.sha256) for one in made.weights] == [64, 64]
    assert read_header(once / "x.png").objective is None  # the input's name says nothing of it


@pytest.mark.parametrize("name", ["x.png", "x.ome.zarr"])
def test_an_input_that_was_changed_or_is_gone_is_named(folder, name, capsys):
    changed = PHOTO.copy()
    changed[40, 40] ^= 1
    write_image(folder / "s_4x.png", changed)
    assert main(["verify", str(folder / name)]) == 4
    assert "s_4x.png" in capsys.readouterr().out.split("differs:")[1]
    (folder / "s_4x.png").unlink()
    assert main(["verify", str(folder / name)]) == 4
    assert "--inputs" in capsys.readouterr().out


def test_an_input_elsewhere_and_under_another_name_is_found(folder, tmp_path):
    (tmp_path / "inputs").mkdir()
    (folder / "s_4x.png").rename(tmp_path / "inputs" / "renamed.png")
    report = verify(folder / "x.png", inputs=tmp_path / "inputs")
    assert report.ok
    assert any("renamed.png" in text for text in report.confirmed)


def test_pixels_that_were_changed_are_said_with_how_much(folder):
    image = read_photo(folder / "x.png").image.copy()
    image[50, 60, 1] ^= 64
    write_image(folder / "x.png", image, note=read_note(folder / "x.png"))
    report = verify(folder / "x.png")
    assert not report.ok
    assert "at most 64.00 of 255" in report.problems[0]
    level = zarr.open_group(folder / "x.ome.zarr")["0"]
    level[1, 30, 30] = int(level[1, 30, 30]) ^ 64
    assert "at most 64.00 of 255" in verify(folder / "x.ome.zarr").problems[0]


def test_other_weights_and_versions_are_said(folder):
    made = Provenance.of_text(read_note(folder / "x.png"), "")
    image = read_photo(folder / "x.png").image.copy()
    older = made.model_copy(update={"version": "0.0.1"})
    write_image(folder / "x.png", image, note=older.as_text())
    report = verify(folder / "x.png")
    assert report.ok
    assert "0.0.1" in report.remarks[0]
    others = made.model_copy(
        update={"weights": (made.weights[0].model_copy(update={"sha256": "ab"}),)}
    )
    write_image(folder / "x.png", image, note=others.as_text())
    assert "others than those" in verify(folder / "x.png").problems[0]
    gone = made.model_copy(update={"parameters": made.parameters | {"model": "my.safetensors"}})
    write_image(folder / "x.png", image, note=gone.as_text())
    assert "weights are missing" in verify(folder / "x.png").problems[0]


def test_another_precision_may_round_otherwise(folder):
    made = Provenance.of_text(read_note(folder / "x.png"), "")
    image = read_photo(folder / "x.png").image.copy()
    image[50, 60, 1] = image[50, 60, 1] + 3 if image[50, 60, 1] < 200 else image[50, 60, 1] - 3
    write_image(folder / "x.png", image, note=made.as_text())
    assert not verify(folder / "x.png").ok
    elsewhere = made.model_copy(update={"computed": "cpu quadruple"})
    write_image(folder / "x.png", image, note=elsewhere.as_text())
    report = verify(folder / "x.png")
    assert report.ok
    assert "made on cpu quadruple" in report.confirmed[-1]


def test_of_a_large_picture_a_sample_is_taken_unless_all_is_asked_for(folder, monkeypatch):
    monkeypatch.setattr("napari_medrefine.verify.pictures.BLOCK", 48)
    monkeypatch.setattr("napari_medrefine.verify.pictures.SAMPLE", 3)
    report = verify(folder / "x.ome.zarr")
    assert any("A sample of 3 of 16 blocks" in text for text in report.confirmed)
    report = verify(folder / "x.ome.zarr", everything=True)
    assert any("All of it was made again: identical" in text for text in report.confirmed)


def test_a_generated_layer_that_was_saved(viewer, once, tmp_path, wait):
    from npe2 import PluginManager

    from napari_medrefine.io.layer_images import save_image_steps
    from napari_medrefine.widgets.magnify import MagnifyWidget

    PluginManager.instance().discover()
    layer = viewer.open(str(once / "s_4x.png"), plugin="napari")[0]
    widget = MagnifyWidget(viewer)
    widget.layer.choose([layer])
    widget.region.value, widget.scale.value = "whole", 2.0
    widget.job.start.native.click()
    wait(widget.job)
    made = viewer.layers[-1]
    for name in ("l.ome.tif", "l.ome.zarr"):
        finish(save_image_steps(tmp_path / name, [made.as_layer_data_tuple()]))
        report = verify(tmp_path / name, inputs=once)
        assert report.ok, report.lines()
    made.data = np.asarray(made.data) ^ np.uint8(32)
    finish(save_image_steps(tmp_path / "l.ome.tif", [made.as_layer_data_tuple()]))
    assert not verify(tmp_path / "l.ome.tif", inputs=once).ok


def test_a_stack_is_confirmed_and_a_plane_of_one_gets_a_sentence(
    viewer, tmp_path, wait, monkeypatch
):
    from napari_medrefine.io.layer_images import save_image_steps
    from napari_medrefine.widgets.magnify import MagnifyWidget

    stack = np.moveaxis(PHOTO, -1, 0)
    tifffile.imwrite(tmp_path / "stain.ome.tif", stack, metadata={"axes": "CYX"})
    out = tmp_path / "out.ome.zarr"
    monkeypatch.setattr("napari_medrefine.widgets.magnify.ask_save_path", lambda *_: out)
    about = {"medrefine": {"source": "stain.ome.tif"}}
    viewer.add_image(stack, rgb=False, name="stain", metadata=about)
    widget = MagnifyWidget(viewer)
    widget.scale.value = 2.0
    for region in ("whole", "disk"):
        widget.region.value = region
        widget.job.start.native.click()
        wait(widget.job)
    report = verify(out)
    assert report.ok, report.problems
    made = viewer.layers[1]
    assert made.data.shape == (3, *(2 * n for n in PHOTO.shape[:2]))
    for name in ("stack.ome.tif", "stack.ome.zarr"):
        finish(save_image_steps(tmp_path / name, [made.as_layer_data_tuple()]))
        report = verify(tmp_path / name, everything=True)
        assert report.ok, report.problems
        assert "All of it was made again: identical." in report.confirmed
    state = made.as_layer_data_tuple()[1]
    for wrong in (np.asarray(made.data) ^ np.uint8(32), np.asarray(made.data)[:, 1:]):
        finish(save_image_steps(tmp_path / "wrong.ome.tif", [(wrong, state, "image")]))
        assert not verify(tmp_path / "wrong.ome.tif").ok
    viewer.add_image(made.data[0], rgb=False, name="plane", metadata=made.metadata)
    finish(save_image_steps(tmp_path / "plane.ome.tif", [viewer.layers[-1].as_layer_data_tuple()]))
    report = verify(tmp_path / "plane.ome.tif")
    assert not report.ok
    assert "made plane by plane from a stack, stain.ome.tif" in report.problems[0]
    tifffile.imwrite(tmp_path / "stain.ome.tif", stack[:, ::-1], metadata={"axes": "CYX"})
    (problem,) = verify(tmp_path / "stack.ome.tif").problems
    assert "stain.ome.tif holds none with the pixels that it had." in problem
    (tmp_path / "stain.ome.tif").unlink()
    (problem,) = verify(tmp_path / "stack.ome.tif").problems
    assert "stain.ome.tif is not there" in problem


def test_a_placement_is_searched_for_again(tmp_path, capsys):
    tissue = immunohistochemistry()
    field = tissue[100:340, 140:440]
    write_image(tmp_path / "o_4x.png", block_mean(tissue.astype(np.float32), 4).astype(np.uint8))
    write_image(tmp_path / "f_40x.png", field)
    words = [str(tmp_path / "o_4x.png"), str(tmp_path / "f_40x.png"), "-o", str(tmp_path)]
    assert main(["register", *words, "--ratio", "4", "--angle=-2:2"]) == 0
    path = tmp_path / "f_40x.placement.json"
    assert main(["verify", str(path)]) == 0
    assert "0.0000 overview pixels" in capsys.readouterr().out
    place = Placement.load(path)
    place.matrix[0, 2] += 0.5
    place.save(path)
    assert "0.5000 overview pixels" in verify(path).problems[0]
    write_image(tmp_path / "f_40x.png", field[::-1])
    assert "other pixels" in verify(path).problems[0]


def test_a_dataset_and_a_model(tmp_path):
    from napari_medrefine.superres import models

    (tmp_path / "photos").mkdir()
    for slide in (1, 2, 3):
        image = immunohistochemistry()[slide * 60 : slide * 60 + 256, slide * 80 :][:, :256]
        write_image(tmp_path / "photos" / f"slide{slide}_40x.png", image)
    finish(prepare_steps(tmp_path / "photos", tmp_path / "set", Recipe(tile=64, reduce=1)))
    assert verify(tmp_path / "set", inputs=tmp_path / "photos").ok
    tile = next((tmp_path / "set" / "tiles").rglob("*.png"))
    tile.write_bytes(tile.read_bytes() + b"x")
    report = verify(tmp_path / "set", inputs=tmp_path / "photos")
    assert tile.name in report.problems[0]
    shipped = models.files_for("magnify")[0]
    assert verify(shipped).ok
    assert shipped.stem in list_models()


def test_what_says_nothing_cannot_be_verified(folder, capsys):
    assert main(["verify", str(folder / "s_4x.png")]) == 1
    assert "does not say how it was made" in capsys.readouterr().err
    (folder / "x.txt").write_text("x")
    capsys.readouterr()
    assert main(["verify", str(folder / "x.txt")]) == 1
    assert "x.txt cannot be verified: choose a picture" in capsys.readouterr().err
    assert main(["verify", str(folder / "x.png"), "--inputs", str(folder / "no")]) == 1
