"""What napari gets: one lazy layer per photo, with its pixel size, whole or with a warning."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_medrefine.dataset import MANIFEST, Cleaning, Recipe, open_dataset, prepare_steps
from napari_medrefine.dataset.colours import SPLIT_COLOURS
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.folder import read_folder
from napari_medrefine.io.reader import get_reader, read_dataset
from napari_medrefine.io.writer import save_layers
from napari_medrefine.photos import read_photo, write_image
from napari_medrefine.progress import finish

ANYTHING = Cleaning(contrast=0, sharpness=0, clipped=1, duplicates=False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for name in ("slide1_4x", "slide1_40x_3", "slide2_4x", "slide3_4x"):
        image = rng.integers(0, 256, (140, 200, 3), dtype=np.uint8)
        size = 0.125 if "40x" in name else None
        write_image(tmp_path / "photos" / f"{name}.png", image, pixel_um=size)
    return tmp_path / "photos"


@pytest.fixture
def manifest(photos: Path, tmp_path: Path) -> Path:
    recipe = Recipe(tile=32, reduce=2, cleaning=ANYTHING)
    finish(prepare_steps(photos, tmp_path / "dataset", recipe))
    return tmp_path / "dataset" / MANIFEST


def read(manifest: Path) -> dict[str, tuple]:
    reader = get_reader(str(manifest))
    assert reader is not None
    return {attributes["name"].split()[0]: layer for layer in reader([str(manifest)])
            for attributes in [layer[1]]}  # fmt: skip


def test_only_a_manifest_is_claimed() -> None:
    assert get_reader(f"/data/{MANIFEST}")
    assert get_reader([f"/data/{MANIFEST}"])
    assert get_reader("/data/liver.medrefine.json")
    for other in ("/data", "/data/a.json", "/data/a.png", [], [f"/a/{MANIFEST}", f"/b/{MANIFEST}"]):
        assert get_reader(other) is None


def test_each_photo_is_put_together_again(manifest: Path) -> None:
    layers = read(manifest)
    assert set(layers) == {"slide1_4x", "slide1_40x_3", "slide2_4x", "slide3_4x"}
    data, attributes, kind = layers["slide1_40x_3"]
    assert (kind, attributes["rgb"], data.shape, data.dtype) == ("image", True, (64, 96, 3), "u1")
    assert attributes["scale"] == pytest.approx((0.25, 0.25), rel=1e-4)
    assert attributes["units"] == ("um", "um")
    facts = attributes["metadata"]["medrefine"]
    assert (facts["objective"], facts["slide"], facts["source"]) == (
        40, "slide1", "slide1_40x_3.png",
    )  # fmt: skip
    assert attributes["name"] == f"slide1_40x_3 ({facts['split']})"
    dataset = open_dataset(manifest)
    for tile in dataset.manifest.tiles_of("slide1_40x_3"):
        part = np.asarray(data[tile.y : tile.y + 32, tile.x : tile.x + 32])
        assert (part == dataset.read_tile(tile)).all()


def test_unknown_pixel_sizes_stay_unknown(manifest: Path) -> None:
    _, attributes, _ = read(manifest)["slide2_4x"]
    assert "scale" not in attributes
    assert "units" not in attributes


def test_the_layers_are_what_napari_takes(manifest: Path) -> None:
    from napari.components import ViewerModel

    viewer = ViewerModel()
    for data, attributes, _ in read(manifest).values():
        viewer.add_image(data, **attributes)
    layer = next(layer for layer in viewer.layers if layer.name.startswith("slide1_40x_3"))
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
    corner = layer.data_to_world((63, 95))
    assert corner == pytest.approx((63 * 0.25, 95 * 0.25), rel=1e-4)
    assert [layer.visible for layer in viewer.layers] == [True, False, False, False]


def test_a_moved_dataset_opens(manifest: Path, tmp_path: Path) -> None:
    shutil.move(manifest.parent, tmp_path / "moved")
    data, attributes, _ = read(tmp_path / "moved" / MANIFEST)["slide1_4x"]
    assert np.asarray(data).any()
    assert attributes["metadata"]["medrefine"]["dataset"] == str(tmp_path / "moved")


def test_missing_and_extra_tiles_give_one_warning_that_lists_them(manifest: Path) -> None:
    tiles = manifest.parent / "tiles"
    (tiles / "slide1_4x" / "r01c02.png").unlink()
    (tiles / "slide2_4x" / "r00c00.png").unlink()
    shutil.copy(tiles / "slide1_4x" / "r00c00.png", tiles / "slide1_4x" / "mine.png")
    with pytest.warns(UserWarning, match="lacks 2 tiles") as caught:
        layers = read(manifest)
    message = str(caught[0].message)
    assert len(caught) == 1
    assert "tiles/slide1_4x/r01c02.png, tiles/slide2_4x/r00c00.png" in message
    assert "has 1 tile (tiles/slide1_4x/mine.png) not in its manifest" in message
    whole = np.asarray(layers["slide1_4x"][0])
    assert not whole[32:, 64:].any()
    assert whole[:32].any()


def test_a_damaged_tile_is_black_and_said_when_it_is_looked_at(manifest: Path) -> None:
    (manifest.parent / "tiles" / "slide1_4x" / "r00c01.png").write_bytes(b"scratched")
    data, _, _ = read(manifest)["slide1_4x"]
    with pytest.warns(UserWarning, match=r"r00c01\.png.*shown black"):
        whole = np.asarray(data)
    assert not whole[:32, 32:64].any()


def test_a_bad_manifest_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / MANIFEST
    path.write_text("{")
    with pytest.raises(MedRefineError, match=MANIFEST):
        read(path)


def test_fifteen_hundred_tiles_open_lazily(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    image = np.random.default_rng(0).integers(0, 256, (5 * 32, 7 * 32, 3), dtype=np.uint8)
    for number in range(44):
        write_image(tmp_path / "photos" / f"slide{number}_40x.png", image + np.uint8(number))
    recipe = Recipe(tile=32, reduce=1, cleaning=ANYTHING)
    finish(prepare_steps(tmp_path / "photos", tmp_path / "dataset", recipe))
    for tile in (tmp_path / "dataset").rglob("*.png"):
        tile.write_bytes(b"scratched")  # opening looks at no pixels, so it has nothing to warn of
    layers = read(tmp_path / "dataset" / MANIFEST)
    assert sum(data.npartitions for data, _, _ in layers.values()) == 1540


def test_a_folder_of_photos_opens_the_same_way(photos: Path) -> None:
    layers = {attributes["name"]: (data, attributes) for data, attributes, _ in
              read_folder(photos, pixel_um={4: 1.25, 40: 9})}  # fmt: skip
    data, attributes = layers["slide1_40x_3"]
    assert (np.asarray(data) == read_photo(photos / "slide1_40x_3.png").image).all()
    assert attributes["scale"] == pytest.approx((0.125, 0.125), rel=1e-4)  # the file knows better
    assert layers["slide2_4x"][1]["scale"] == (1.25, 1.25)
    assert sum(attributes.get("visible", True) for _, attributes in layers.values()) == 1
    assert "scale" not in read_folder(photos)[1][1]


def test_opening_a_folder_decodes_nothing_and_damage_is_said(photos: Path) -> None:
    path = photos / "slide1_4x.png"
    path.write_bytes(path.read_bytes()[:-4000])
    (photos / "text.jpg").write_text("no photo")
    with pytest.warns(UserWarning, match=r"Left out: .*text\.jpg") as caught:
        layers = read_folder(photos)
    assert len(caught) == 1
    assert len(layers) == 4
    damaged = next(data for data, attributes, _ in layers if attributes["name"] == "slide1_4x")
    with pytest.warns(UserWarning, match=r"slide1_4x\.png.*shown black"):
        assert not np.asarray(damaged).any()


def test_grey_and_deep_photos_open_too(tmp_path: Path) -> None:
    from napari.components import ViewerModel

    write_image(tmp_path / "a.tif", np.full((20, 30), 40_000, np.uint16))
    write_image(tmp_path / "b.tif", np.full((20, 30, 3), 0.5, np.float32))
    viewer = ViewerModel()
    for data, attributes, _ in read_folder(tmp_path):
        viewer.add_image(data, **attributes)
    assert [layer.rgb for layer in viewer.layers] == [False, True]
    assert viewer.layers[0].contrast_limits == [0, 65535]


def test_a_folder_without_photos_is_said(tmp_path: Path) -> None:
    with pytest.raises(MedRefineError, match="no JPEG, PNG, TIFF or BMP"):
        read_folder(tmp_path)
    (tmp_path / "a.png").write_text("no photo")
    with pytest.raises(MedRefineError, match=r"No photo in .* can be read: .*a\.png"):
        read_folder(tmp_path)


def test_one_split_is_read(manifest: Path) -> None:
    for split in ("train", "validation", "test"):
        layers = read_dataset(manifest, split=split)
        wanted = [photo for photo in open_dataset(manifest).manifest.photos if photo.split == split]
        assert [data.medrefine["photo"] for data, _, _ in layers] == [p.name for p in wanted]
        assert [a.get("visible", True) for _, a, _ in layers] == [True] + [False] * (
            len(wanted) - 1
        )
    data = json.loads(manifest.read_text("utf-8"))
    data["photos"] = [photo for photo in data["photos"] if photo["split"] == "train"]
    data["tiles"] = [tile for tile in data["tiles"] if tile["split"] == "train"]
    manifest.write_text(json.dumps(data), "utf-8")
    with pytest.raises(MedRefineError, match="no photo in its test part"):
        read_dataset(manifest, split="test")


def test_outlines_go_round_the_tiles_in_the_colour_of_their_part(manifest: Path) -> None:
    from napari.components import ViewerModel
    from napari.layers import Layer

    layers = read_dataset(manifest, outlines=True)
    assert [kind for _, _, kind in layers] == ["image", "shapes"] * 4
    viewer = ViewerModel()
    for layer in layers:
        viewer.add_layer(Layer.create(*layer))
    dataset = open_dataset(manifest)
    for photo, outlines in zip(viewer.layers[::2], viewer.layers[1::2], strict=True):
        name = photo.data.medrefine["photo"]
        tiles = dataset.manifest.tiles_of(name)
        assert outlines.visible == photo.visible
        assert list(outlines.features["tile"]) == [tile.file for tile in tiles]
        assert list(outlines.features["sha256"]) == [tile.sha256 for tile in tiles]
        colour = SPLIT_COLOURS[tiles[0].split]
        assert to_hex(outlines.edge_color[0]) == colour
        for corners, tile in zip(outlines.data, tiles, strict=True):
            world = [outlines.data_to_world(corner) for corner in corners]
            low, high = np.min(world, axis=0), np.max(world, axis=0)
            assert low == pytest.approx(photo.data_to_world((tile.y - 0.5, tile.x - 0.5)))
            assert high == pytest.approx(photo.data_to_world((tile.y + 31.5, tile.x + 31.5)))


def to_hex(colour: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * float(value)):02x}" for value in colour[:3])


def test_outlines_of_saved_layers_end_with_the_picture_and_lie_on_it(tmp_path: Path) -> None:
    from napari.layers import Layer

    place = {"scale": (2, 3), "rotate": [[0.8, -0.6], [0.6, 0.8]], "translate": (5, 6)}
    image = np.random.default_rng(0).integers(0, 256, (300, 500), dtype=np.uint8)
    path = tmp_path / "a.medrefine.json"
    save_layers(path, [(image, {"name": "a", **place}, "image")])
    photo, outlines = (Layer.create(*layer) for layer in read_dataset(path, outlines=True))
    last = np.max(outlines.data, axis=(0, 1))
    assert list(last) == [299.5, 499.5]
    assert outlines.data_to_world(last) == pytest.approx(photo.data_to_world(last))
