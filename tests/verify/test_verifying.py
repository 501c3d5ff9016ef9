"""`medrefine verify`: what is as it was is confirmed; whatever was changed is named."""

from __future__ import annotations

import json
import os
import shutil
import sys

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
from napari_medrefine.verify.pictures import Apart

PHOTO = immunohistochemistry()[100:190, 100:196]


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A photo, and what the commands make of it."""
    folder = tmp_path_factory.mktemp("once")
    write_image(folder / "s_4x.png", PHOTO, pixel_um=1.25)
    photo = str(folder / "s_4x.png")
    for name in ("x.png", "x.jpg", "x.ome.zarr", "x.ome.tif"):
        assert main(["magnify", photo, "--scale", "2", "-o", str(folder / name)]) == 0
    assert main(["sharpen", photo, "--realism", "1", "-o", str(folder / "sharp.tif")]) == 0
    return folder


@pytest.fixture
def folder(once, tmp_path):
    return shutil.copytree(once, tmp_path / "copy")


def change_provenance(path, **changes):
    """Write a PNG again whose provenance says otherwise; of inputs and weights the first."""
    made = json.loads(read_note(path).partition(": ")[2])
    for name, change in changes.items():
        (made[name][0] if name in ("inputs", "weights") else made[name]).update(change)
    note = Provenance.model_validate(made).as_text()
    photo = read_photo(path)
    write_image(path, photo.image, pixel_um=photo.pixel_um, note=note)


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "sharp.tif", "x.ome.zarr", "x.ome.tif"])
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


def test_a_picture_named_so_is_an_ome_tiff(once):
    with tifffile.TiffFile(once / "x.ome.tif") as file:
        assert file.is_ome
        np.testing.assert_array_equal(file.asarray(), read_photo(once / "x.png").image)
    assert read_header(once / "x.ome.tif").pixel_um == pytest.approx(0.625)


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


@pytest.mark.parametrize("name", ["a\0b", "a" * 5000])
def test_a_name_that_no_file_can_have_is_looked_for_by_its_hash(folder, name):
    change_provenance(folder / "x.png", inputs={"name": name})
    report = verify(folder / "x.png")
    assert report.ok
    assert "is there as s_4x.png." in report.confirmed[0]
    change_provenance(folder / "x.png", parameters={"model": name})
    assert "weights are missing" in verify(folder / "x.png").problems[0]


def test_of_an_input_without_a_hash_it_is_said_that_nothing_is_known(folder):
    change_provenance(folder / "x.png", inputs={"sha256": None})
    report = verify(folder / "x.png")
    assert report.remarks == [
        "No hash of the input s_4x.png was noted: whether it is as it was is not known."
    ]
    assert not any("s_4x.png" in text for text in report.confirmed)
    group = zarr.open_group(folder / "x.ome.zarr")
    facts = group.attrs["napari-medrefine"]
    facts["provenance"]["inputs"] = [
        one | {"sha256": None} for one in facts["provenance"]["inputs"]
    ]
    group.attrs["napari-medrefine"] = facts
    again = verify(folder / "x.ome.zarr")
    assert report.remarks[0] in again.remarks
    assert not any("s_4x.png" in text for text in again.confirmed)


def test_weights_are_called_as_they_are_and_not_as_the_picture_says(folder):
    change_provenance(folder / "x.png", weights={"name": "magnify-gan"})
    report = verify(folder / "x.png")
    assert "The weights magnify-faithful are those that were used." in report.confirmed
    assert "It calls these weights magnify-gan." in report.remarks


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"shape": [1, 2, 3]}, "It says that the input is (1, 2, 3), and that is (90, 96, 3)."),
        ({"rows": [0, 5]}, "The input s_4x.png has other pixels than it had."),
        ({"level": 3}, "It was made from level 3 of s_4x.png, which is not found again."),
        ({"planes": {0: [0, 1]}}, "It was made from a part of s_4x.png, which is not found again."),
    ],
)
def test_an_input_that_is_not_what_the_picture_says_is_named(folder, change, problem):
    change_provenance(folder / "x.png", inputs=change)
    assert verify(folder / "x.png").problems == [problem]


@pytest.mark.parametrize(
    "name",
    ["made_from", "made_from_sha256", "made_from_windows_sha256", "task", "scale", "model",
     "weights", "warning", "version"],
)  # fmt: skip
def test_facts_beside_the_provenance_are_compared_with_it(folder, name):
    group = zarr.open_group(folder / "x.ome.zarr")
    group.attrs["napari-medrefine"] = group.attrs["napari-medrefine"] | {name: "a photograph"}
    (problem,) = verify(folder / "x.ome.zarr").problems
    assert problem == f"Beside its provenance it says otherwise than there: {name}."


@pytest.mark.parametrize("more", ["patient7.png", "s_4x.png"])
def test_an_input_that_has_no_part_in_it_is_named(folder, more):
    group = zarr.open_group(folder / "x.ome.zarr")
    facts = group.attrs["napari-medrefine"]
    facts["provenance"]["inputs"].append({"name": more, "sha256": "0" * 64, "of": "pixels"})
    group.attrs["napari-medrefine"] = facts
    (problem,) = verify(folder / "x.ome.zarr").problems
    assert problem.startswith(f"It names an input more, {more} (SHA-256 of its pixels)")


@pytest.mark.parametrize("name", ["x.png", "x.ome.zarr"])
def test_an_input_elsewhere_and_under_another_name_is_found(folder, tmp_path, name):
    (tmp_path / "inputs").mkdir()
    (folder / "s_4x.png").rename(tmp_path / "inputs" / "renamed.png")
    write_image(folder / "s_4x.png", PHOTO[::-1])  # another of its name
    report = verify(folder / name, inputs=tmp_path / "inputs")
    assert report.ok
    assert any("renamed.png" in text for text in report.confirmed)


@pytest.mark.skipif(sys.platform != "linux", reason="here all names of files are text")
@pytest.mark.parametrize("name", ["x.png", "x.ome.zarr"])
def test_an_input_whose_name_is_no_text_is_found(folder, tmp_path, name):
    photo = tmp_path / os.fsdecode(b"s\xff_4x.png")
    shutil.copy(folder / "s_4x.png", photo)
    assert main(["magnify", str(photo), "--scale", "2", "-o", str(tmp_path / name)]) == 0
    assert verify(tmp_path / name).ok


def test_pixels_that_were_changed_are_said_with_how_much(folder):
    image = read_photo(folder / "x.png").image.copy()
    image[50, 60, 1] ^= 64
    write_image(folder / "x.png", image, pixel_um=0.625, note=read_note(folder / "x.png"))
    report = verify(folder / "x.png")
    assert not report.ok
    assert "at most 64.00 of 255" in report.problems[0]
    level = zarr.open_group(folder / "x.ome.zarr")["0"]
    level[1, 30, 30] = int(level[1, 30, 30]) ^ 64
    assert "at most 64.00 of 255" in verify(folder / "x.ome.zarr").problems[0]


def test_a_pixel_that_became_no_number_is_apart_from_what_it_was():
    was, gone = np.zeros((2, 2), np.float32), np.array([[0, 0], [0, np.nan]], np.float32)
    apart = Apart()
    apart.add(gone, gone, 1.0)
    assert apart.most == 0
    apart.add(gone, was, 1.0)
    assert np.isnan(apart.most)


def test_other_weights_and_versions_are_said(folder):
    made = Provenance.of_text(read_note(folder / "x.png"), "")
    image = read_photo(folder / "x.png").image.copy()
    older = made.model_copy(update={"version": "0.0.1"})
    write_image(folder / "x.png", image, pixel_um=0.625, note=older.as_text())
    report = verify(folder / "x.png")
    assert report.ok
    assert "0.0.1" in report.remarks[0]
    others = made.model_copy(
        update={"weights": (made.weights[0].model_copy(update={"sha256": "ab"}),)}
    )
    write_image(folder / "x.png", image, pixel_um=0.625, note=others.as_text())
    assert "others than those" in verify(folder / "x.png").problems[0]
    gone = made.model_copy(update={"parameters": made.parameters | {"model": "my.safetensors"}})
    write_image(folder / "x.png", image, pixel_um=0.625, note=gone.as_text())
    assert "weights are missing" in verify(folder / "x.png").problems[0]


@pytest.mark.parametrize("wrong", [None, 0.254])
def test_a_pixel_size_that_does_not_follow_from_the_inputs_is_said(folder, wrong):
    photo, note = read_photo(folder / "x.png"), read_note(folder / "x.png")
    assert any("Its pixel size, 0.625 x 0.625 um," in text for text in verify(photo.path).confirmed)
    write_image(photo.path, photo.image, pixel_um=wrong, note=note)
    (problem,) = verify(photo.path).problems
    told = "unknown" if wrong is None else "0.254 x 0.254 um"
    assert problem == f"Its pixel size is {told}, and by the input's it is 0.625 x 0.625 um."


def test_the_pixel_size_of_a_pyramid_is_compared(folder):
    group = zarr.open_group(folder / "x.ome.zarr")
    ome = group.attrs["ome"]
    moves = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    moves[0]["scale"] = [1.0, 14.0, 14.0]
    group.attrs["ome"] = ome
    (problem,) = verify(folder / "x.ome.zarr").problems
    assert problem == "Its pixel size is 14 x 14 um, and by the input's it is 0.625 x 0.625 um."


def test_a_photo_without_a_pixel_size_gets_none(folder):
    write_image(folder / "s_4x.png", PHOTO)
    assert main(["sharpen", str(folder / "s_4x.png"), "-o", str(folder / "y.png")]) == 0
    report = verify(folder / "y.png")
    assert report.ok
    assert not any("pixel size" in line for line in report.lines())


def test_another_precision_may_round_otherwise(folder):
    made = Provenance.of_text(read_note(folder / "x.png"), "")
    image = read_photo(folder / "x.png").image.copy()
    image[50, 60, 1] = image[50, 60, 1] + 3 if image[50, 60, 1] < 200 else image[50, 60, 1] - 3
    write_image(folder / "x.png", image, pixel_um=0.625, note=made.as_text())
    assert not verify(folder / "x.png").ok
    elsewhere = made.model_copy(update={"computed": "cpu quadruple"})
    write_image(folder / "x.png", image, pixel_um=0.625, note=elsewhere.as_text())
    report = verify(folder / "x.png")
    assert report.ok
    assert any("made on cpu quadruple" in text for text in report.confirmed)


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
        assert any("had that it was made from is not known" in text for text in report.remarks)
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
    path = tmp_path / "set" / "medrefine-dataset.json"
    true = path.read_text()
    forged = json.loads(true)
    forged["photos"][0] |= {"objective": 10.0, "crop_origin": [3, 3]}
    one, other = forged["tiles"][:2]
    for key in ("file", "sha256"):
        one[key], other[key] = other[key], one[key]
    path.write_text(json.dumps(forged))
    wrong, exchanged = verify(tmp_path / "set", inputs=tmp_path / "photos").problems
    assert wrong == "Of slide1_40x.png it notes another objective and crop origin than is so."
    assert exchanged.startswith("2 tiles of slide1_40x.png do not hold what it has there (")
    forged = json.loads(true)
    for entry in (forged["photos"][0], *forged["tiles"]):
        if entry.get("photo", entry.get("name")) == "slide1_40x":
            entry["split"] = "test" if entry["split"] != "test" else "train"
    path.write_text(json.dumps(forged))
    (dealt,) = verify(tmp_path / "set", inputs=tmp_path / "photos").problems
    assert dealt == (
        "Training, validation and test are not as its recipe deals them out, by slide "
        "(slide1_40x.png)."
    )
    path.write_text(true)
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
    assert main(["verify", str(folder / "nope")]) == 1
    assert "nope: it is not there." in capsys.readouterr().err
    assert main(["verify", str(folder / "x.png"), "--inputs", str(folder / "no")]) == 1
