"""Placements that leave for other programs and come back: the same points, within 0.01 px."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration import Placement
from napari_medrefine.registration.exchange import (
    FORMATS,
    Side,
    read_placement,
    write_placement,
    write_table,
)
from napari_medrefine.registration.exchange.sides import Sides
from napari_medrefine.registration.lens import Lens
from napari_medrefine.registration.placement import Distortion, similarity

FIELD, OVERVIEW = (274, 358), (2748, 3584)
POINTS = np.array([[0.0, 0.0], [0.0, 357.0], [273.0, 0.0], [136.5, 100.25], [-0.5, -0.5]])
MANY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
UM = st.floats(0.05, 5)


@st.composite
def placements(draw):
    """Any similarity, also mirrored."""
    at = np.array([draw(st.floats(0, OVERVIEW[0])), draw(st.floats(0, OVERVIEW[1]))])
    middle = np.array([136.5, 178.5])
    matrix = similarity(draw(st.floats(1.5, 40)), draw(st.floats(-180, 180)), middle, at)
    if draw(st.booleans()):
        matrix = matrix @ np.array([[1, 0, 0], [0, -1, FIELD[1] - 1], [0, 0, 1.0]])
    return Placement(matrix, FIELD, OVERVIEW, True, "fits", 0.8, field_name="ä 40x.jpg")


@st.composite
def sizes(draw):
    """Pixel sizes of both photos, pixels not square; or none."""
    if draw(st.booleans()):
        return Side(), Side()
    return Side(pixel_um=(draw(UM), draw(UM))), Side(pixel_um=(draw(UM), draw(UM)))


def bent():
    matrix = similarity(9.8, 3.0, np.array([136.5, 178.5]), np.array([800.0, 1200.0]))
    lenses = Distortion(matrix, Lens(FIELD, 0.004), Lens(OVERVIEW, -0.003))
    return Placement(matrix, FIELD, OVERVIEW, True, "fits", 0.8, distortion=lenses)


def whole(side, shape):
    return Side(side.name, side.pixel_um, shape)


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.read])
@MANY
@given(place=placements(), both=sizes())
def test_there_and_back(name, tmp_path, place, both):
    path = tmp_path / f"one{FORMATS[name].ending}"
    assert write_placement(path, place, field=both[0], overview=both[1]) == ""
    back = read_placement(path, field=whole(both[0], FIELD), overview=whole(both[1], OVERVIEW))
    apart = np.abs(back.to_overview(POINTS) - place.to_overview(POINTS))
    assert apart.max() < 1e-5
    assert (back.field_shape, back.overview_shape) == (FIELD, OVERVIEW)


@MANY
@given(place=placements(), both=sizes())
def test_simpleitk_maps_the_overviews_points_to_the_fields(tmp_path, place, both):
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is not installed")
    write_placement(tmp_path / "one.tfm", place, field=both[0], overview=both[1])
    transform = sitk.ReadTransform(str(tmp_path / "one.tfm"))
    field, overview = (sitk_image(sitk, *one) for one in zip((FIELD, OVERVIEW), both, strict=True))
    for point, there in zip(POINTS, place.to_overview(POINTS), strict=True):
        moved = transform.TransformPoint(
            overview.TransformContinuousIndexToPhysicalPoint(there[::-1].tolist())
        )
        found = field.TransformPhysicalPointToContinuousIndex(moved)[::-1]
        assert np.abs(np.array(found) - point).max() < 0.01


def sitk_image(sitk, shape, side):
    """An image as ITK has it: (x, y), in millimetres where the size of a pixel is known."""
    image = sitk.Image(shape[1], shape[0], sitk.sitkUInt8)
    if side.pixel_um:
        image.SetSpacing([side.pixel_um[1] / 1000, side.pixel_um[0] / 1000])
    return image


def test_simpleitk_resamples_the_field_onto_its_place(tmp_path):
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is not installed")
    field = np.zeros(FIELD, np.uint8)
    field[100:110, 200:210] = 255
    place = Placement(
        similarity(2.0, 30.0, np.array([104.5, 204.5]), np.array([300.0, 500.0])),
        FIELD, (600, 900), True, "", 1.0,
    )  # fmt: skip
    write_placement(tmp_path / "one.tfm", place)
    moved = sitk.Resample(
        sitk.GetImageFromArray(field),
        sitk.Image(900, 600, sitk.sitkUInt8),
        sitk.ReadTransform(str(tmp_path / "one.tfm")),
        sitk.sitkLinear,
    )
    seen = sitk.GetArrayFromImage(moved).astype(float)
    rows, cols = np.indices(seen.shape)
    middle = (rows * seen).sum() / seen.sum(), (cols * seen).sum() / seen.sum()
    assert middle == pytest.approx((300, 500), abs=0.01)


@MANY
@given(
    angle=st.floats(-3, 3),
    scale=st.floats(0.1, 30),
    shift=st.tuples(st.floats(-900, 900), st.floats(-900, 900)),
    centre=st.tuples(st.floats(-900, 900), st.floats(-900, 900)),
    kind=st.sampled_from(["similarity", "euler", "translation", "affine", "composite"]),
)
def test_what_simpleitk_writes_is_read(tmp_path, angle, scale, shift, centre, kind):
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is not installed")
    parts = {
        "similarity": sitk.Similarity2DTransform(scale, angle, shift, centre),
        "euler": sitk.Euler2DTransform(centre, angle, shift),
        "translation": sitk.TranslationTransform(2, shift),
        "affine": sitk.AffineTransform([scale, 0.2, -0.3, scale + 1], shift, centre),
    }
    composed = sitk.CompositeTransform([parts["affine"], parts["similarity"], parts["euler"]])
    transform = (parts | {"composite": composed})[kind]
    sitk.WriteTransform(transform, str(tmp_path / "theirs.tfm"))
    place = read_placement(
        tmp_path / "theirs.tfm", field=Side(shape=FIELD), overview=Side(shape=OVERVIEW)
    )
    for row, col in ((0.0, 0.0), (1500.0, 20.5)):
        x, y = transform.TransformPoint((col, row))
        assert place.to_field([[row, col]])[0] == pytest.approx((y, x), abs=1e-3)
    assert "not checked" in place.reason


def qupath_numbers(path):
    """The six numbers as QuPath's GeometryTools.parseTransformMatrix takes them."""
    words = path.read_text().replace("\n", ",").split(",")
    numbers = [float(word) for word in words if word.strip()]
    assert len(numbers) == 6
    assert "e" not in path.read_text().lower()
    return np.reshape(numbers, (2, 3))


