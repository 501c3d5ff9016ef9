"""Image layers as OME-TIFF and OME-Zarr: back as they were, and what others find in the files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.io.saved_layers import assert_same, noise, opened

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._session_files import layers_of
from napari_medrefine.io.layer_images import save_image_steps, write_images
from napari_medrefine.io.layer_reader import get_image_reader, read_images
from napari_medrefine.io.writer import save_layers
from napari_medrefine.photos import read_photo
from napari_medrefine.progress import finish
from napari_medrefine.registration import Placement

ENDINGS = (".ome.tif", ".ome.zarr")
LOOKS = {"opacity": 0.4, "blending": "additive", "visible": False, "gamma": 0.7}
SHOWN = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],  # shrinking would take minutes
)


@pytest.fixture(autouse=True)
def plugin():
    """Have napari know its plugins, as it does once a window was opened."""
    from npe2 import PluginManager

    PluginManager.instance().discover()


NUMBER = st.floats(-1e3, 1e3).filter(lambda x: abs(x) > 1e-3)
LAYERS = st.fixed_dictionaries(
    {
        "scale": st.tuples(st.floats(1e-3, 50), st.floats(1e-3, 50)),
        "translate": st.tuples(NUMBER, NUMBER),
        "rotate": st.sampled_from([0, 0, 33.3, 180]),
        "shear": st.sampled_from([[0.0], [0.25]]),
        "affine": st.sampled_from(
            [np.eye(3), np.array([[0.9, 0.2, 5], [-0.2, 1.1, 7], [0, 0, 1]])]
        ),
        "units": st.sampled_from([("um", "um"), ("nm", "mm"), ("pixel", "pixel"), ("s", "um")]),
        "name": st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
    }
)


@pytest.mark.parametrize("ending", ENDINGS)
@SHOWN
@given(
    options=LAYERS,
    dtype=st.sampled_from(["uint8", "uint16", "float16", "float32", "float64"]),
    channels=st.sampled_from([(), (3,), (4,)]),
    size=st.sampled_from([(30, 47), (1, 1), (5, 600)]),
)
def test_a_layer_comes_back_as_it_was(viewer, tmp_path, ending, options, dtype, channels, size):
    layer = viewer.add_image(noise((*size, *channels), dtype), rgb=bool(channels), **options)
    path = tmp_path / f"one{ending}"
    assert viewer.layers.save(str(path), selected=True) == [str(path)]  # found by its name
    (again,) = opened(path)
    assert_same(layer, again)
    viewer.layers.clear()


@pytest.mark.parametrize("ending", ENDINGS)
def test_provenance_placement_and_looks_come_back(viewer, tmp_path, ending):
    place = Placement(np.diag([0.1, 0.1, 1]), (30, 40), (300, 400), True, "fits", 0.8)
    facts = {"made_from": "ä.jpg", "weights": [{"sha256": "ab"}], "placement": place}
    layer = viewer.add_image(
        noise((30, 40), "uint16"), colormap="viridis", contrast_limits=(9, 3e4), **LOOKS,
        metadata={"medrefine": facts, "mine": {"list": [1, None, {"a<&>": "\"'"}]}},
    )  # fmt: skip
    viewer.layers.save(str(tmp_path / f"a{ending}"))
    (again,) = opened(tmp_path / f"a{ending}")
    assert_same(layer, again, but=("metadata",))
    assert again.metadata["mine"] == layer.metadata["mine"]
    found = dict(again.metadata["medrefine"])
    assert found.pop("placement").matrix.tolist() == place.matrix.tolist()
    assert found == {"made_from": "ä.jpg", "weights": [{"sha256": "ab"}]}


@pytest.mark.parametrize("ending", [*ENDINGS, ".medrefine.json"])
def test_names_that_are_no_text_come_back_with_a_mark(tmp_path, ending):
    path = tmp_path / f"x{ending}"
    said = {"name": "q\udcff", "metadata": {"from": ["q\udcff.png"]}}
    write = save_layers if ending.endswith("json") else write_images
    write(path, [(noise((30, 40), "uint8"), said, "image")])
    (back,) = layers_of(path, None)
    assert back[1]["name"] == "q\ufffd"
    assert back[1]["metadata"]["from"] == ["q\ufffd.png"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_several_layers_go_into_one_file(viewer, tmp_path, ending):
    um = {"units": ("um", "um")}
    viewer.add_image(noise((700, 900, 3), "uint8"), rgb=True, name="a", scale=(2, 2), **um)
    viewer.add_image(noise((700, 900, 3), "uint8", 1), rgb=True, name="b", rotate=9, **um)
    viewer.add_image(noise((9, 9), "float32"), name="c")
    viewer.layers.save(str(tmp_path / f"all{ending}"))
    again = opened(tmp_path / f"all{ending}")
    for layer, other in zip(viewer.layers, again, strict=True):
        assert_same(layer, other)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_pyramid_stays_one_and_is_read_lazily(viewer, tmp_path, ending):
    fine = noise((1100, 1300, 3), "uint8")
    layer = viewer.add_image([fine, fine[::2, ::2]], rgb=True, multiscale=True, scale=(2, 3))
    viewer.layers.save(str(tmp_path / f"a{ending}"))
    (again,) = opened(tmp_path / f"a{ending}")
    assert_same(layer, again)
    assert again.multiscale
    assert not isinstance(again.data[0], np.ndarray)


def test_tifffile_and_photos_find_the_pixel_size(viewer, tmp_path):
    data = noise((600, 700, 3), "uint16")
    viewer.add_image(data, rgb=True, scale=(0.25, 0.5), units=("um", "um"), name="a & b")
    viewer.layers.save(str(tmp_path / "a.ome.tif"))
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        ome = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]
        np.testing.assert_array_equal(tiff.asarray(), data)
        assert len(tiff.series[0].levels) == 2
    found = ome["Pixels"]
    assert (found["PhysicalSizeY"], found["PhysicalSizeX"]) == (0.25, 0.5)
    assert (found["PhysicalSizeYUnit"], ome["Name"]) == ("µm", "a & b")
    viewer.layers.clear()
    viewer.add_image(data[..., 0], scale=(500, 500), units=("nm", "nm"))
    viewer.layers.save(str(tmp_path / "b.ome.tif"))
    assert read_photo(tmp_path / "b.ome.tif").pixel_um == pytest.approx(0.5)


@pytest.mark.parametrize(("unit", "um"), [("inch", 25_400.0), ("angstrom", 1e-4), ("pm", 1e-6)])
def test_other_programs_are_told_the_pixel_size_whatever_its_unit(viewer, tmp_path, unit, um):
    viewer.add_image(noise((30, 40)), scale=(5, 5), units=(unit, unit))
    for ending in ENDINGS:
        viewer.layers.save(str(tmp_path / f"a{ending}"))
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        found = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
    assert found["PhysicalSizeX"] == pytest.approx(5 * um)
    picture = zarr.open_group(tmp_path / "a.ome.zarr", mode="r").attrs["ome"]["multiscales"][0]
    assert picture["axes"][1]["unit"] == "micrometer"
    (transform, *_) = picture["datasets"][0]["coordinateTransformations"]
    assert transform["scale"][1:] == pytest.approx([5 * um, 5 * um])


def test_napari_ome_zarr_finds_pixels_and_size_and_the_place_is_in_the_file(viewer, tmp_path):
    reader = pytest.importorskip("napari_ome_zarr._reader", reason="napari-ome-zarr is missing")
    data = noise((600, 700, 3), "uint8")
    layer = viewer.add_image(
        data, rgb=True, scale=(0.25, 0.5), translate=(40, -7), units=("um", "um"),
        affine=[[2, 0, 1], [0, 3, 5], [0, 0, 1]],
    )  # fmt: skip
    path = tmp_path / "a.ome.zarr"
    viewer.layers.save(str(path))
    added = [
        viewer.add_image(pixels, **attributes)  # one layer a colour; napari-ome-zarr 0.10: a list
        for pixels, attributes, _ in reader.napari_get_reader(str(path))(str(path))
    ]
    red = added[0][0] if isinstance(added[0], list) else added[0]
    np.testing.assert_array_equal(np.asarray(red.data[0]), data[..., 0])
    assert str(red.units[0]) == "micrometer"
    first = np.array(red.data_to_world((0, 0)))  # napari-ome-zarr 0.10 leaves 0.5's shifts out
    for point in ((0, 0), (599, 699), (12.5, 3)):
        seen = np.array(red.data_to_world(point)) - first
        assert seen + layer.data_to_world((0, 0)) == pytest.approx(layer.data_to_world(point))
    ome: Any = zarr.open_group(path).attrs["ome"]
    for dataset, shift in zip(ome["multiscales"][0]["datasets"], (0, 0.5), strict=True):
        scale, translation = dataset["coordinateTransformations"]
        assert translation["translation"][1:] == pytest.approx(layer.data_to_world((shift, shift)))
    assert scale["scale"] == [1, 1, 3]


def test_files_of_others_open_with_their_pixel_size(tmp_path):
    data = noise((40, 50, 3), "uint8")
    metadata = {"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5,
                "PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}  # fmt: skip
    tifffile.imwrite(tmp_path / "x.ome.tif", data, photometric="rgb", metadata=metadata)
    (layer,) = opened(tmp_path / "x.ome.tif")
    np.testing.assert_array_equal(np.asarray(layer.data), data)
    assert tuple(layer.scale) == (0.5, 0.5)


def test_a_record_that_is_damaged_is_said(viewer, tmp_path):
    viewer.add_image(noise((9, 9), "uint8"))
    viewer.layers.save(str(tmp_path / "a.ome.zarr"))
    group = zarr.open_group(tmp_path / "a.ome.zarr")
    record = dict(group.attrs["napari-medrefine"])
    for change in ({"layer": 2}, {"channels": 3}, {"attributes": {"scale": "x"}}):
        group.attrs["napari-medrefine"] = record | change
        with pytest.raises(MedRefineError, match=r"a\.ome\.zarr.*\.$"):
            read_images(tmp_path / "a.ome.zarr")


def test_only_such_files_are_claimed():
    assert get_image_reader("x.ome.tif") is read_images
    assert get_image_reader(["folder/zarr.json"]) is read_images
    for other in ("x.tif", "folder", "x.ome.zarr", []):
        assert get_image_reader(other) is None


def test_what_cannot_be_saved_changes_nothing(viewer, tmp_path):
    path = tmp_path / "a.ome.tif"
    good = (noise((9, 9), "uint8"), {"name": "a"}, "image")
    finish(save_image_steps(path, [good]))
    before = path.read_bytes()
    for bad, words in (
        ((noise((9, 9), "uint8") > 3, {"name": "b"}, "image"), "bool"),
        ((noise((9, 9, 5), "uint8"), {"name": "b", "rgb": True}, "image"), "shape"),
        ((noise((9, 9), "uint8"), {"name": "b"}, "labels"), "labels"),
    ):
        with pytest.raises(MedRefineError, match=words):
            finish(save_image_steps(path, [good, bad]))
        assert path.read_bytes() == before
    with pytest.raises(MedRefineError, match="exists already"):
        finish(save_image_steps(tmp_path / "a", [good]))
    assert [one.name for one in tmp_path.iterdir()] == ["a.ome.tif"]


def test_saving_over_the_file_that_is_being_looked_at(viewer, tmp_path):
    fine = noise((1100, 1300), "uint8")
    viewer.add_image([fine, fine[::2, ::2]], multiscale=True)
    for ending in ENDINGS:
        path = tmp_path / f"a{ending}"
        viewer.layers.save(str(path))
        (again,) = opened(path)
        finish(save_image_steps(path, [again.as_layer_data_tuple()]))
        (third,) = opened(path)
        np.testing.assert_array_equal(np.asarray(third.data[0]), fine)


@pytest.mark.parametrize("count", [1, 2])
def test_a_folder_that_is_no_zarr_is_not_replaced(viewer, tmp_path, count):
    target = tmp_path / "u.ome.zarr"
    target.mkdir()
    (target / "notes.txt").write_text("x")
    layers = [viewer.add_image(noise((8, 9), "uint8")).as_layer_data_tuple() for _ in range(count)]
    with pytest.raises(MedRefineError, match="no Zarr"):
        finish(save_image_steps(target, layers))
    assert [path.name for path in tmp_path.rglob("*")] == ["u.ome.zarr", "notes.txt"]
