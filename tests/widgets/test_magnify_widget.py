"""The Magnify & sharpen widget, with an enlarger that answers at once: where its layer lies."""

from __future__ import annotations

import gc
import threading
import weakref

import dask.array as da
import numpy as np
import pytest

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import sha256_of
from napari_medrefine.progress import Step
from napari_medrefine.widgets._generating import in_pieces
from napari_medrefine.widgets.magnify import MagnifyWidget

LOOSE = {
    "scale": (1.25, 1.5),
    "translate": (100.0, -40.0),
    "rotate": 20.0,
    "affine": [[0.9, -0.1, 5.0], [0.2, 1.1, -3.0], [0, 0, 1]],
    "units": ("um", "um"),
}


@pytest.fixture
def enlarger(monkeypatch):
    """Nearest-neighbour enlargement in place of the network; notes what it was asked."""
    asked = []

    def magnify_steps(image, scale, *, realism, strength, model):
        asked.append({"shape": image.shape, "scale": scale, "strength": strength})
        yield Step(0, 2, "tile 1 of 2")
        height, width = round(image.shape[0] * scale), round(image.shape[1] * scale)
        rows = np.minimum((np.arange(height) / scale).astype(int), image.shape[0] - 1)
        cols = np.minimum((np.arange(width) / scale).astype(int), image.shape[1] - 1)
        yield Step(1, 2, "tile 2 of 2")
        return image[rows][:, cols]

    def sharpen_steps(image, *, realism, strength, model):
        asked.append({"shape": image.shape, "strength": strength, "realism": realism})
        yield Step(0, 1, "sharpening")
        return image.copy()

    monkeypatch.setattr("napari_medrefine.superres.magnify_steps", magnify_steps, raising=False)
    monkeypatch.setattr("napari_medrefine.superres.sharpen_steps", sharpen_steps, raising=False)
    return asked


def outer_corners(layer, rows=None, cols=None):
    """World coordinates of the outer edge of a layer's pixels, or of a part of it."""
    data = layer.data[0] if layer.multiscale else layer.data
    rows, cols = rows or (0, data.shape[0]), cols or (0, data.shape[1])
    points = [(r - 0.5, c - 0.5) for r in rows for c in cols]
    return np.array([layer.data_to_world(point) for point in points])


def magnify(viewer, wait, **values):
    widget = MagnifyWidget(viewer)
    for name, value in values.items():
        getattr(widget, name).value = value
    widget.job.start.native.click()
    wait(widget.job)
    return widget


@pytest.mark.parametrize("scale", [2.0, 2.5, 4.0, 10.0])
def test_the_magnified_layer_covers_its_source(viewer, tissue, enlarger, wait, scale):
    source = viewer.add_image(tissue(41, 63), rgb=True, name="slide 4x", **LOOSE)
    pixels, affine = source.data.copy(), source.affine.affine_matrix.copy()
    magnify(viewer, wait, region="whole", scale=scale)
    made = viewer.layers[1]
    assert made.name == f"slide 4x · magnified x{scale:g} (generated)"
    assert made.data.shape == (round(41 * scale), round(63 * scale), 3)
    assert made.rgb
    assert made.units == source.units
    np.testing.assert_allclose(outer_corners(made), outer_corners(source), rtol=1e-9)
    np.testing.assert_array_equal(source.data, pixels)
    np.testing.assert_array_equal(source.affine.affine_matrix, affine)


def test_sharpening_lies_pixel_on_pixel(viewer, tissue, enlarger, wait):
    source = viewer.add_image(tissue(41, 63), rgb=True, name="slide", **LOOSE)
    magnify(viewer, wait, region="whole", task="sharpen", strength=0.5, realism=1.0)
    made = viewer.layers["slide · sharpened, realism 1 (generated)"]
    np.testing.assert_allclose(outer_corners(made), outer_corners(source), rtol=1e-9)
    assert enlarger == [{"shape": (41, 63, 3), "strength": 0.5, "realism": 1.0}]


def test_the_part_in_view_lies_on_its_part(viewer, tissue, enlarger, wait):
    source = viewer.add_image(tissue(200, 300), rgb=True, name="slide", **LOOSE)
    viewer.canvas.size = (600, 600)
    viewer.scene.camera.center = (0, *source.data_to_world((100, 150)))
    viewer.scene.camera.zoom = 10
    magnify(viewer, wait, scale=2.5)
    made = viewer.layers[1]
    region = made.metadata["medrefine"]["region"]
    rows, cols = region["rows"], region["cols"]
    assert 0 < rows[0] < 100 < rows[1] < 200
    assert 0 < cols[0] < 150 < cols[1] < 300
    np.testing.assert_allclose(outer_corners(made), outer_corners(source, rows, cols), rtol=1e-9)


