"""Layers saved as a dataset open again identical, through napari's own save and open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import npe2
import numpy as np
import pytest
from tests.io import saved_layers
from tests.io.saved_layers import same

from napari_medrefine.dataset import MANIFEST, Cleaning, Recipe, load_manifest, open_dataset
from napari_medrefine.dataset.prepare import prepare_steps
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io import saving
from napari_medrefine.io._photo_layers import photo_layer
from napari_medrefine.io.reader import read_dataset
from napari_medrefine.io.writer import SavingError, save_layers
from napari_medrefine.photos import write_image
from napari_medrefine.progress import finish

PLUGIN = "napari-medrefine"
PLACE = {
    "scale": (0.5, 0.25), "translate": (3, -4), "rotate": 30, "shear": [0.2],
    "affine": [[1, 0.1, 3], [0, 1.2, 4], [0, 0, 1]], "units": ("um", "mm"),
    "axis_labels": ("down", "along"),
}  # fmt: skip
LOOKS = {
    "opacity": 0.4, "blending": "additive", "visible": False, "interpolation2d": "cubic",
    "gamma": 0.7, "metadata": {"stain": "H&E", "list": [1, 2.5, None, {"deep": "ä"}]},
}  # fmt: skip


@pytest.fixture(autouse=True)
def plugin() -> None:
    """Have napari know its plugins, as it does once a window was opened."""
    from npe2 import PluginManager

    PluginManager.instance().discover()


@pytest.fixture
def viewer() -> Any:
    from napari.components import ViewerModel

    return ViewerModel()


def opened(path: Path) -> Any:
    from napari.components import ViewerModel

    viewer = ViewerModel()
    viewer.open(str(path), plugin=PLUGIN)
    return viewer


def noise(*shape: int, dtype: str = "uint8", seed: int = 0) -> Any:
    return saved_layers.noise(shape, dtype, seed)


def assert_identical(saved: Any, again: Any, *, but: tuple[str, ...] = ()) -> None:
    for one, other in zip(saved.layers, again.layers, strict=True):
        data, state, kind = one.as_layer_data_tuple()
        data_again, state_again, kind_again = other.as_layer_data_tuple()
        assert kind == kind_again
        assert data_again.dtype == data.dtype
        np.testing.assert_array_equal(np.asarray(data_again), np.asarray(data))
        different = [key for key in state if not same(state[key], state_again[key])]
        assert [key for key in different if key not in but] == []


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_any_kind_of_image_of_any_size(viewer, tmp_path, dtype, channels) -> None:
    for number, size in enumerate([(300, 517), (256, 256), (1, 1), (5, 700)]):
        image = noise(*size, *channels, dtype=dtype, seed=number)
        viewer.add_image(image, rgb=bool(channels), name=f"photo {number}")
    path = tmp_path / "liver.medrefine.json"
    assert viewer.layers.save(str(path), plugin=PLUGIN) == [str(path)]
    assert_identical(viewer, opened(path))


def test_place_and_looks_are_kept_through_two_rounds(viewer, tmp_path) -> None:
    from napari.utils.colormaps import Colormap

    viewer.add_image(noise(40, 50, 3), name="Größe/1: x?", **PLACE, **LOOKS)
    viewer.add_image(noise(40, 50, dtype="uint16"), colormap="viridis", contrast_limits=(9, 3e4),
                     rendering="iso", iso_threshold=100, attenuation=0.1)  # fmt: skip
    own = Colormap([[0, 0, 0], [0.5, 0.1, 1]], name="own", high_color="red")
    viewer.add_image(noise(9, 9), colormap=own, name="own colours")
    one, two = tmp_path / "one.medrefine.json", tmp_path / "two.medrefine.json"
    viewer.layers.save(str(one), plugin=PLUGIN)
    again = opened(one)
    assert_identical(viewer, again)
    again.layers.save(str(two), plugin=PLUGIN)
    assert_identical(viewer, opened(two))


def test_numbers_that_are_none_and_infinite_are_kept(viewer, tmp_path) -> None:
    image = noise(20, 30, dtype="float32")
    image[3, 4], image[5, 6] = np.nan, np.inf
    viewer.add_image(image, contrast_limits=(0, 1))
    viewer.layers.save(str(tmp_path / "a.medrefine.json"), plugin=PLUGIN)
    assert_identical(viewer, opened(tmp_path / "a.medrefine.json"))


def test_napari_finds_the_writer_by_the_name(viewer, tmp_path) -> None:
    layer = viewer.add_image(noise(20, 30, 3), rgb=True)
    viewer.add_image(noise(9, 9))
    viewer.layers.selection = {layer}
    for name in ("one.medrefine.json", MANIFEST):
        assert viewer.layers.save(str(tmp_path / name), selected=True) == [str(tmp_path / name)]
        assert len(opened(tmp_path / name).layers) == 1
    path = str(tmp_path / "direct.medrefine.json")
    assert npe2.write(path, [layer, viewer.layers[1]]) == [path]
    assert len(npe2.read([path], stack=False)) == 2


def test_the_ending_is_added_but_nothing_unasked_is_replaced(tmp_path) -> None:
    layers = [(noise(9, 9), {"name": "a"}, "image")]
    written = save_layers(tmp_path / "liver", layers)
    assert written == tmp_path / "liver.medrefine.json"
    for name in ("liver", "liver.json"):
        with pytest.raises(MedRefineError, match=r"liver\.medrefine\.json exists already"):
            save_layers(tmp_path / name, layers)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ((noise(9, 9), {"name": "x"}, "labels"), "'x': it is a labels layer"),
        ((noise(4, 9, 9), {"name": "x", "rgb": False}, "image"), r"'x': its shape is \(4, 9, 9\)"),
        ((noise(9, 9) > 3, {"name": "x"}, "image"), "'x': its pixels are bool"),
        ((noise(9, 9).astype("i4"), {"name": "x"}, "image"), "'x': its pixels are int32"),
        ((np.zeros((0, 9), "u1"), {"name": "x"}, "image"), "'x': it is empty"),
        ((noise(9, 9), {"name": "x", "opacity": 7}, "image"), "'x': opacity"),
    ],
)
def test_what_cannot_be_saved_is_said_and_nothing_is_written(tmp_path, layer, words) -> None:
    good = (noise(9, 9), {"name": "good"}, "image")
    with pytest.raises(MedRefineError, match=words) as caught:
        save_layers(tmp_path / "a.medrefine.json", [good, layer])
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_napari_passes_on_what_is_wrong(viewer, tmp_path) -> None:
    viewer.add_image(noise(9, 9) > 3, name="mask")
    with pytest.raises(SavingError, match="Cannot save 'mask': its pixels are bool"):
        viewer.layers.save(str(tmp_path / "a.medrefine.json"))


def test_metadata_that_json_cannot_hold_are_named(viewer, tmp_path) -> None:
    viewer.add_image(noise(9, 9), name="a", metadata={
        "good": np.float32(1.5), "array": np.zeros(3), 7: "number", "path": Path("/x"),
        "nan": float("nan"),
    })  # fmt: skip
    path = tmp_path / "a.medrefine.json"
    with pytest.warns(
        UserWarning, match="array, 7, path, nan of the metadata of 'a' cannot be kept"
    ):
        save_layers(path, [layer.as_layer_data_tuple() for layer in viewer.layers])
    assert opened(path).layers[0].metadata == {"good": 1.5}


def test_the_full_resolution_of_a_pyramid_is_saved(viewer, tmp_path) -> None:
    image = noise(600, 512, 3)
    viewer.add_image([image, image[::2, ::2]], rgb=True)
    viewer.layers.save(str(tmp_path / "a.medrefine.json"), plugin=PLUGIN)
    layer = opened(tmp_path / "a.medrefine.json").layers[0]
    np.testing.assert_array_equal(np.asarray(layer.data), image)


@pytest.mark.parametrize("chunk", [100, 256, 3000])
def test_lazy_layers_are_read_in_parts(tmp_path, chunk) -> None:
    image = noise(3000, 2500)
    asked = []

    class Lazy:
        shape, dtype, ndim = image.shape, image.dtype, 2
        chunks = (chunk, chunk)

        def __getitem__(self, key):
            asked.append(image[key].shape)
            return image[key]

        def __array__(self, *_, **__):
            raise AssertionError("read as a whole")

    save_layers(tmp_path / "a.medrefine.json", [(Lazy(), {"name": "a"}, "image")])
    data = read_dataset(tmp_path / "a.medrefine.json")[0][0]
    np.testing.assert_array_equal(np.asarray(data), image)
    assert sum(np.prod(shape) for shape in asked) == image.size  # nothing twice
    assert chunk == 3000 or max(asked) < (2400, 2400)


def test_several_datasets_lie_in_one_folder(tmp_path) -> None:
    for number, name in enumerate(("a", "b")):
        save_layers(tmp_path / f"{name}.medrefine.json",
                      [(noise(30, 30, seed=number), {"name": "same"}, "image")])  # fmt: skip
    (tmp_path / "b.tiles" / "mine.png").touch()
    assert not open_dataset(tmp_path / "a.medrefine.json").differences()
    assert open_dataset(tmp_path / "b.medrefine.json").differences().extra == ("b.tiles/mine.png",)


def test_saving_over_the_file_that_is_being_looked_at(viewer, tmp_path) -> None:
    path = tmp_path / "a.medrefine.json"
    images = [noise(300, 300, 3, seed=seed) for seed in range(3)]
    images.append(images[0])  # the same picture twice
    for image in images:
        viewer.add_image(image)
    viewer.layers.save(str(path), plugin=PLUGIN)
    (tmp_path / "mine.txt").touch()
    (tmp_path / "a.tiles" / ".mine").touch()
    again = opened(path)
    del again.layers[1]
    again.layers[0].name = "renamed"
    again.layers.move(0, 2)
    painted = images[2].copy()
    painted[0, 0] = 0
    again.add_image(painted, name="painted")
    again.layers.save(str(path), plugin=PLUGIN)
    for layer, image in zip(again.layers, [images[2], images[0], images[0], painted], strict=True):
        np.testing.assert_array_equal(np.asarray(layer.data), image)  # the lazy ones still read
    assert_identical(again, opened(path))
    named = {tile.file for tile in load_manifest(path).tiles}
    left = {file.relative_to(tmp_path).as_posix() for file in (tmp_path / "a.tiles").rglob("*.*")}
    assert left == named | {"a.tiles/.mine"}


def _fails_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MedRefineError("the disk is full")

    monkeypatch.setattr(saving, name, fail)


@pytest.mark.parametrize("step", ["save_manifest", "_entry", "_take_over"])
def test_a_failed_save_leaves_everything_as_it_was(tmp_path, monkeypatch, step) -> None:
    path = tmp_path / "a.medrefine.json"
    save_layers(path, [(noise(300, 300), {"name": "old"}, "image")])
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.*") if file.is_file()}
    _fails_at(monkeypatch, step)
    with pytest.raises(MedRefineError, match="the disk is full"):
        save_layers(path, [(noise(300, 300, seed=1), {"name": "new"}, "image")])
    with pytest.raises(MedRefineError, match="the disk is full"):
        save_layers(tmp_path / "b.medrefine.json", [(noise(9, 9), {}, "image")])
    assert before == {file: file.read_bytes() for file in tmp_path.rglob("*.*") if file.is_file()}
    assert not (tmp_path / "b.tiles").exists()


def test_what_a_kill_left_is_not_seen_and_goes_with_the_next_save(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.medrefine.json"
    layers = [(noise(300, 300, seed=seed), {"name": "a"}, "image") for seed in range(3)]
    save_layers(path, layers[:1])
    monkeypatch.setattr(saving.shutil, "rmtree", lambda *_, **__: None)  # nothing cleans up
    job = saving.save_steps(path, [photo_layer(*layer) for layer in layers[1:]])
    for step in job:
        if step.done == 1:
            break
    job.close()
    monkeypatch.undo()
    assert len(list((tmp_path / "a.tiles").iterdir())) == 2
    assert not open_dataset(path).differences()
    save_layers(path, layers[:2])
    named = {tile.file for tile in load_manifest(path).tiles}
    left = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("r*.png")}
    assert left == named


def test_a_stopped_save_leaves_everything_as_it_was(tmp_path) -> None:
    layer = photo_layer(noise(600, 600), {"name": "a"}, "image")
    job = saving.save_steps(tmp_path / "a.medrefine.json", [layer])
    next(job)
    job.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_manifest_is_replaced_and_a_folder_is_not(tmp_path) -> None:
    path = tmp_path / "a.medrefine.json"
    path.write_text("{")
    save_layers(path, [(noise(9, 9), {"name": "a"}, "image")])
    assert len(read_dataset(path)) == 1
    (tmp_path / "b.medrefine.json").mkdir()
    with pytest.raises(MedRefineError, match=r"b\.medrefine\.json"):
        save_layers(tmp_path / "b.medrefine.json", [(noise(9, 9), {}, "image")])
    with pytest.raises(MedRefineError, match="is not there"):
        save_layers(tmp_path / "no" / "c.medrefine.json", [(noise(9, 9), {}, "image")])


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for slide in range(1, 5):
        for photo in range(2):
            image = noise(70, 100, 3, seed=10 * slide + photo)
            write_image(tmp_path / "photos" / f"slide{slide}_40x_{photo}.png", image)
    anything = Cleaning(contrast=0, sharpness=0, clipped=1, duplicates=False)
    finish(prepare_steps(tmp_path / "photos", tmp_path / "dataset",
                         Recipe(tile=32, reduce=1, cleaning=anything)))  # fmt: skip
    return tmp_path / "dataset" / MANIFEST


def test_photos_of_a_dataset_keep_their_slides_and_parts(prepared, tmp_path) -> None:
    before = {photo.source: photo for photo in load_manifest(prepared).photos}
    viewer = opened(prepared)
    del viewer.layers[0]
    viewer.add_image(noise(40, 40, 3, seed=99), name="slide1_40x_9")
    viewer.add_image(noise(40, 40, 3, seed=98), name="another")
    viewer.add_image(noise(40, 40, 3, seed=98), name="its copy")
    path = tmp_path / "some.medrefine.json"
    viewer.layers.save(str(path), plugin=PLUGIN)
    assert_identical(viewer, opened(path))
    manifest = load_manifest(path)
    assert (manifest.split_by, manifest.recipe.tile) == ("slide", 32)
    *old, sibling, one, copy = manifest.photos
    assert all(p.split == before[p.source].split for p in old)
    assert all(p.slide == before[p.source].slide for p in old)
    assert sibling.split == next(p.split for p in old if p.slide == "slide1")
    assert (one.split, one.slide) == (copy.split, copy.slide)


def test_parts_that_leak_are_dealt_anew(prepared, tmp_path) -> None:
    layers = read_dataset(prepared)
    data, attributes, kind = layers[0]
    pixels = np.asarray(data)
    other = "train" if attributes["metadata"]["medrefine"]["split"] != "train" else "test"
    facts = {**attributes["metadata"]["medrefine"], "split": other}
    twice = [
        (pixels, attributes, kind),
        (pixels, {**attributes, "metadata": {"medrefine": facts}}, kind),
    ]
    save_layers(tmp_path / "a.medrefine.json", twice)
    one, two = load_manifest(tmp_path / "a.medrefine.json").photos
    assert one.split == two.split


def test_training_reads_saved_layers_as_eight_bit_colours(tmp_path) -> None:
    grey = np.full((32, 40), 30_000, np.uint16)
    grey[0, 0] = 65_535
    clear = np.zeros((40, 32, 4), np.float32)  # wholly transparent: white, as on a lit stage
    layers = [(grey, {"name": "grey", "rgb": False}, "image"),
              (clear, {"name": "clear", "rgb": True}, "image")]  # fmt: skip
    save_layers(tmp_path / "a.medrefine.json", layers)
    first, second = (tile.sharp for tile in open_dataset(tmp_path / "a.medrefine.json").read())
    assert first.shape == second.shape == (256, 256, 3)
    assert first.dtype == second.dtype == np.uint8
    assert first[1:, 1:40].min() == round(30_000 / 65_535 * 255)
    assert (second == 255).all()


@pytest.mark.parametrize(("dtype", "white"), [("float32", 1.0), ("uint16", 4095)])
def test_a_hot_pixel_does_not_make_the_tiles_black(tmp_path, dtype, white) -> None:
    photo = np.full((300, 517, 3), 0.8 * white, dtype)
    photo[60, 500] = 12 * white
    save_layers(tmp_path / "x.medrefine.json", [(photo, {"name": "a", "rgb": True}, "image")])
    tiles = list(open_dataset(tmp_path / "x.medrefine.json").read())
    assert [np.median(tile.sharp) for tile in tiles] == [204] * len(tiles)


def test_half_opaque_colours_of_12_bits_are_trained_on_as_they_look(tmp_path) -> None:
    photo = np.zeros((256, 256, 4), np.uint16)
    photo[..., 3] = 32768
    photo[:9, :9, :3] = 4095
    save_layers(tmp_path / "x.medrefine.json", [(photo, {"name": "a", "rgb": True}, "image")])
    (tile,) = open_dataset(tmp_path / "x.medrefine.json").read()
    np.testing.assert_allclose(tile.sharp[20:], 127, atol=1)  # black through which white shines


def test_pixel_sizes_are_in_the_manifest(viewer, tmp_path) -> None:
    viewer.add_image(noise(9, 9), scale=(250, 250), units=("nm", "nm"))
    viewer.add_image(noise(9, 9), scale=(2, 3), units=("um", "um"))
    viewer.add_image(noise(9, 9), scale=(2, 2))
    viewer.layers.save(str(tmp_path / "a.medrefine.json"), plugin=PLUGIN)
    sizes = [photo.pixel_um for photo in load_manifest(tmp_path / "a.medrefine.json").photos]
    assert sizes == [pytest.approx(0.25), None, None]


def test_a_strange_layer_in_a_manifest_is_refused(tmp_path) -> None:
    path = tmp_path / "a.medrefine.json"
    save_layers(path, [(noise(9, 9), {"name": "a"}, "image")])
    good = json.loads(path.read_text("utf-8"))
    for change in ({"dtype": "object"}, {"channels": 7}, {"attributes": {"plugin": "x"}}):
        data = json.loads(json.dumps(good))
        data["photos"][0]["layer"].update(change)
        path.write_text(json.dumps(data), "utf-8")
        with pytest.raises(MedRefineError, match=rf"layer.*{next(iter(change))}"):
            read_dataset(path)


def test_a_transform_that_is_none_is_refused_and_nothing_is_left(tmp_path) -> None:
    with pytest.raises(MedRefineError, match=r"Cannot save 'a': .*affine"):
        save_layers(
            tmp_path / "a.medrefine.json", [(noise(9, 9), {"name": "a", "affine": []}, "image")]
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.photos
def test_real_photos_of_every_size_come_back(photos44, viewer, tmp_path) -> None:
    from napari_medrefine.photos import read_photo

    image = read_photo(next(photos44.glob("slide1_40x_1.*"))).image
    viewer.add_image(image, name="photo", scale=(0.25, 0.25), units=("um", "um"))
    viewer.add_image(image[:1000, :777, 0], name="red")
    path = tmp_path / "real.medrefine.json"
    viewer.layers.save(str(path), plugin=PLUGIN)
    assert_identical(viewer, opened(path))
