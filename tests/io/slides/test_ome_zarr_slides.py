"""OME-Zarr as slides: what we and others write, lazily, and what is refused."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import zarr

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.ome_zarr import write_ome_zarr
from napari_medrefine.io.slide_layers import read_slides
from napari_medrefine.io.slides import open_slide
from napari_medrefine.progress import finish

VERSIONS = ("0.5", "0.4")
RGB = (("R", "FF0000"), ("G", "00FF00"), ("B", "0000FF"))


class Held:
    """A picture in memory, as the writer takes it."""

    def __init__(self, pixels):
        self.pixels, self.shape, self.dtype = pixels, pixels.shape, pixels.dtype

    def render(self, top, left, height, width):
        return self.pixels[top : top + height, left : left + width]


@pytest.fixture(params=VERSIONS)
def ours(request, random_picture, tmp_path):
    """A slide that this package wrote, and its pixels."""
    pixels = random_picture(701, 1100)
    path = tmp_path / f"slide_{request.param}_40x.ome.zarr"
    job = write_ome_zarr(path, Held(pixels), pixel_um=0.25, version=request.param)
    finish(job)
    return request.param, path, pixels


def by_hand(path, levels, axes="cyx", version="0.5", channels=(), **options):
    """Write arrays as they are, with the least metadata that the specification asks for."""
    group = zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)
    datasets = []
    for index, level in enumerate(levels):
        sides = zip(axes, level.shape, strict=True)
        chunks = tuple(max(1, min(64, n)) if axis in "yx" else 1 for axis, n in sides)
        group.create_array(f"s{index}", shape=level.shape, chunks=chunks, dtype=level.dtype)
        group[f"s{index}"][:] = level
        factors = options.get("scale", {"y": 0.5, "x": 0.5})
        scale = [factors.get(axis, 1.0) * 2.0**index for axis in axes]
        transform = {"type": "scale", "scale": scale}
        datasets.append({"path": f"s{index}", "coordinateTransformations": [transform]})
    image = {"axes": [_axis(axis, options.get("unit", "micrometer")) for axis in axes]}
    image |= {"datasets": datasets, **options.get("image", {})}
    omero = {"channels": [{"label": name, "color": colour} for name, colour in channels]}
    if version == "0.5":
        group.attrs["ome"] = {"version": version, "multiscales": [image], "omero": omero}
    else:
        group.attrs.update({"multiscales": [{"version": version, **image}], "omero": omero})
    return path


def _axis(name, unit):
    kind = {"t": "time", "c": "channel"}.get(name, "space")
    return {"name": name, "type": kind, **({"unit": unit} if unit and kind == "space" else {})}


def test_what_we_write_comes_back_as_a_colour_picture_of_that_size(ours, same_windows):
    version, path, pixels = ours
    with open_slide(path) as slide:
        assert (slide.kind, slide.rgb, slide.channels) == (f"OME-Zarr {version}", True, ())
        assert (slide.pixel_um, slide.objective) == (pytest.approx(0.25), 40)
        assert slide.name == f"slide_{version}_40x"
        assert [level.shape for level in slide.levels] == [
            (701, 1100, 3),
            (351, 550, 3),
            (176, 275, 3),
        ]
        same_windows(slide.levels[0], pixels, 15)
        group = zarr.open_group(path, mode="r")
        for number, level in enumerate(slide.levels):
            same_windows(level, np.moveaxis(group[str(number)][:], 0, -1), 5)


def test_the_file_within_the_folder_opens_the_folder(ours):
    version, path, pixels = ours
    with open_slide(path / {"0.5": "zarr.json", "0.4": ".zattrs"}[version]) as slide:
        assert slide.path == path
        assert (slide.levels[0][5:7, 5:9] == pixels[5:7, 5:9]).all()


def test_only_the_chunks_that_are_touched_are_read(ours):
    version, path, pixels = ours
    chunk = path / ("0/c/0/1/2" if version == "0.5" else "0/0/1/2")
    chunk.write_bytes(chunk.read_bytes()[:100])
    with open_slide(path) as slide:
        near = slide.levels[0][500:701, 0:1024]
        assert (near == pixels[500:701, :1024]).all()
        with pytest.raises(MedRefineError, match=f"Cannot read .*{path.name}: it is damaged"):
            slide.levels[0][500:701, 0:1025]


DTYPES = ("uint8", "uint16", "float16", "float32", "float64")


@pytest.mark.parametrize(
    ("version", "dtype"),
    [*((version, dtype) for version in VERSIONS for dtype in DTYPES), ("0.4", ">u2")],
)
def test_every_dtype_and_many_channels_come_last(
    version, dtype, random_picture, same_windows, tmp_path
):
    stored = np.moveaxis(random_picture(150, 201, 5, np.dtype(dtype).newbyteorder("=")), -1, 0)
    names = tuple((name, "FFFFFF") for name in ("DAPI", "FITC", "Cy3", "Cy5", "BF"))
    levels = [stored.astype(dtype), stored[:, ::2, ::2].astype(dtype)]
    path = by_hand(tmp_path / "cells.zarr", levels, version=version, channels=names)
    with open_slide(path) as slide:
        assert (slide.rgb, slide.channels) == (False, ("DAPI", "FITC", "Cy3", "Cy5", "BF"))
        assert (slide.pixel_um, slide.objective) == (pytest.approx(0.5), None)
        same_windows(slide.levels[0], np.moveaxis(stored, 0, -1), 15)
        same_windows(slide.levels[1], np.moveaxis(stored[:, ::2, ::2], 0, -1), 15)


@pytest.mark.parametrize(("axes", "at"), [("yx", ()), ("zyx", (0,)), ("tczyx", (0, 0, 0))])
def test_a_grey_picture_is_found_in_two_to_five_axes(
    axes, at, random_picture, same_windows, tmp_path
):
    grey = random_picture(90, 130, 0, np.uint16)
    stored = grey.reshape((*(1 for _ in at), 90, 130))
    with open_slide(by_hand(tmp_path / "grey.zarr", [stored], axes)) as slide:
        assert (slide.rgb, slide.pixel_um) == (False, pytest.approx(0.5))
        same_windows(slide.levels[0], grey)


def test_channels_within_five_axes(random_picture, same_windows, tmp_path):
    picture = random_picture(90, 130, 3)
    stored = np.moveaxis(picture, -1, 0)[None, :, None]
    with open_slide(by_hand(tmp_path / "a.zarr", [stored], "tczyx", channels=RGB)) as slide:
        assert slide.rgb
        same_windows(slide.levels[0], picture)


@pytest.mark.parametrize(
    ("channels", "rgb", "names"),
    [
        (RGB, True, ()),
        ((("Red", ""), ("green", ""), ("BLUE", "")), True, ()),
        ((("Channel 0", "FF0000"), ("Channel 1", "00FF00"), ("Channel 2", "0000FF")), True, ()),
        ((("", "ff0000"), ("", "00ff00"), ("", "0000ff")), True, ()),
        ((("Cy5", "FF0000"), ("GFP", "00FF00"), ("UV", "0000FF")), False, ("Cy5", "GFP", "UV")),
        ((("DAPI", "0000FF"), ("FITC", "00FF00"), ("", "FF0000")), False, ()),
        ((), False, ()),
    ],
)  # fmt: skip
def test_three_channels_are_a_colour_picture_if_they_are_called_so(
    channels, rgb, names, random_picture, tmp_path
):
    stored = np.moveaxis(random_picture(40, 50), -1, 0)
    with open_slide(by_hand(tmp_path / "a.zarr", [stored], channels=channels)) as slide:
        assert (slide.rgb, slide.channels) == (rgb, names)


def test_alpha_is_kept(random_picture, same_windows, tmp_path):
    picture = random_picture(40, 50, 4)
    stored = np.moveaxis(picture, -1, 0)
    channels = (*RGB, ("A", "FFFFFF"))
    with open_slide(by_hand(tmp_path / "a.zarr", [stored], channels=channels)) as slide:
        assert slide.rgb
        same_windows(slide.levels[0], picture)


@pytest.mark.parametrize(
    ("options", "pixel_um"),
    [
        ({"scale": {"y": 250, "x": 250}, "unit": "nanometer"}, 0.25),
        ({"scale": {"y": 0.00025, "x": 0.00025}, "unit": "millimeter"}, 0.25),
        ({"scale": {"y": 0.5, "x": 0.504}}, 0.504),
        ({"scale": {"y": 0.5, "x": 0.51}}, None),
        ({"unit": None}, None),
        ({"scale": {"y": 0, "x": 0}}, None),
        ({"image": {"coordinateTransformations": [{"type": "scale", "scale": [1, 3, 3]}]}}, 1.5),
    ],
)
def test_the_pixel_size_needs_a_unit_and_square_pixels(options, pixel_um, random_picture, tmp_path):
    stored = np.moveaxis(random_picture(40, 50), -1, 0)
    with open_slide(by_hand(tmp_path / "a.zarr", [stored], **options)) as slide:
        assert slide.pixel_um == (pixel_um and pytest.approx(pixel_um))


@pytest.mark.parametrize("version", VERSIONS)
def test_of_bioformats2raw_the_first_picture_is_opened(version, random_picture, tmp_path):
    picture = random_picture(40, 50)
    root = zarr.create_group(tmp_path / "raw.zarr", zarr_format=3 if version == "0.5" else 2)
    layout = {"bioformats2raw.layout": 3}
    root.attrs.update({"ome": {"version": "0.5", **layout}} if version == "0.5" else layout)
    stored = np.moveaxis(picture, -1, 0)
    by_hand(tmp_path / "raw.zarr" / "0", [stored], version=version, channels=RGB)
    by_hand(tmp_path / "raw.zarr" / "1", [stored[:, :9, :9]], version=version, channels=RGB)
    with open_slide(tmp_path / "raw.zarr") as slide:
        assert slide.name == "raw"
        assert (slide.levels[0][:, :] == picture).all()


@pytest.mark.parametrize(
    ("axes", "shape", "sentence"),
    [
        ("tcyx", (3, 1, 9, 9), "it has 3 points in time; save the one that is meant by itself."),
        ("zyx", (7, 9, 9), "it has 7 planes in depth; save the one that is meant by itself."),
        ("cyz", (1, 9, 9), "its axes 'cyz' are not those of a picture."),
        ("cyx", (2, 0, 9), "it is empty (shape (2, 0, 9))."),
    ],
)
def test_stacks_and_other_things_are_refused(axes, shape, sentence, tmp_path):
    path = by_hand(tmp_path / "a.zarr", [np.zeros(shape, np.uint8)], axes)
    with pytest.raises(MedRefineError) as refused:
        open_slide(path)
    assert str(refused.value) == f"Cannot read {path}: {sentence}"


def _no_size(stored, *keys):
    """Set the first of the sizes that stand under `keys` in a file of metadata to 0."""
    document = json.loads(stored.read_text())
    place = document
    for key in keys:
        place = place[key]
    place[0] = 0
    stored.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        ("0.4", (".zarray", "chunks")),
        ("0.5", ("zarr.json", "chunk_grid", "configuration", "chunk_shape")),
    ],
)
@pytest.mark.parametrize("consolidated", [False, True])
def test_chunks_of_no_size_are_refused(version, keys, consolidated, tmp_path):
    path = by_hand(tmp_path / "a.zarr", [np.zeros((3, 9, 9), np.uint8)], version=version)
    _no_size(path / "s0" / keys[0], *keys[1:])
    if consolidated:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Zarr's own, of the size
            zarr.consolidate_metadata(path)
    with pytest.raises(MedRefineError, match="it is damaged: the chunks of its level 's0' are"):
        open_slide(path)


@pytest.mark.parametrize("dtype", ["int16", "uint32", "bool", "complex64"])
def test_other_dtypes_are_refused(dtype, tmp_path):
    path = by_hand(tmp_path / "a.zarr", [np.zeros((9, 9), dtype)], "yx")
    with pytest.raises(MedRefineError, match=f"its pixels are {dtype}; uint8, uint16 and float"):
        open_slide(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda ome: ome.pop("multiscales"), "it is a Zarr group without OME metadata"),
        (lambda ome: ome["multiscales"].clear(), "its metadata are not those of OME-Zarr"),
        (lambda ome: ome.update(multiscales=7), "its metadata are not those of OME-Zarr"),
        (lambda ome: ome["multiscales"][0].pop("axes"), "multiscales.0.axes: Field required"),
        (lambda ome: ome["multiscales"][0].update(axes=["y", "x"]), "multiscales.0.axes.0"),
        (lambda ome: ome["multiscales"][0]["datasets"][0].update(path="9"), "level '9' is missing"),
        (lambda ome: ome["multiscales"][0]["datasets"][0].update(path="../b/s0"), "invalid"),
        (lambda ome: ome["multiscales"][0]["datasets"][0].update(path=""), "level '' is no array"),
        (lambda ome: ome["multiscales"][0]["datasets"].reverse(), "levels do not belong together"),
        (lambda ome: ome["multiscales"][0]["axes"].pop(), "axes 'cy' are not those of a picture"),
        (lambda ome: ome["multiscales"][0]["axes"].pop(0), "axes 'yx' do not describe"),
    ],
)
def test_damaged_metadata_are_told_in_one_sentence(change, reason, random_picture, tmp_path):
    stored = np.moveaxis(random_picture(40, 50), -1, 0)
    by_hand(tmp_path / "b", [stored])
    path = by_hand(tmp_path / "a.zarr", [stored, stored[:, ::2, ::2]])
    document = json.loads((path / "zarr.json").read_text())
    change(document["attributes"]["ome"])
    (path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(MedRefineError) as refused:
        open_slide(path)
    message = str(refused.value)
    assert message.startswith(f"Cannot read {path}: ")
    assert reason in message
    assert "\n" not in message


def claims(path, *sizes):
    """Have the levels of a picture claim other heights and widths."""
    for number, (height, width) in enumerate(sizes):
        file = path / f"s{number}" / "zarr.json"
        told = json.loads(file.read_text())
        told["shape"][1:] = height, width
        file.write_text(json.dumps(told))


def test_a_level_of_other_proportions_is_refused(random_picture, tmp_path):
    stored = np.moveaxis(random_picture(40, 50), -1, 0)
    path = by_hand(tmp_path / "a.zarr", [stored, stored[:, ::2, ::2]])
    for strange in ((40, 2**31), (2**31, 50), (20, 100_000)):
        claims(path, strange, (20, 25))
        with pytest.raises(MedRefineError, match=r"its levels do not belong together: \(.*\.$"):
            open_slide(path)
    for usual in ((40, 50), (41, 49), (20, 50), (40, 199)):
        claims(path, usual, (20, 25))
        assert open_slide(path).levels[0].shape[:2] == usual


def test_an_enormous_picture_is_read_where_one_looks(random_picture, tmp_path):
    stored = np.moveaxis(random_picture(40, 50), -1, 0)
    path = by_hand(tmp_path / "a.zarr", [stored, stored[:, ::2, ::2]])
    claims(path, (2**31, 2**31), (2**30, 2**30))
    (data, *_), _, _ = read_slides(path)[0]
    assert data.shape == (2**31, 2**31, 3)
    assert max(data.numblocks) <= 2**16
    np.testing.assert_array_equal(np.asarray(data[:16, :20]), random_picture(40, 50)[:16, :20])
    assert not np.asarray(data[2**30 : 2**30 + 9, -9:]).any()  # what is not there is 0


def test_folders_that_are_none_are_told_apart(random_picture, tmp_path):
    stored = np.moveaxis(random_picture(40, 50), -1, 0)
    path = by_hand(tmp_path / "a.zarr", [stored])
    (tmp_path / "plain").mkdir()
    with pytest.raises(MedRefineError, match="it is a folder, but not OME-Zarr"):
        open_slide(tmp_path / "plain")
    with pytest.raises(MedRefineError, match="it is a single Zarr array; open the folder"):
        open_slide(path / "s0")
    zarr.create_group(tmp_path / "plate").attrs["ome"] = {"version": "0.5", "plate": {}}
    with pytest.raises(MedRefineError, match="it is a plate of many pictures"):
        open_slide(tmp_path / "plate")
    (path / "zarr.json").write_text((path / "zarr.json").read_text()[:200])
    with pytest.raises(MedRefineError, match=r"a\.zarr: its zarr\.json is damaged, not JSON"):
        open_slide(path)