def test_a_rectangle_is_drawn_and_magnified(viewer, tissue, enlarger, wait):
    source = viewer.add_image(tissue(200, 300), rgb=True, name="slide", **LOOSE)
    widget = MagnifyWidget(viewer)
    widget.region.value = "rectangle"
    widget.draw.native.click()
    drawn = widget.rectangles.value
    assert drawn.mode == "add_rectangle"
    drawn.add_rectangles(np.array([[19.5, 29.5], [49.5, 69.5]]))
    widget.job.start.native.click()
    wait(widget.job)
    made = viewer.layers["slide · magnified x4 (generated)"]
    assert enlarger[0]["shape"] == (30, 40, 3)
    np.testing.assert_allclose(
        outer_corners(made), outer_corners(source, (20, 50), (30, 70)), rtol=1e-9
    )
    assert viewer.layers.index(made) == viewer.layers.index(source) + 1


def test_a_second_result_is_not_hidden_by_the_first(viewer, tissue, enlarger, wait):
    viewer.add_image(tissue(40, 60), rgb=True, name="slide")
    viewer.add_image(tissue(40, 60), rgb=True, name="field")
    widget = MagnifyWidget(viewer)
    widget.layer.choose([viewer.layers["slide"]])
    widget.region.value = "whole"
    for realism in (0.0, 1.0):
        widget.realism.value = realism
        widget.job.start.native.click()
        wait(widget.job)
    noted = [layer.metadata.get("medrefine", {}).get("realism") for layer in viewer.layers]
    assert noted == [None, 0.0, 1.0, None]  # the photo, both results, the field


def test_provenance_says_what_it_was_made_of(viewer, tissue, enlarger, wait):
    source = viewer.add_image(tissue(40, 60), rgb=True, name="slide 4x", scale=(1.25, 1.25),
                              units=("um", "um"))  # fmt: skip
    magnify(viewer, wait, region="whole", scale=2.5, realism=0.5)
    noted = viewer.layers[1].metadata["medrefine"]
    assert noted["made_from"] == "slide 4x"
    assert noted["made_from_sha256"] == sha256_of(source.data)
    assert noted["region"]["rows"] == [0, 40]
    assert (noted["task"], noted["scale"], noted["realism"]) == ("magnify", 2.5, 0.5)
    assert noted["pixel_um"] == pytest.approx(0.5)
    assert "not for diagnosis" in noted["warning"]
    weights = {each["name"]: each["sha256"] for each in noted["weights"]}
    assert weights.keys() == {"photo-faithful", "photo-gan"}  # it tells its objective
    assert all(len(sha) == 64 for sha in weights.values())


@pytest.mark.parametrize("kind", ["grey", "rgba", "dask", "uint16"])
def test_kinds_of_image(viewer, tissue, enlarger, wait, kind):
    rgb = tissue(40, 60)
    data = {
        "grey": rgb[..., 0],
        "rgba": np.dstack([rgb, np.full((40, 60), 255, np.uint8)]),
        "dask": da.from_array(rgb, chunks=(16, 16, 3)),
        "uint16": rgb.astype(np.uint16) * 257,
    }[kind]
    source = viewer.add_image(data, rgb=data.ndim == 3, name="slide")
    if kind == "grey":
        source.contrast_limits, source.colormap = (20, 200), "magma"
    magnify(viewer, wait, region="whole")
    made = viewer.layers[1]
    assert made.data.dtype == data.dtype
    assert made.data.shape == (160, 240, *data.shape[2:])
    if kind == "grey":
        assert made.contrast_limits == [20, 200]
        assert made.colormap.name == "magma"


def test_a_multiscale_level_in_view_lies_on_its_part(viewer, tissue, enlarger, wait):
    full = da.from_array(tissue(400, 600))
    levels = [full, full[::2, ::2], full[::4, ::4]]
    source = viewer.add_image(levels, multiscale=True, rgb=True, name="slide", **LOOSE)
    viewer.canvas.size = (600, 600)
    viewer.scene.camera.center = (0, *source.data_to_world((200, 300)))
    viewer.scene.camera.zoom = 4
    source.data_level = 1
    magnify(viewer, wait, scale=4.0)
    made = viewer.layers[1]
    region = made.metadata["medrefine"]["region"]
    assert region["level"] == 1
    rows, cols = ([2 * n for n in region[axis]] for axis in ("rows", "cols"))
    np.testing.assert_allclose(outer_corners(made), outer_corners(source, rows, cols), rtol=1e-9)


