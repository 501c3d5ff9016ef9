"""Scenes of OME-Zarr 0.6: napari-ome-zarr shows every photo in its place, and it comes back."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.scene import ScenePhoto, read_scene, write_scene
from napari_medrefine.progress import finish
from napari_medrefine.registration import Placement
from napari_medrefine.registration.lens import Lens
from napari_medrefine.registration.placement import Distortion, similarity

FIELD, OVERVIEW = (70, 90), (600, 520)
POINTS = np.array([[0.0, 0.0], [0.0, 89.0], [69.0, 0.0], [30.25, 40.5]])


def place(angle=7.0, bent=False):
    matrix = similarity(9.8, angle, np.array([34.5, 44.5]), np.array([300.0, 200.0]))
    lenses = Distortion(matrix, Lens(FIELD, 0.01), Lens(OVERVIEW, 0.002)) if bent else None
    return Placement(matrix, FIELD, OVERVIEW, True, "fits", 0.8, distortion=lenses)


@pytest.fixture
def photos(tissue):
    overview = ScenePhoto("s 4x.png", tissue(*OVERVIEW), 1.25)
    fields = [ScenePhoto(f"s 40x {k}.png", tissue(*FIELD, k), 0.125) for k in (1, 2)]
    return overview, fields


def pixels(layer):
    return np.asarray(layer.data[0] if layer.multiscale else layer.data)


def test_napari_ome_zarr_shows_every_photo_in_its_place(viewer, photos, tmp_path):
    reader = pytest.importorskip("napari_ome_zarr._reader", reason="napari-ome-zarr is missing")
    overview, fields = photos
    placed = [(fields[0], place()), (fields[1], place(-170.0))]
    assert finish(write_scene(tmp_path / "s.ome.zarr", overview, placed)) == ""
    read = reader.napari_get_reader(str(tmp_path / "s.ome.zarr"))
    for data, attributes, _ in read(str(tmp_path / "s.ome.zarr")):
        viewer.add_image(data, **attributes)
    assert len(viewer.layers) == 9  # three photos, three colours each
    reds = [layer for layer in viewer.layers if layer.name.endswith("R")]
    ground = next(layer for layer in reds if pixels(layer).shape == OVERVIEW)
    assert str(ground.units[0]) == "micrometer"
    found = [layer for layer in reds if pixels(layer).shape == FIELD]
    np.testing.assert_array_equal(pixels(found[0]), fields[0].image[..., 0])
    for layer, (_, where) in zip(found, placed, strict=True):
        for point, there in zip(POINTS, where.to_overview(POINTS), strict=True):
            seen = ground.world_to_data(layer.data_to_world(point))
            assert seen == pytest.approx(there, abs=0.01)


@pytest.mark.parametrize("pixel_um", [0.125, None])
def test_a_scene_comes_back_with_its_lenses(photos, tmp_path, pixel_um):
    overview, fields = photos
    first = ScenePhoto("s 40x.png", fields[0].image, pixel_um)
    said = finish(write_scene(tmp_path / "s.ome.zarr", overview, [(first, place(bent=True))]))
    assert f"{place(bent=True).lost_by_affine:.2f} overview pixels" in said
    (back,) = read_scene(tmp_path / "s.ome.zarr").values()
    assert back.to_overview(POINTS) == pytest.approx(place(bent=True).to_overview(POINTS))


def test_what_another_program_changed_counts(photos, tmp_path):
    overview, fields = photos
    finish(write_scene(tmp_path / "s.ome.zarr", overview, [(fields[0], place())]))
    root = zarr.open_group(tmp_path / "s.ome.zarr")
    ome = root.attrs["ome"]
    ome["scene"]["coordinateTransformations"][0]["affine"][1][3] += 12.5  # micrometres: 10 pixels
    root.attrs["ome"] = ome
    (back,) = read_scene(tmp_path / "s.ome.zarr").values()
    assert back.to_overview(POINTS) == pytest.approx(
        place().to_overview(POINTS) + np.array([10, 0])
    )
    assert back.method == "imported"


def test_a_wrong_photo_and_what_is_no_scene_are_said(photos, tmp_path):
    _, fields = photos
    with pytest.raises(MedRefineError, match="was made for"):
        finish(write_scene(tmp_path / "s.ome.zarr", fields[0], [(fields[1], place())]))
    assert not any(tmp_path.iterdir())
    with pytest.raises(MedRefineError, match="no scene"):
        read_scene(tmp_path)
    zarr.create_group(tmp_path / "g.zarr").attrs["ome"] = {
        "scene": {"coordinateTransformations": [1]}
    }
    with pytest.raises(MedRefineError, match="no scene"):
        read_scene(tmp_path / "g.zarr")