@MANY
@given(place=placements())
def test_qupath_aligns_corners_of_pixels_with_x_first(tmp_path, place):
    write_placement(tmp_path / "one.qupath.txt", place)
    write_placement(tmp_path / "one.qupath.json", place)
    to_field = qupath_numbers(tmp_path / "one.qupath.txt")
    found = json.loads((tmp_path / "one.qupath.json").read_text())
    to_overview = np.reshape([found[f"m{i}{j}"] for i in range(2) for j in range(3)], (2, 3))
    # The corners of the whole field are at 0 and at its size.
    height, width = FIELD
    corners = [(0, 0), (width, 0), (width, height), (0, height)]
    for (x, y), (row, col) in zip(corners, place.corners(), strict=True):
        assert to_overview @ [x, y, 1] == pytest.approx((col + 0.5, row + 0.5), abs=1e-6)
        assert to_field @ [col + 0.5, row + 0.5, 1] == pytest.approx((x, y), abs=1e-5)


def test_a_transform_of_qupaths_project_is_read(tmp_path):
    transform = {"m00": 0.1, "m10": 0, "m01": 0, "m11": 0.1, "m02": 30.0, "m12": 20.0}
    data = {"builderType": "affine", "transform": transform}
    (tmp_path / "server.qupath.json").write_text(json.dumps(data))
    place = read_placement(
        tmp_path / "server.qupath.json", field=Side(shape=FIELD), overview=Side(shape=OVERVIEW)
    )
    assert place.to_overview([[-0.5, -0.5], [99.5, 9.5]]) == pytest.approx(
        np.array([[19.5, 29.5], [29.5, 30.5]])
    )


@pytest.mark.parametrize("name", ["itk", "qupath", "qupath-json", "napari"])
def test_what_the_lens_bends_is_said_with_its_size(name, tmp_path):
    place = bent()
    path = tmp_path / f"one{FORMATS[name].ending}"
    said = write_placement(path, place)
    assert f"{place.lost_by_affine:.2f} overview pixels" in said
    assert "Lens distortion" in said
    corner = np.abs(
        place.to_overview(POINTS) - (POINTS @ place.matrix[:2, :2].T + place.matrix[:2, 2])
    )
    assert corner.max() <= place.lost_by_affine < 20
    if name in ("itk", "qupath-json"):  # these have room for a remark, and for all of it
        assert said in path.read_text()
        back = read_placement(path)
        assert back.to_overview(POINTS) == pytest.approx(place.to_overview(POINTS))