def test_what_cannot_fit_is_refused_with_numbers(viewer, enlarger, wait):
    lazy = da.zeros((100_000, 100_000, 3), np.uint8, chunks=4096)
    viewer.add_image([lazy, lazy[::64, ::64]], multiscale=True, rgb=True, name="scan")
    widget = magnify(viewer, wait, region="whole", scale=10.0)
    assert "1000000 x 1000000 pixels" in widget.job.message.value
    assert "GiB are free" in widget.job.message.value
    assert enlarger == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (np.full((40, 60, 3), 9, np.uint8), "one even colour"),
        (np.where(np.eye(40, 60)[..., None] > 0, np.nan, np.ones(3)), "NaN"),
        (np.zeros((40, 60, 3), np.int64), "int64"),
    ],
)
def test_what_is_no_photo_gets_a_sentence(viewer, enlarger, wait, data, says):
    viewer.add_image(data, rgb=True, name="slide")
    widget = magnify(viewer, wait, region="whole")
    assert says in widget.job.message.value
    assert len(viewer.layers) == 1


def test_without_layers_it_says_what_to_do(viewer, enlarger, wait):
    assert "Select a photo first" in magnify(viewer, wait).job.message.value


def test_a_rectangle_that_is_missing_is_asked_for(viewer, tissue, enlarger, wait):
    viewer.add_image(tissue(40, 60), rgb=True, name="slide")
    widget = magnify(viewer, wait, region="rectangle")
    assert "press 'Draw a rectangle'" in widget.job.message.value


def test_the_size_is_told_beforehand(viewer, tissue, enlarger):
    viewer.add_image(tissue(40, 60), rgb=True, name="slide")
    widget = MagnifyWidget(viewer)
    widget.region.value = "whole"
    widget.scale.value = 0.0  # other ...
    widget.other_scale.value = 3.0
    assert widget.size.value == "60 x 40 pixels become 180 x 120"


@pytest.fixture
def judge(monkeypatch):
    """A trust map that rises from left to right; notes what it was asked."""
    asked = []

    def trust_map_steps(image, scale, *, realism, model, level, generated):
        asked.append({"scale": scale, "realism": realism, "model": model, "level": level})
        yield Step(0, 1, "comparing")
        assert generated.shape[:2] == tuple(round(n * scale) for n in image.shape[:2])
        return np.broadcast_to(
            np.linspace(0, 12, generated.shape[1], dtype=np.float32), generated.shape[:2]
        ).copy()

    monkeypatch.setattr("napari_medrefine.superres.trust_map_steps", trust_map_steps, raising=False)
    return asked


def test_the_trust_map_lies_on_the_picture_and_stays_there(viewer, tissue, enlarger, judge, wait):
    source = viewer.add_image(tissue(40, 60), rgb=True, name="slide", **LOOSE)
    widget = magnify(viewer, wait, region="whole", realism=0.5, trust=True)
    assert judge == [{"scale": 4.0, "realism": 0.5, "model": None, "level": 0.9}]
    made, trust = viewer.layers[1:]
    assert trust.name == "trust: error of slide · magnified x4, realism 0.5 (generated) (90 %)"
    assert trust.data.shape == (160, 240)
    assert trust.contrast_limits == [0, 12]
    assert trust.opacity == 0.6
    np.testing.assert_allclose(outer_corners(trust), outer_corners(source), rtol=1e-9)
    noted = trust.metadata["medrefine"]
    assert noted["trust_of"] == made.name
    assert noted["trust_of_sha256"] == sha256_of(made.data)
    assert "probability of 90 %" in noted["meaning"]
    assert "from 0 to 12 grey levels of 255" in widget.job.message.value
    made.translate = (7.0, 9.0)  # moved later, such as by a registration
    np.testing.assert_allclose(outer_corners(trust), outer_corners(made), rtol=1e-9)
    made.visible = False
    assert trust.visible


def test_where_there_is_no_trust_map_it_says_why(viewer, tissue):
    viewer.add_image(tissue(40, 60), name="slide", rgb=True)
    widget = MagnifyWidget(viewer)
    widget.region.value = "whole"
    widget.trust.value, usual = True, widget.trust.tooltip
    for region, why in (("disk", "to disk"), ("follow", "wherever it goes")):
        widget.region.value = region
        assert not widget.trust.enabled
        assert widget.trust.tooltip.startswith("No trust map")
        assert why in widget.trust.tooltip
        assert widget.trust.native.toolTip() == widget.trust.tooltip
        assert "No trust map" in widget.size.value
    widget.region.value = "whole"
    assert widget.trust.enabled
    assert widget.trust.tooltip == usual
    assert "No trust map" not in widget.size.value


