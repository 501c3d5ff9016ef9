"""The Measure section: true numbers for layers that lie askew, and what to do without any."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from skimage.data import immunohistochemistry

import napari_medrefine.superres
from napari_medrefine.compare import filters
from napari_medrefine.images import sha256_of
from napari_medrefine.registration import Placement
from napari_medrefine.superres.card_facts import shipped_cards
from napari_medrefine.superres.cards import LearnedPhoto
from napari_medrefine.superres.named_networks import SHIPPED
from napari_medrefine.widgets import _measure_report, _measuring
from napari_medrefine.widgets._geometry import registered_affine
from napari_medrefine.widgets._layer_pair import LayerPair
from napari_medrefine.widgets._layers import note
from napari_medrefine.widgets._measure_networks import Own
from napari_medrefine.widgets._measure_table import SHOWN
from napari_medrefine.widgets._measuring import MeasureSection
from napari_medrefine.widgets._model_choice import ModelChoice, shelf_of

WEIGHTS = Path(napari_medrefine.superres.__file__).parent / "weights"

KEYS = [column.key for column in SHOWN]


@pytest.fixture(autouse=True)
def no_networks(monkeypatch):
    """Filters in place of the networks."""

    def networks(*, sharpening, own):
        names = (*(SHIPPED[:2] if sharpening else SHIPPED), *own)
        if sharpening:
            return {n: lambda image, _: filters.unsharp_mask(image) for n in names}
        return dict.fromkeys(names, filters.back_projection)

    monkeypatch.setattr(_measuring, "named_networks", networks)
    for module in (_measuring, _measure_report):
        monkeypatch.setattr(module, "load_networks", lambda _: None)
    few = {"bicubic": filters.bicubic}
    monkeypatch.setattr(_measuring, "filters_for", lambda scale, _: few if scale > 1 else {})


@pytest.fixture(scope="module")
def sharp():
    return np.ascontiguousarray(immunohistochemistry()[:256, :320])


@pytest.fixture(scope="module")
def small(sharp):
    return np.rint(sharp.reshape(64, 4, 80, 4, 3).mean((1, 3))).astype(np.uint8)


def section_of(viewer, first, second):
    pair = LayerPair(viewer)
    pair.first.value, pair.second.value = first, second
    return MeasureSection(viewer, pair)


def measured(section, wait):
    section.job.start.native.click()
    wait(section.job)
    return section.done.measured if section.done else None


def registered(viewer, sharp, small, *, gain=1.0, offset=0, error=0.05):
    """A 4x in micrometres, turned on the canvas, and a 40x registered on it, four times finer."""
    overview = viewer.add_image(
        small, name="s_4x", rgb=True, scale=(5, 5), rotate=20, translate=(50, 9), units=("um",) * 2
    )
    photo = np.rint(sharp[40:216, 40:280] * gain + offset).astype(np.uint8)
    matrix = np.diag([0.25, 0.25, 1.0])
    matrix[:2, 2] = 40 / 4 + 0.125 - 0.5
    field = viewer.add_image(photo, name="s_40x_1", rgb=True, units=("um",) * 2)
    placement = Placement(
        matrix, photo.shape[:2], small.shape[:2], accepted=True, reason="", score=0.9,
        standard_error=error, residual=0.1,
    )  # fmt: skip
    field.affine = registered_affine(overview, field, placement.matrix)
    note(field, placement=placement, overview="s_4x")
    return overview, field


def test_a_known_error_against_the_sharp_original(viewer, sharp, wait):
    original = viewer.add_image(np.clip(sharp, 0, 240), name="original", rgb=True)
    worse = viewer.add_image(np.asarray(original.data + 5, np.uint8), name="worse", rgb=True)
    note(worse, made_from="blurred", scale=1.0)
    viewer.add_image(np.asarray(original.data + 9, np.uint8), name="blurred", rgb=True)
    section = section_of(viewer, worse, original)
    assert section.against.value == _measuring.ORIGINAL
    result = measured(section, wait)
    assert result.score("worse").mse == pytest.approx(25)
    assert result.score("do nothing").mse == pytest.approx(81)
    assert {layer.name for layer in viewer.layers} == {"original", "worse", "blurred"}


def test_the_real_40x_is_found_where_it_lies_and_its_camera_is_matched(viewer, sharp, small, wait):
    _, field = registered(viewer, sharp, small, gain=0.8, offset=20)
    section = section_of(viewer, field, viewer.layers["s_4x"])
    assert section.against.value == _measuring.REAL
    result = measured(section, wait)
    assert result.common.scale == pytest.approx(4)
    assert result.common.shift.length < 0.05
    match = result.common.match
    np.testing.assert_allclose(match.terms[:, 1], 1.25, rtol=0.03)
    np.testing.assert_allclose(255 * match.terms[:, 0], -25, atol=3)
    assert result.score("bicubic").psnr > 24
    said = section.job.message.value
    assert "by its own account standard error 0.05 and residual 0.10 input pixels" in said
    assert "dB nearer to the real photo than bicubic" in said or "as near" in said


def test_a_magnified_layer_is_measured_beside_what_it_was_made_from(viewer, sharp, small, wait):
    overview, field = registered(viewer, sharp, small)
    made = viewer.add_image(
        filters.bicubic(small, 4), name="magnified", rgb=True, scale=(1.25, 1.25), rotate=20,
        units=("um",) * 2, metadata={"medrefine": {"made_from": "s_4x", "scale": 4.0}},
    )  # fmt: skip
    first = overview.data_to_world((-0.5 + 0.5 / 4, -0.5 + 0.5 / 4))
    made.translate = first
    again = viewer.add_image(made.data // 2, name="another model's", rgb=True, scale=made.scale)
    again.rotate, again.translate, again.units = made.rotate, made.translate, made.units
    again.metadata = dict(made.metadata)
    section = section_of(viewer, made, field)
    result = measured(section, wait)
    assert result.score("another model's").mse > 1000
    own, again = result.score("magnified"), result.score("bicubic")
    assert own.mse == pytest.approx(again.mse, rel=0.02)
    assert own.ssim == pytest.approx(again.ssim, abs=0.003)


def test_one_press_tells_how_good_the_magnified_4x_is(viewer, sharp, small, wait):
    registered(viewer, sharp, small)
    section = section_of(viewer, viewer.layers["s_4x"], viewer.layers["s_4x"])
    section.here.native.click()
    assert not section.here.enabled
    wait(section.job)
    assert section.here.enabled
    said = section.job.message.value
    gain = (
        section.done.measured.score("faithful").psnr - section.done.measured.score("bicubic").psnr
    )
    assert gain > 0.1
    assert f"the faithful weights are {gain:.2f} dB nearer to the real photo than bicubic" in said
    assert "the GAN weights are" in said
    assert section.done.measured.score("photo").psnr > 0
    assert "the shipped networks and one of your own" in section.job.start.tooltip
    assert "of the energy of the real photo's" in said


def test_a_black_layer_is_refused_in_its_row(viewer, sharp, small, wait):
    _, field = registered(viewer, sharp, small)
    dark = filters.bicubic(small, 4).astype(np.uint16)  # 8-bit values in a 16-bit layer
    made = viewer.add_image(
        dark, name="dark", rgb=True, scale=(1.25, 1.25), rotate=20, units=("um",) * 2,
        translate=viewer.layers["s_4x"].data_to_world((-0.375, -0.375)),
        metadata={"medrefine": {"made_from": "s_4x", "scale": 4.0}},
    )  # fmt: skip
    section = section_of(viewer, made, field)
    measured(section, wait)
    table = section.table.table
    (item,) = [
        table.item(r, 0) for r in range(table.rowCount()) if "dark" in table.item(r, 0).text()
    ]
    assert item.text() == "dark (refused)"
    assert "times darker" in item.toolTip()
    assert table.item(item.row(), 1).text() == "–"
    assert "dark" not in [s.method for s in section.chart._summaries]


def test_the_table_sorts_tells_and_is_copied(viewer, sharp, small, wait):
    _, field = registered(viewer, sharp, small)
    section = section_of(viewer, field, viewer.layers["s_4x"])
    assert not section.copy.enabled
    result = measured(section, wait)
    table, k = section.table.table, KEYS.index("mse")
    table.sortItems(k, Qt.SortOrder.DescendingOrder)
    shown = [float(table.item(r, k).text()) for r in range(table.rowCount())]
    assert shown == sorted(shown, reverse=True)
    assert shown[0] == round(max(s.mse for s in result.scores), 1)
    assert "lower is better" in table.horizontalHeaderItem(k).toolTip()
    assert "1 is best" in table.horizontalHeaderItem(KEYS.index("detail")).toolTip()
    section.copy.native.click()
    rows = list(csv.reader(QApplication.clipboard().text().splitlines(), delimiter="\t"))
    assert rows[0][:2] == ["method", "MSE"]
    assert [float(row[k]) for row in rows[1:]] == shown
    assert {row[0] for row in rows[1:]} == {"untouched", "bicubic", "faithful", "GAN", "photo"}


def is_grey(section):
    """Whether the table and the chart are faded."""
    effects = [each.native.graphicsEffect() for each in (section.table, section.chart)]
    return all(each is not None and each.opacity() < 0.5 for each in effects)


def test_one_always_sees_whose_numbers_one_sees(viewer, sharp, small, wait):
    overview, field = registered(viewer, sharp, small)
    other = viewer.add_image(field.data, name="s_40x_2", rgb=True, units=field.units)
    other.affine = field.affine
    section = section_of(viewer, overview, field)
    measured(section, wait)
    assert section.whose.value == "Measured: what methods make of 's_4x', against 's_40x_1'."
    assert not is_grey(section)
    words = section.job.message.value
    section._pair.second.value = other
    assert "will be measured against 's_40x_2'" in section.job.message.value
    said = section.whose.value
    assert "before" in said
    assert "what methods make of 's_4x', against 's_40x_1'" in said
    assert is_grey(section)
    section.copy.native.click()
    assert "'s_40x_1'" in section.job.message.value
    heads, *rows = csv.reader(QApplication.clipboard().text().splitlines(), delimiter="\t")
    assert heads[-2:] == ["input", "measured against"]
    assert {tuple(row[-2:]) for row in rows} == {("s_4x", "s_40x_1")}
    section._pair.second.value = field  # back again: they are those that are seen
    assert section.job.message.value == words
    assert not is_grey(section)
    section._pair.first.value, section._pair.second.value = field, overview  # the same two
    assert section.whose.value.startswith("Measured: ")
    section._pair.second.value = other
    measured(section, wait)
    assert section.whose.value.startswith("Measured: ")
    assert "'s_40x_2'" in section.whose.value


def test_numbers_against_a_layer_that_was_removed_say_so(viewer, sharp, small, wait, saved):
    overview, field = registered(viewer, sharp, small)
    section = section_of(viewer, overview, overview)
    section.here.native.click()
    wait(section.job)
    assert "'s_40x_1'" in section.whose.value
    viewer.layers.remove(field)
    assert "'s_40x_1' was removed" in section.whose.value
    folder = saved(section)  # it names both, and they cannot be measured again
    assert "'s_4x', against 's_40x_1'" in section.job.message.value
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<h1>s_4x against &#39;s_40x_1&#39;" in page


def test_a_generated_layer_is_spoken_of_first(viewer, sharp, small, wait):
    _, field = registered(viewer, sharp, small)
    made = viewer.add_image(
        filters.back_projection(small, 4), name="magnified", rgb=True, scale=(1.25, 1.25),
        rotate=20, units=("um",) * 2,
        translate=viewer.layers["s_4x"].data_to_world((-0.375, -0.375)),
        metadata={"medrefine": {"made_from": "s_4x", "scale": 4.0}},
    )  # fmt: skip
    section = section_of(viewer, made, field)
    result = measured(section, wait)
    gain = result.score("magnified").psnr - result.score("bicubic").psnr
    first, second, *_ = section.job.message.value.split("\n\n")
    assert first.startswith(
        f"Over this field 'magnified' is {gain:.2f} dB nearer to the real photo than bicubic"
    )
    assert "Its fine detail has" in first
    assert "weights are" in second
    viewer.layers.remove("s_4x")  # what it was made from
    alone = measured(section, wait).score("do nothing").psnr
    assert section.whose.value == "Measured: 'magnified', against 's_40x_1'."
    said = section.job.message.value
    assert said.startswith(f"Over this field 'magnified' has a PSNR of {alone:.2f} dB against the")


def test_a_rectangle_and_the_view_say_where(viewer, sharp, small, wait):
    overview, field = registered(viewer, sharp, small)
    section = section_of(viewer, field, overview)
    section.region.value = "rectangle"
    section.job.start.native.click()
    assert "Draw a rectangle first" in section.job.message.value
    section.draw.native.click()
    drawn = section.rectangles.value
    drawn.add_rectangles(np.array([[3.5, 7.5], [127.5, 135.5]]))  # in pixels of the 40x
    result = measured(section, wait)
    assert result.common.part[0][1] - result.common.part[0][0] == 31
    assert result.common.part[1][1] - result.common.part[1][0] == 32


@pytest.mark.parametrize("chosen", ["source", "both", "none"])
def test_what_cannot_be_measured_says_what_to_choose(viewer, sharp, small, wait, chosen):
    overview = viewer.add_image(small, name="s_4x", rgb=True)
    made = viewer.add_image(
        sharp, name="m", rgb=True, metadata={"medrefine": {"made_from": "s_4x"}}
    )
    again = viewer.add_image(
        sharp, name="n", rgb=True, metadata={"medrefine": {"made_from": "s_4x"}}
    )
    other = {"source": overview, "both": again, "none": overview}[chosen]
    section = section_of(viewer, made, other)
    if chosen == "none":
        section.here.native.click()
        assert "Register a 40x photo" in section.job.message.value
        return
    section.job.start.native.click()
    assert "registered 40x photo, or the sharp original" in section.job.message.value
    assert section.done is None
    assert not section.table.visible


@pytest.fixture
def trusted(monkeypatch):
    """A trust map of 7 grey levels everywhere; returns what it was asked for."""
    asked = []

    def trust_map(image, scale, **how):
        asked.append(how)
        return np.full([round(n * scale) for n in image.shape[:2]], 7, np.float32)

    monkeypatch.setattr(napari_medrefine.superres, "trust_map", trust_map)
    return asked


@pytest.fixture
def saved(monkeypatch, tmp_path, wait):
    """Return what saves a report, and gives its folder."""
    monkeypatch.setattr(_measuring, "ask_folder", lambda *_: tmp_path)

    def save(section):
        before = set(tmp_path.iterdir())
        section.save.native.click()
        wait(section.job)
        (new,) = set(tmp_path.iterdir()) - before
        assert str(new) in section.job.message.value
        return new

    return save


def test_a_report_is_saved_and_none_is_overwritten(viewer, sharp, small, wait, saved, trusted):
    _, field = registered(viewer, sharp, small)
    section = section_of(viewer, field, viewer.layers["s_4x"])
    result = measured(section, wait)
    folder = saved(section)
    assert saved(section) != folder
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f"{result.score('bicubic').psnr:.2f}" in page
    assert "magnify-faithful" in page
    assert "SHA-256" in page
    assert len(list(folder.glob("*.png"))) == 2
    assert (folder / "report.csv").exists()
    assert strip_in(page) == [
        "blur (the input)",
        "filter: bicubic",
        "generated: faithful",
        "sharp (the truth)",
        "generated minus sharp, x4",
        "trust: error at most (90 %), dark 0 to bright 7 grey levels",
    ]
    assert trusted[0]["generated"].shape[2] == 3


def test_the_report_of_a_layer_shows_it_and_its_trust_map_where_there_is_one(
    viewer, sharp, small, wait, saved, trusted
):
    overview, field = registered(viewer, sharp, small)
    made = viewer.add_image(
        filters.bicubic(small, 4), name="magnified", rgb=True, scale=(1.25, 1.25), rotate=20,
        translate=overview.data_to_world((-0.375, -0.375)), units=("um",) * 2,
    )  # fmt: skip
    note(made, made_from="s_4x", scale=4.0, task="magnify", realism=0.5, strength=1.0)
    section = section_of(viewer, made, field)
    measured(section, wait)
    page = (saved(section) / "report.html").read_text(encoding="utf-8")
    assert len(strip_in(page)) == 5
    assert "There is no trust map here: nothing says which network made" in page
    assert trusted == []
    faithful, gan = shipped_cards("magnify")
    weights = [{"name": c["name"], "sha256": c["weights SHA-256"]} for c in (faithful, gan)]
    note(made, weights=weights, model="shipped")
    measured(section, wait)
    shown = strip_in((saved(section) / "report.html").read_text(encoding="utf-8"))
    assert shown[2] == "generated: magnified"
    assert "7 grey levels" in shown[5]
    assert trusted == [{"realism": 0.5, "model": None}]
    note(made, weights=[{"name": "mine", "sha256": "0" * 64}], model="mine.safetensors")
    viewer.layers.remove("s_4x")  # nothing to give to filters any more
    measured(section, wait)
    page = (saved(section) / "report.html").read_text(encoding="utf-8")
    assert strip_in(page) == [
        "generated: magnified", "sharp (the truth)", "generated minus sharp, x4"
    ]  # fmt: skip
    assert "was made from, which is not open" in page
    assert "<h3>mine</h3>" in page
    assert "magnify-faithful" not in page


def strip_in(page):
    """Return the captions of the one strip of pictures."""
    _, *strips = page.split('<div class="strip">')
    (shown,) = strips
    return [x.split("</figcap")[0] for x in shown.split("</div>")[0].split("<figcaption>")[1:]]


def test_the_network_in_use_is_measured_too(viewer, sharp, small, wait, tmp_path):
    registered(viewer, sharp, small)
    file = shutil.copy(WEIGHTS / "magnify-faithful.safetensors", tmp_path / "mine.safetensors")
    chooser = ModelChoice(viewer)
    shelf_of(viewer).use(Path(file))
    section = section_of(viewer, viewer.layers["s_4x"], viewer.layers["s_4x"])
    section.here.native.click()
    wait(section.job)
    assert "Over this field the mine weights are" in section.job.message.value
    assert section.done.measured.score("mine").psnr > 20
    chooser.model.value = "shipped"
    section.here.native.click()
    wait(section.job)
    assert "mine" not in section.done.measured.evaluation.methods


def test_who_has_learned_from_the_truth_is_told(viewer, sharp, small, wait):
    overview, field = registered(viewer, sharp, small)
    section = section_of(viewer, field, overview)
    pair = measured(section, wait).common.pair
    sides = {"learned": field.data, "held out": field.data[::-1]}
    photos = [LearnedPhoto(name=k, sha256=sha256_of(v), side=k) for k, v in sides.items()]
    said = Own("mine", Path("mine.safetensors"), photos).caution(pair)
    assert "has learned from this very photo" in said
    assert "(held out)" in said
    assert Own("mine", Path("mine.safetensors"), photos[1:]).caution(pair) == ""


def test_it_lives_in_the_compare_widget_of_a_real_window(real_viewer, sharp, small, wait):
    _, widget = real_viewer.window.add_plugin_dock_widget("napari-medrefine", "Compare")
    registered(real_viewer, sharp, small)
    section = widget.sections["Measure"]
    widget.folds["Measure"].button.native.click()
    section.here.native.click()
    wait(section.job)
    assert section.table.table.rowCount() == 5
    assert section.chart.canvas.isVisibleTo(widget.native)
    labels = [label.get_text() for label in section.chart.figure.axes[0].get_yticklabels()]
    assert labels == ["untouched", "bicubic", "faithful", "GAN", "photo"]
    section.chart.measure.value = "mse"
    widths = [bar.get_width() for bar in section.chart.figure.axes[0].patches]
    assert widths == pytest.approx([s.mse for s in section.done.measured.scores])
    assert widget.native.minimumSizeHint().width() < 420
    for theme in ("light", "dark"):
        real_viewer.theme = theme
        background = to_rgba(get_theme(theme).background.as_hex())
        assert section.chart.figure.get_facecolor() == pytest.approx(background)
