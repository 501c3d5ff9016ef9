"""Stacks as OME-TIFF and OME-Zarr: back as they were, and what other programs find in the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from tests.io.saved_layers import assert_same, noise, opened

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.image_axes import axis_letters, picture_axes
from napari_medrefine.io.layer_images import save_image_steps
from napari_medrefine.io.layer_reader import read_images
from napari_medrefine.io.ome_zarr import write_ome_zarr
from napari_medrefine.io.session import read_session, save_session
from napari_medrefine.io.stack_layout import Axis
from napari_medrefine.progress import finish

TIFF, ZARR = ".ome.tif", ".ome.zarr"
UM, S, PX = "micrometer", "second", "pixel"
# shape, rgb, labels, units, and what the axes become
LAYERS = {
    "tczyx": ((2, 3, 2, 30, 41), False, None, None, "tczyx"),
    "zcyx": ((3, 2, 30, 41), False, ("z", "Channel", "y", "x"), (UM, PX, UM, UM), "zcyx"),
    "channels last": ((30, 41, 3), False, None, None, "yxc"),
    "one of each": ((1, 1, 1, 9, 12), False, None, None, "tczyx"),
    "one channel": ((1, 30, 41), False, ("ch", "y", "x"), None, "cyx"),
    "times": ((3, 530, 520), False, None, (S, UM, UM), "tyx"),
    "colour sections": ((2, 530, 520, 3), True, ("section", "y", "x"), (UM,) * 3, "zyx"),
    "colours, z and t": ((2, 3, 20, 24, 4), True, None, (UM, S, "nanometer", "nm"), "ztyx"),
}


@pytest.fixture(autouse=True)
def plugin():
    """Have napari know its plugins, as it does once a window was opened."""
    from npe2 import PluginManager

    PluginManager.instance().discover()


@pytest.mark.parametrize("ending", [TIFF, ZARR])
@pytest.mark.parametrize("name", LAYERS)
def test_a_stack_comes_back_as_it_was(viewer, tmp_path, name, ending):
    shape, rgb, labels, units, _ = LAYERS[name]
    count = len(shape) - rgb
    layer = viewer.add_image(
        noise(shape, ("uint8", "uint16", "float32")[len(name) % 3]), rgb=rgb, name=name,
        scale=np.arange(1, count + 1) / 4, translate=np.arange(count), rotate=10 if rgb else 0,
        affine=np.diag([*range(1, count + 1), 1.0]), units=units, axis_labels=labels,
        metadata={"medrefine": {"made_from": "x", "weights": [1]}},
    )  # fmt: skip
    path = tmp_path / f"one{ending}"
    assert viewer.layers.save(str(path), selected=True) == [str(path)]  # found by its name
    (again,) = opened(path)
    assert_same(layer, again)


@pytest.mark.parametrize("name", LAYERS)
def test_labels_then_units_then_the_order_say_what_an_axis_is(name):
    shape, rgb, labels, units, axes = LAYERS[name]
    sides = shape[:-1] if rgb else shape
    picture = picture_axes(sides, labels, rgb=rgb)
    assert axis_letters(picture, len(sides), labels=labels, units=units) == axes


def test_what_else_says_what_an_axis_is():
    def of(count, **said):
        return axis_letters((count - 2, count - 1), count, **said)

    assert of(4) == "czyx"
    assert of(4, labels=("-4", "time", "-2", "-1")) == "ztyx"
    assert of(4, metadata={"axes": "TCYX"}) == "tcyx"
    assert of(3, metadata={"axes": [{"name": "t"}, {"name": "y"}, {"name": "x"}]}) == "tyx"
    assert of(3, metadata={"axes": 7}, labels=("c", "", "")) == "cyx"
    assert of(4, labels=("z", "z", "y", "x")) == "zcyx"
    assert of(6, labels=("a", "t", "b", "c", "y", "x")) == "?tzcyx"


@pytest.mark.parametrize("ending", [TIFF, ZARR])
def test_a_stack_and_a_photo_go_into_one_file_and_levels_are_read_lazily(viewer, tmp_path, ending):
    fine = noise((2, 3, 600, 700), "uint16")
    viewer.add_image([fine, fine[..., ::2, ::2]], multiscale=True, name="a", scale=(1, 3, 2, 2))
    viewer.add_image(noise((90, 80, 3)), rgb=True, name="b")
    viewer.layers.save(str(tmp_path / f"all{ending}"))
    again = opened(tmp_path / f"all{ending}")
    for layer, other in zip(viewer.layers, again, strict=True):
        assert_same(layer, other)
    coarse = again[0].data[1]
    assert not isinstance(coarse, np.ndarray)
    blocks = fine.reshape(2, 3, 300, 2, 350, 2).mean((3, 5))
    assert np.abs(np.asarray(coarse) - blocks).max() <= 0.5


def test_tifffile_finds_axes_and_sizes(viewer, tmp_path):
    data = noise((2, 3, 530, 520), "uint16")
    viewer.add_image(
        data, name="a & b", scale=(1500, 4000, 250, 500), units=("ms", "nm", "nm", "nm")
    )
    viewer.layers.save(str(tmp_path / "a.ome.tif"))
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        (series,) = tiff.series
        assert (series.axes, series.shape) == ("TZYX", data.shape)
        np.testing.assert_array_equal(series.asarray(), data)
        assert [level.shape for level in series.levels] == [data.shape, (2, 3, 265, 260)]
        image = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]
    told = image["Pixels"]
    assert [told[f"PhysicalSize{axis}"] for axis in "XYZ"] == [0.5, 0.25, 4]
    assert [told[f"PhysicalSize{axis}Unit"] for axis in "XYZ"] == ["µm"] * 3
    assert (told["TimeIncrement"], told["TimeIncrementUnit"]) == (1.5, "s")
    assert [told[f"Size{axis}"] for axis in "TCZ"] == [2, 1, 3]
    assert image["Name"] == "a & b"


def test_tifffile_finds_channels_of_colours(viewer, tmp_path):
    data = noise((2, 3, 40, 50, 3))
    viewer.add_image(data, rgb=True, axis_labels=("c", "z", "y", "x"))
    viewer.layers.save(str(tmp_path / "a.ome.tif"))
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert tiff.series[0].axes == "CZYXS"
        np.testing.assert_array_equal(tiff.asarray(), data)


class Stack:
    """Pictures in memory that count what is asked of them."""

    def __init__(self, data, rgb=False):
        self.data, self.asked, self.largest = data, 0, 0
        self.shape, self.dtype = data.shape[-3 if rgb else -2 :], data.dtype

    def plane(self, index):
        held, stack = self.data[index], self

        class Plane:
            shape, dtype = stack.shape, stack.dtype

            def render(self, top, left, height, width):
                stack.asked += height * width
                stack.largest = max(stack.largest, height * width)
                return held[top : top + height, left : left + width]

        return Plane()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("rgb", [False, True])
def test_the_metadata_of_zarr_say_what_its_axes_are(tmp_path, version, rgb):
    data = noise((2, 4, 530, 520, *((3,) if rgb else ())))
    stack = [Axis("t", 2, 0.5, 7.0, S), Axis("z", 4, 3.0, 1.0, UM)]
    path = tmp_path / "x.ome.zarr"
    source = Stack(data, rgb)
    finish(write_ome_zarr(path, source, pixel_um=(0.25, 0.5), version=version, stack=stack))
    assert (source.asked, source.largest) == (8 * 530 * 520, 512 * 512)
    group = zarr.open_group(path, mode="r")
    attributes: Any = group.attrs.asdict()
    ome = attributes["ome"] if version == "0.5" else attributes
    (image,) = ome["multiscales"]
    assert image["axes"] == [
        {"name": "t", "type": "time", "unit": "second"},
        {"name": "c", "type": "channel"},
        *({"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"),
    ]
    scale, shift = image["datasets"][1]["coordinateTransformations"]
    assert scale == {"type": "scale", "scale": [0.5, 1, 3, 0.5, 1]}
    assert shift == {"type": "translation", "translation": [7, 0, 1, 0.125, 0.25]}
    assert len(ome["omero"]["channels"]) == (3 if rgb else 1)
    finest: Any = group["0"]
    held = np.moveaxis(data, -1, 1) if rgb else data[:, None]
    np.testing.assert_array_equal(finest[:], held)
    if version == "0.5":
        assert finest.metadata.dimension_names == ("t", "c", "z", "y", "x")


def test_ome_zarr_models_finds_nothing_wrong(tmp_path):
    models = pytest.importorskip("ome_zarr_models", reason="ome-zarr-models is missing")
    stack = [Axis("t", 2, 0.5, 7.0, S), Axis("c", 3), Axis("z", 4, 3.0, 1.0, UM)]
    for version in ("0.4", "0.5"):
        path, source = tmp_path / version, Stack(noise((2, 3, 4, 53, 52)))
        finish(write_ome_zarr(path, source, pixel_um=0.5, version=version, stack=stack))
        image = models.open_ome_zarr(zarr.open_group(path, mode="r"))
        assert image.__class__.__module__ == f"ome_zarr_models.v{version.replace('.', '')}.image"


def test_three_numbered_channels_are_no_colours(viewer, tmp_path):
    viewer.add_image(noise((3, 40, 50)), axis_labels=("c", "y", "x"))
    viewer.layers.save(str(tmp_path / "a.ome.zarr"))
    ome: Any = zarr.open_group(tmp_path / "a.ome.zarr").attrs["ome"]
    told = ome["omero"]["channels"]
    assert [one["label"] for one in told] == ["1", "2", "3"]
    assert [one["color"] for one in told] != ["FF0000", "00FF00", "0000FF"]


class Planes:
    """A lazy stack, of which no more than a tile of one plane may be read at once."""

    shape, dtype, ndim = (4, 5, 1100, 600), np.dtype(np.uint8), 4

    def __init__(self):
        self.largest = 0

    def __getitem__(self, index):
        t, z, rows, cols = index
        shape = rows.stop - rows.start, cols.stop - cols.start
        self.largest = max(self.largest, shape[0] * shape[1])
        return np.full(shape, 10 * t + z, np.uint8)


@pytest.mark.parametrize("ending", [TIFF, ZARR])
def test_a_lazy_stack_is_read_tile_by_tile_and_stops_at_any_time(tmp_path, ending):
    path, data = tmp_path / f"a{ending}", Planes()
    layer = data, {"name": "a", "axis_labels": ("t", "z", "y", "x")}, "image"
    job = save_image_steps(path, [layer])
    total = next(job).total
    assert total == 20 * (6 + 2 + 1)
    for _ in range(30):
        next(job)
    job.close()
    assert list(tmp_path.iterdir()) == []
    finish(save_image_steps(path, [layer]))
    assert data.largest <= 512 * 512
    ((again, _, _),) = read_images(path)
    assert again.shape == data.shape
    assert [*again[:, :, 777, 3].ravel()] == [10 * t + z for t in range(4) for z in range(5)]


@pytest.mark.parametrize("ending", [TIFF, ZARR])
@pytest.mark.parametrize(
    ("shape", "state", "words"),
    [
        ((2, 2, 2, 2, 9, 9), {}, "has 4 axes besides rows and columns"),
        ((2, 2, 9, 9), {"scale": (1, 1)}, "its place has 2 axes"),
        ((9,), {}, "no image"),
        ((2, 9, 9, 5), {"rgb": True}, "no image"),
        ((0, 9, 9), {}, "empty"),
    ],
)
def test_what_cannot_be_saved_is_said_and_changes_nothing(tmp_path, ending, shape, state, words):
    path = tmp_path / f"a{ending}"
    with pytest.raises(MedRefineError, match=f"^Cannot save 'b'.*{words}.*\\.$"):
        finish(save_image_steps(path, [(noise(shape), {"name": "b", **state}, "image")]))
    assert list(tmp_path.iterdir()) == []


def test_where_colours_take_the_channels_axis_the_other_format_is_named(tmp_path):
    data = noise((2, 9, 9, 3))
    state = {"name": "b", "rgb": True, "axis_labels": ("c", "y", "x")}
    with pytest.raises(MedRefineError, match=r"save it as OME-TIFF"):
        finish(save_image_steps(tmp_path / "a.ome.zarr", [(data, state, "image")]))
    three = noise((2, 2, 2, 9, 9, 3)), {"name": "b", "rgb": True}, "image"
    with pytest.raises(MedRefineError, match="two beside colours"):
        finish(save_image_steps(tmp_path / "a.ome.zarr", [three]))
    finish(save_image_steps(tmp_path / "a.ome.tif", [three]))
    assert read_images(tmp_path / "a.ome.tif")[0][0].shape == (2, 2, 2, 9, 9, 3)


@pytest.mark.parametrize("ending", [TIFF, ZARR])
def test_a_session_brings_a_stack_back(viewer, tmp_path, ending):
    layer = viewer.add_image(noise((2, 3, 30, 40)), name="a", scale=(1, 3, 2, 2), opacity=0.3)
    path = tmp_path / f"a{ending}"
    finish(save_image_steps(path, [layer.as_layer_data_tuple()]))
    record = tmp_path / "x.medrefine-session.json"
    assert save_session(record, [(layer.as_layer_data_tuple(), str(path), None)]) == []
    ((data, options, _),) = read_session(record)
    assert_same(layer, viewer.add_image(data, **{**options, "name": "b"}), but=("name",))


def changed(path: Path, **changes: Any) -> None:
    group = zarr.open_group(path)
    group.attrs["napari-medrefine"] = {**dict(group.attrs["napari-medrefine"]), **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"axes": "zzyx"},
        {"axes": "zyxq"},
        {"axes": "zy"},
        {"axes": None},
        {"axes": "yx"},
        {"layer": 1},
        {"channels": 3},
        {"axes": "tcyx"},
        {"attributes": {"scale": [1, 2]}},
    ],
)
def test_a_record_that_is_damaged_is_said(viewer, tmp_path, changes):
    viewer.add_image(noise((2, 3, 9, 12)))
    path = tmp_path / "a.ome.zarr"
    viewer.layers.save(str(path))
    changed(path, **changes)
    with pytest.raises(MedRefineError, match=r"a\.ome\.zarr.*\.$"):
        read_images(path)