def test_a_trust_map_that_cannot_be_leaves_the_picture(viewer, tissue, enlarger, wait, monkeypatch):
    def trust_map_steps(image, scale, **how):
        raise MedRefineError("The scale is 16; the trust map knows 1 (sharpening) to 10.")
        yield

    monkeypatch.setattr("napari_medrefine.superres.trust_map_steps", trust_map_steps, raising=False)
    viewer.add_image(tissue(20, 30), rgb=True, name="slide")
    widget = magnify(viewer, wait, region="whole", scale=0.0, other_scale=16.0, trust=True)
    assert [layer.name for layer in viewer.layers] == [
        "slide", "slide · magnified x16 (generated)"
    ]  # fmt: skip
    assert widget.job.message.value.startswith("The scale is 16")
    widget.strength.value = 0.5
    widget.job.start.native.click()
    assert "set the strength to 1" in widget.job.message.value
    assert len(enlarger) == 1  # nothing was computed


def test_large_results_become_a_pyramid_of_the_same_place():
    image = np.zeros((10, 9001), np.uint8)
    image[:, 4000:4002] = 200
    levels = in_pieces(image)
    assert levels[0] is image
    assert [level.shape[1] for level in levels[:2]] == [9001, 4501]
    assert levels[1][0, 2000] == 200
    assert in_pieces(image[:, :5000]).shape == (10, 5000)
    much = np.broadcast_to(np.uint8(3), (3600, 3600, 3))  # napari would stand still meanwhile
    assert [level.shape for level in in_pieces(much)][1:] == [(n, n, 3) for n in (1800, 900)]
    assert in_pieces(much, planes=2).shape == (3600, 3600, 3)


def test_a_trust_map_comes_only_with_its_picture_and_lies_on_it(
    viewer, tissue, enlarger, wait, monkeypatch, qtbot
):
    go_on = threading.Event()

    def trust_map_steps(image, scale, *, generated, **how):
        yield Step(0, 1, "comparing")
        assert go_on.wait(60)
        return np.ones(generated.shape[:2], np.float32)

    monkeypatch.setattr("napari_medrefine.superres.trust_map_steps", trust_map_steps, raising=False)
    for change, count in ((viewer.layers.remove, 1), (move, 3)):
        viewer.layers.clear()
        viewer.add_image(tissue(40, 60), rgb=True, name="slide")
        go_on.clear()
        widget = MagnifyWidget(viewer)
        widget.region.value, widget.trust.value = "whole", True
        widget.job.start.native.click()
        qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=60_000)
        qtbot.waitUntil(lambda: viewer.layers[1].visible, timeout=60_000)
        made = viewer.layers[1]
        change(made)
        go_on.set()
        wait(widget.job)
        assert len(viewer.layers) == count
        if count == 1:
            assert f"'{made.name}' was removed meanwhile" in widget.job.message.value
    np.testing.assert_allclose(outer_corners(viewer.layers[2]), outer_corners(made))


def move(layer):
    layer.translate = (500, 400)


@pytest.mark.parametrize("region", ["whole", "disk"])
def test_after_the_job_nothing_holds_what_was_magnified(
    viewer, tissue, enlarger, wait, monkeypatch, tmp_path, region
):
    photo = tissue(40, 60)
    left = weakref.ref(photo)
    viewer.add_image(photo, rgb=True, name="slide")
    del photo
    monkeypatch.setattr(
        "napari_medrefine.widgets.magnify.ask_save_path", lambda *_: tmp_path / "a.ome.zarr"
    )
    widget = MagnifyWidget(viewer)
    widget.region.value = region
    widget.job.start.native.click()
    wait(widget.job)
    assert len(viewer.layers) == 2
    viewer.layers.clear()
    gc.collect()
    assert left() is None


def test_a_result_is_not_laid_on_a_photo_that_took_the_place_of_its_own(
    viewer, tissue, enlarger, wait, monkeypatch
):
    layer = viewer.add_image(tissue(40, 60), rgb=True, name="slide")
    widget = MagnifyWidget(viewer)
    widget.region.value = "whole"
    widget.job.start.native.click()
    layer.data = tissue(40, 60)[::-1].copy()  # before the result has come, which needs Qt's loop
    wait(widget.job)
    assert widget.job.message.value == "'slide' was changed meanwhile; the result is not shown."
    assert list(viewer.layers) == [layer]
