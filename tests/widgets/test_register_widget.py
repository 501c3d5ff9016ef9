"""The Register widget, with a search that answers at once: what it does to the user's layers."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import check_image, sha256_of
from napari_medrefine.progress import Step
from napari_medrefine.registration import Placement
from napari_medrefine.registration.trace import Visit, Walk
from napari_medrefine.widgets._undo import History
from napari_medrefine.widgets.register import RegisterWidget

MATRIX = np.array([[0.1, 0.01, 30.0], [-0.01, 0.1, 20.0], [0, 0, 1]])
CORNERS = np.array([[-0.5, -0.5], [-0.5, 239.5], [179.5, 239.5], [179.5, -0.5]])


class Search:
    """Answers `MATRIX` for every field; refuses dark ones; can be held at its first step."""

    def __init__(self):
        self.go_on = threading.Event()
        self.go_on.set()
        self.asked = []

    def __call__(self, image):
        self.overview = check_image(image, "overview")
        return self

    def register_steps(self, field, *, ratio, angle, method, trace=None):
        self.asked.append({"ratio": ratio, "angle": angle, "method": method})
        checked = check_image(field, "field")
        if checked.min() == checked.max():
            raise MedRefineError("The field shows one even colour.")
        yield Step(0, 2, "searching")
        assert self.go_on.wait(20)
        trace.walks.append(Walk.of_scores(np.eye(12, 16, dtype=np.float32), (0, 0), 8))
        trace.visits.append(Visit(1, 0.8, MATRIX))
        yield Step(1, 2, "refining")
        good = bool(checked.mean() > 60)
        return Placement(
            matrix=MATRIX,
            field_shape=checked.shape[:2],
            overview_shape=self.overview.shape[:2],
            accepted=good,
            reason="Nine of nine parts agree." if good else "No place is better than chance.",
            score=0.8 if good else 0.2,
            field_sha256=sha256_of(checked),
            overview_sha256=sha256_of(self.overview),
        )


@pytest.fixture
def search(monkeypatch):
    double = Search()
    monkeypatch.setattr("napari_medrefine.registration.Overview", double, raising=False)
    return double


@pytest.fixture
def photos(viewer, tissue):
    overview = viewer.add_image(tissue(300, 400), rgb=True, name="s_4x", scale=(1.25, 1.25),
                                translate=(7, 8), rotate=10, units=("um", "um"))  # fmt: skip
    options = {"scale": (0.125, 0.125), "units": ("um", "um"), "rgb": True}
    fields = [viewer.add_image(tissue(180, 240, k), name=f"s_40x_{k}", **options) for k in (1, 2)]
    return overview, *fields


def world(layer, points):
    return np.array([layer.data_to_world(point) for point in points])


def expected_world(overview):
    there = np.c_[CORNERS, np.ones(4)] @ MATRIX.T
    return world(overview, there[:, :2])


def test_show_search_adds_the_walk_level_by_level(viewer, search, photos, wait):
    widget = RegisterWidget(viewer)
    overview, *fields = photos
    widget.fields.choose(fields[:1])
    widget.show_search.native.click()
    assert "Register" in widget.job.message.value
    widget.register()
    wait(widget.job)
    for _ in range(2):  # the second time replaces the first
        widget.show_search.native.click()
    names = [
        layer.name for layer in viewer.layers if "search_of" in layer.metadata.get("medrefine", {})
    ]
    field = fields[0].name
    spiral, refined = f"{field} · spiral at 1/8", f"{field} · refined at 1/1"
    assert names == [f"{field} · way of the spiral at 1/8", spiral, refined]
    walk = viewer.layers[spiral]
    assert list(walk.features["order"]) == list(range(12 * 16))
    # The spiral begins in the middle of the overview, in the overview's own world.
    expected = overview.data_to_world([5 * 8 + 3.5, 7 * 8 + 3.5])
    np.testing.assert_allclose(walk.data_to_world(walk.data[0]), expected)
    assert walk.face_color[int(np.argmax(walk.features["score"]))].tolist() != (
        walk.face_color[1].tolist()
    )
    found = viewer.layers[refined]
    middle = MATRIX @ [89.5, 119.5, 1]
    np.testing.assert_allclose(found.data[0], middle[:2])


def test_defaults_need_no_thought(viewer, search, photos):
    widget = RegisterWidget(viewer)
    overview, *fields = photos
    assert widget.overview.value is overview
    assert widget.fields.value == fields
    assert "10 field pixels" in widget.search.known.value


def test_register_puts_all_chosen_fields_where_they_belong(viewer, search, photos, wait):
    overview, *fields = photos
    pixels = [layer.data for layer in photos]
    widget = RegisterWidget(viewer)
    widget.job.start.native.click()
    wait(widget.job)
    for field in fields:
        np.testing.assert_allclose(world(field, CORNERS), expected_world(overview), atol=1e-9)
        np.testing.assert_array_equal(field.scale, (0.125, 0.125))
        noted = field.metadata["medrefine"]
        assert noted["overview"] == "s_4x"
        assert noted["field_sha256"] == sha256_of(field.data)
        assert noted["overview_sha256"] == sha256_of(overview.data)
        assert noted["placement"].accepted
        assert noted["version"]
    assert all(layer.data is data for layer, data in zip(photos, pixels, strict=True))
    assert "s_40x_1: placed" in widget.job.message.value
    assert "s_40x_2: placed" in widget.job.message.value
    assert search.asked == [{"ratio": 10.0, "angle": None, "method": "pyramid"}] * 2


def test_a_field_in_other_units_lies_on_the_same_tissue(viewer, search, photos, wait):
    overview, field, _ = photos
    field.scale, field.units = (125, 125), ("nm", "nm")
    widget = RegisterWidget(viewer)
    widget.fields.value = [field]
    widget.register()
    wait(widget.job)
    expected = expected_world(overview) * 1000
    np.testing.assert_allclose(world(field, CORNERS), expected, rtol=1e-9)
    assert str(field.units[0]) == "nanometer"


def test_an_uncalibrated_field_takes_the_overviews_units_until_undo(
    viewer, search, photos, tissue, wait
):
    overview = photos[0]
    field = viewer.add_image(tissue(180, 240), rgb=True, name="s_40x_3")
    widget = RegisterWidget(viewer)
    widget.fields.value = [field]
    widget.register()
    wait(widget.job)
    np.testing.assert_allclose(world(field, CORNERS), expected_world(overview), atol=1e-9)
    assert field.units == overview.units
    widget.undo.native.click()
    assert str(field.units[0]) == "pixel"
    np.testing.assert_allclose(world(field, CORNERS), CORNERS)


def test_the_field_comes_above_its_overview_and_into_sight(viewer, search, photos, wait):
    overview, field, _ = photos
    viewer.layers.move(0, 3)
    field.visible = False
    widget = RegisterWidget(viewer)
    widget.fields.value = [field]
    widget.register()
    wait(widget.job)
    assert viewer.layers.index(field) == viewer.layers.index(overview) + 1
    assert field.visible


def test_undo_restores_what_the_layer_had(viewer, search, photos, wait):
    field = photos[1]
    field.affine = [[1, 0.5, 3], [0, 2, 4], [0, 0, 1]]
    field.metadata = {"mine": 1}
    before = world(field, CORNERS)
    widget = RegisterWidget(viewer)
    widget.register()
    wait(widget.job)
    assert not np.allclose(world(field, CORNERS), before)
    assert widget.undo.enabled
    widget.undo.native.click()
    np.testing.assert_allclose(world(field, CORNERS), before)
    assert field.metadata == {"mine": 1}
    assert not widget.undo.enabled


def test_a_refused_field_stays_until_the_user_insists(viewer, search, photos, wait):
    overview, field, _ = photos
    field.data = (field.data // 8).astype(np.uint8)
    before = world(field, CORNERS)
    widget = RegisterWidget(viewer)
    widget.fields.value = [field]
    widget.register()
    wait(widget.job)
    assert "not placed, refused: No place is better than chance." in widget.job.message.value
    np.testing.assert_allclose(world(field, CORNERS), before)
    assert widget.anyway.enabled
    widget.anyway.native.click()
    np.testing.assert_allclose(world(field, CORNERS), expected_world(overview), atol=1e-9)
    widget.undo.native.click()
    np.testing.assert_allclose(world(field, CORNERS), before)


def test_one_bad_field_does_not_stop_the_others(viewer, search, photos, wait):
    overview, bad, good = photos
    bad.data = np.full((180, 240, 3), 128, np.uint8)
    widget = RegisterWidget(viewer)
    widget.register()
    wait(widget.job)
    assert "s_40x_1: The field shows one even colour." in widget.job.message.value
    np.testing.assert_allclose(world(good, CORNERS), expected_world(overview), atol=1e-9)


def test_cancel_stops_and_changes_nothing(viewer, search, photos, wait, qtbot):
    field = photos[1]
    before = world(field, CORNERS)
    widget = RegisterWidget(viewer)
    search.go_on.clear()
    widget.register()
    qtbot.waitUntil(lambda: "searching" in widget.job.message.value, timeout=10_000)
    assert not widget.job.start.enabled
    widget.job.cancel.native.click()
    search.go_on.set()
    wait(widget.job)
    assert "Stopped" in widget.job.message.value
    np.testing.assert_allclose(world(field, CORNERS), before)
    assert widget.job.start.enabled
    assert not widget.undo.enabled


@pytest.mark.parametrize("which", [0, 1])
def test_a_layer_removed_meanwhile_is_left_alone(viewer, search, photos, wait, qtbot, which):
    widget = RegisterWidget(viewer)
    widget.fields.value = [photos[1]]
    before = world(photos[1], CORNERS)
    search.go_on.clear()
    widget.register()
    qtbot.waitUntil(lambda: "searching" in widget.job.message.value, timeout=10_000)
    viewer.layers.remove(photos[which])
    search.go_on.set()
    wait(widget.job)
    assert "was removed" in widget.job.message.value
    np.testing.assert_allclose(world(photos[1], CORNERS), before)


def to_stack(layer):
    layer.rgb = False
    layer.data = np.zeros((5, 180, 240), np.uint8)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("change", [lambda x: setattr(x, "data", x.data[::-1].copy()), to_stack])
def test_pixels_replaced_meanwhile_change_nothing(
    viewer, search, photos, wait, qtbot, which, change
):
    widget = RegisterWidget(viewer)
    widget.fields.value = [photos[1]]
    search.go_on.clear()
    widget.register()
    qtbot.waitUntil(lambda: "searching" in widget.job.message.value, timeout=10_000)
    change(photos[which])
    search.go_on.set()
    wait(widget.job)
    name = photos[which].name
    assert f"what '{name}' shows was replaced during the search" in widget.job.message.value
    assert "placement" not in photos[1].metadata.get("medrefine", {})
    size = photos[1].ndim + 1
    np.testing.assert_array_equal(photos[1].affine.affine_matrix, np.eye(size))
    assert not widget.undo.enabled


def test_a_refused_field_that_became_a_stack_is_not_put_anyway(viewer, search, photos, wait):
    field = photos[1]
    field.data = field.data // 8
    widget = RegisterWidget(viewer)
    widget.fields.value = [field]
    widget.register()
    wait(widget.job)
    to_stack(field)
    widget.anyway.native.click()
    assert "'s_40x_1' has 3 dimensions" in widget.job.message.value
    assert not widget.undo.enabled


def test_layers_that_are_linked_stay_where_they_are(viewer, search, photos, wait):
    overview, field, _ = photos
    marks = viewer.add_points([[1, 2]], name="marks")
    viewer.layers.link_layers([overview, field, marks])
    before = [world(layer, CORNERS) for layer in (overview, marks)]
    widget = RegisterWidget(viewer)
    widget.fields.choose([field])
    widget.register()
    wait(widget.job)
    np.testing.assert_allclose(world(field, CORNERS), expected_world(overview), atol=1e-6)
    for layer, there in zip((overview, marks), before, strict=True):
        np.testing.assert_array_equal(world(layer, CORNERS), there)
    assert "linked with that of 's_4x', 'marks'" in widget.job.message.value
    field.opacity = 0.25  # what is linked besides stays so
    assert overview.opacity == 0.25

    widget.register()
    wait(widget.job)
    assert "linked" not in widget.job.message.value


def test_links_of_a_field_that_cannot_be_laid_stay(viewer, search, photos, wait, qtbot):
    overview, field, _ = photos
    marks = viewer.add_points([[1, 2]], name="marks")
    viewer.layers.link_layers([field, marks], ["affine"])
    widget = RegisterWidget(viewer)
    widget.fields.choose([field])
    widget.register()
    overview.units, field.units = ("um", "um"), ("s", "s")
    wait(widget.job)
    assert "cannot be converted" in widget.job.message.value
    field.affine = [[1, 0, 9], [0, 1, 9], [0, 0, 1]]
    np.testing.assert_array_equal(marks.affine.affine_matrix, field.affine.affine_matrix)


def test_entered_objectives_and_any_angle_reach_the_search(viewer, search, tissue, wait):
    for name in ("one", "two"):
        viewer.add_image(tissue(180, 240), rgb=True, name=name)
    widget = RegisterWidget(viewer)
    assert "not known" in widget.search.known.value
    widget.search.magnification.value = "entered"
    widget.search.field_power.value = 10
    widget.search.angle.value = (-180.0, 180.0)
    widget.register()
    wait(widget.job)
    widget.search.magnification.value = "unknown"
    widget.register()
    wait(widget.job)
    assert [asked["ratio"] for asked in search.asked] == [2.5, None]
    assert search.asked[0]["angle"] == (-180.0, 180.0)


def test_opacity_fades_the_chosen_fields_only(viewer, search, photos):
    overview, first, second = photos
    widget = RegisterWidget(viewer)
    widget.fields.value = [second]
    widget.opacity.value = 0.4
    assert (overview.opacity, first.opacity, second.opacity) == (1, 1, pytest.approx(0.4))


def test_outline_and_difference_lie_on_the_field(viewer, search, photos, wait):
    overview, field, _ = photos
    widget = RegisterWidget(viewer)
    widget.fields.value = [field]
    widget.register()
    wait(widget.job)
    for _ in range(2):  # a second press replaces the first layer
        widget.outline.native.click()
        widget.difference.native.click()
        wait(widget.job)
    assert len(viewer.layers) == 5
    outline = viewer.layers["s_40x_1 · outline"]
    np.testing.assert_allclose(world(outline, outline.data[0]), world(field, CORNERS), atol=1e-6)
    apart = viewer.layers["s_40x_1 · difference"]
    assert apart.rgb
    assert apart.units == overview.units
    first = np.floor((np.c_[CORNERS, np.ones(4)] @ MATRIX.T)[:, :2].min(0))
    shape = np.array(apart.data.shape[:2])
    np.testing.assert_allclose(
        world(apart, [(0, 0), shape - 1]), world(overview, [first, first + shape - 1]), atol=1e-9
    )


def test_placements_are_saved_to_files(viewer, search, photos, wait, monkeypatch, tmp_path):
    widget = RegisterWidget(viewer)
    widget.register()
    wait(widget.job)
    monkeypatch.setattr("napari_medrefine.widgets._exporting.ask_folder", lambda *_: tmp_path)
    widget.exporting.button.native.click()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["s_40x_1.placement.json", "s_40x_2.placement.json"]
    loaded = Placement.load(tmp_path / names[0])
    np.testing.assert_allclose(loaded.matrix, MATRIX)


def test_without_photos_one_sentence_says_what_to_do(viewer, search):
    widget = RegisterWidget(viewer)
    widget.register()
    assert widget.job.message.value.startswith("Open a 4x overview")
    for button in (widget.outline, widget.difference):
        button.native.click()
        assert widget.job.message.value.startswith("Select one or more registered fields")
    assert len(viewer.layers) == 0


def test_the_same_layer_cannot_be_both(viewer, search, photos):
    widget = RegisterWidget(viewer)
    widget.fields.value = [photos[0]]
    widget.register()
    assert "'s_4x' is chosen as the overview and as a field" in widget.job.message.value


def test_a_coarser_field_is_refused_before_the_search(viewer, search, photos):
    widget = RegisterWidget(viewer)
    widget.overview.value = photos[1]
    widget.fields.value = [photos[0]]
    widget.register()
    assert "exchange the two" in widget.job.message.value
    assert search.asked == []


def test_units_that_do_not_convert_change_nothing(viewer, search, photos, wait):
    field = photos[1]
    field.units = ("s", "s")
    before = world(field, CORNERS)
    widget = RegisterWidget(viewer)
    widget.fields.value = [field]
    widget.register()
    wait(widget.job)
    assert "cannot be converted" in widget.job.message.value
    np.testing.assert_allclose(world(field, CORNERS), before)
    assert not widget.undo.enabled


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda data: np.where(data > 250, np.nan, data.astype(float)), "NaN"),
        (lambda data: np.full_like(data, 200), "even colour"),
    ],
)
def test_spoiled_pixels_get_a_sentence(viewer, search, photos, wait, spoil, says):
    field = photos[1]
    spoiled = spoil(field.data)
    if spoiled.dtype.kind == "f":
        spoiled[0, 0] = np.nan
    viewer.add_image(spoiled, rgb=True, name="s_40x_9", scale=(0.125, 0.125), units=("um", "um"))
    widget = RegisterWidget(viewer)
    widget.fields.value = [viewer.layers["s_40x_9"]]
    widget.register()
    wait(widget.job)
    assert says in widget.job.message.value
    np.testing.assert_array_equal(viewer.layers["s_40x_9"].affine.affine_matrix, np.eye(3))


def test_a_choice_of_the_user_outlives_new_and_renamed_layers(viewer, search, photos, tissue):
    widget = RegisterWidget(viewer)
    widget.fields.value = [photos[2]]
    viewer.add_image(tissue(180, 240), rgb=True, name="s_40x_4")
    photos[2].name = "renamed"
    assert widget.fields.value == [photos[2]]
    viewer.layers.remove(photos[2])
    assert widget.fields.value == []


def test_of_the_next_slide_the_usual_is_chosen_again(viewer, search, photos, tissue):
    widget = RegisterWidget(viewer)
    widget.fields.value = [photos[2]]
    viewer.layers.clear()
    viewer.add_image(tissue(180, 240), rgb=True, name="t_10x_1")
    field = viewer.add_image(tissue(180, 240), rgb=True, name="t_40x_1")
    overview = viewer.add_image(tissue(300, 400), rgb=True, name="t_4x")
    assert widget.overview.value is overview
    assert field in widget.fields.value
    assert len(widget.fields.value) == 2


def test_a_history_of_two_like_changes_does_not_mind_a_new_layer(viewer):
    layer = viewer.add_image(np.zeros((4, 5)), name="field")
    history = History(viewer)
    for opacity in (0.6, 0.3):
        history.begin()
        with history.changing("faded", [layer]):
            layer.opacity = opacity
    viewer.add_image(np.zeros((4, 5)), name="another")
    history.forget_removed()
    history.undo()
    assert layer.opacity == pytest.approx(0.6)