def test_a_transform_that_was_changed_since_is_what_counts(tmp_path):
    path = tmp_path / "one.tfm"
    write_placement(path, bent())
    lines = path.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("Parameters"))
    numbers = lines[at].split()
    numbers[-1] = str(float(numbers[-1]) + 98.0)
    lines[at] = " ".join(numbers)
    path.write_text("\n".join(lines))
    back = read_placement(path)
    assert back.distortion is None
    assert back.method == "imported"
    moved = back.to_overview([[98.0, 0.0]])
    matrix = bent().matrix
    assert moved[0] == pytest.approx(matrix[:2, 2], abs=1e-6)


def test_the_table_has_a_row_for_every_field(tmp_path):
    one = Placement(
        similarity(10, 0, np.zeros(2), np.array([20.0, 30.0])), FIELD, OVERVIEW, True, "=fits", 0.8,
        field_name="a.jpg", overview_name="o.jpg", field_sha256="ab", standard_error=0.05,
    )  # fmt: skip
    sides = Sides(Side(pixel_um=(0.125, 0.125)), Side("o.jpg", (1.25, 1.25)))
    write_table(tmp_path / "all.csv", [(one, sides), (bent(), Sides(Side("b.jpg")))])
    with (tmp_path / "all.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["field"] for row in rows] == ["a.jpg", "b.jpg"]
    first = rows[0]
    assert [float(first[f"m{i}{j}"]) for i in range(2) for j in range(3)] == pytest.approx(
        [0.1, 0, 20, 0, 0.1, 30]
    )
    assert float(first["opposite_col"]) == pytest.approx(30 + 357.5 / 10)
    assert (first["standard_error"], first["residual"]) == ("0.05", "")
    assert first["reason"] == "'=fits"  # no spreadsheet takes it for a formula
    assert float(rows[1]["lost_by_affine"]) > 0.1


DAMAGED = {
    "empty.tfm": "",
    "words.tfm": "#Insight Transform File V1.0\nTransform: AffineTransform_double_2_2\n"
    "Parameters: a",
    "three.tfm": "#Insight Transform File V1.0\nTransform: AffineTransform_double_3_3\n"
    "Parameters: 1 0 0 0 1 0 0 0 1 0 0 0\nFixedParameters: 0 0 0\n",
    "bspline.tfm": "#Insight Transform File V1.0\nTransform: BSplineTransform_double_2_2\n"
    "Parameters: 1\nFixedParameters: 0\n",
    "flat.tfm": "#Insight Transform File V1.0\nTransform: AffineTransform_double_2_2\n"
    "Parameters: 1 1 1 1 0 0\nFixedParameters: 0 0\n",
    "few.tfm": "#Insight Transform File V1.0\nTransform: AffineTransform_double_2_2\n"
    "Parameters: 1 1\nFixedParameters: 0 0\n",
    "record.tfm": "#Insight Transform File V1.0\n# napari-medrefine: {\n",
    "five.qupath.txt": "1, 0, 0, 1, 0",
    "nan.qupath.txt": "1, 0, nan, 0, 1, 0",
    "none.qupath.json": "{}",
    "list.qupath.json": "[1]",
    "deep.qupath.json": "[" * 100_000,
    "more.napari.json": '{"affine": [[1,0,0],[0,1,0],[0,0,1]], "name": "x"}',
    "ragged.napari.json": '{"affine": [[1,0,0],[0,1]]}',
    "seconds.napari.json": '{"units": ["second", "second"]}',
    "unit.napari.json": '{"units": ["um", "um"]}',
    "short.napari.json": '{"scale": 3}',
    "all.csv": "a,b",
    "what.xyz": "",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_or_none_is_one_sentence(name, tmp_path):
    (tmp_path / name).write_text(DAMAGED[name])
    with pytest.raises(MedRefineError) as said:
        read_placement(tmp_path / name, field=Side(shape=FIELD), overview=Side(shape=OVERVIEW))
    assert name in str(said.value)
    assert str(said.value).endswith(".")


def test_photos_of_unknown_size_are_asked_for(tmp_path):
    (tmp_path / "one.qupath.txt").write_text("1, 0, 0,\n0, 1, 0.0")
    with pytest.raises(MedRefineError, match="how large the two photos are"):
        read_placement(tmp_path / "one.qupath.txt")
