"""The bar chart: what stands where, in which scale, and in colours that can be told apart."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from PIL import Image as Pillow
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_medrefine.compare.chart import FILTER, LAYER, OURS, PLAIN, chart_png, draw_bars
from napari_medrefine.compare.evaluate import NOTHING, Summary

BASE = Summary("s", NOTHING, 1, 80.0, 29.1, 0.8, 0.5, 2.0, 0.1, 0.2, 27.0, 0.1)
ROWS = [
    BASE,
    replace(BASE, method="bicubic", mse=60.0, psnr=30.3),
    replace(BASE, method="mine", mse=55.0, psnr=30.7),
    replace(BASE, method="faithful", mse=40.0, psnr=32.1),
]


def drawn(rows, key):
    figure = Figure()
    draw_bars(figure, rows, key, ours=("faithful",), layers=("mine",))
    return figure.axes[0]


def test_bars_are_the_values_in_the_order_given() -> None:
    axes = drawn(ROWS, "mse")
    assert [bar.get_width() for bar in axes.patches] == [80, 60, 55, 40]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [NOTHING, "bicubic", "mine", "faithful"]
    assert axes.get_xscale() == "linear"
    assert axes.get_xlim()[0] == 0
    assert axes.figure.get_supxlabel() == "MSE: lower is better"
    colours = [to_hex(bar.get_facecolor()).upper() for bar in axes.patches]
    assert colours == [PLAIN, FILTER, LAYER, OURS]


def test_the_scale_is_logarithmic_where_the_range_asks_for_it() -> None:
    wide = [*ROWS, replace(BASE, method="broken", mse=40463.4)]
    axes = drawn(wide, "mse")
    assert axes.get_xscale() == "log"
    assert "log scale" in axes.figure.get_supxlabel()


def test_decibels_can_be_told_apart_and_infinity_is_left_out() -> None:
    axes = drawn([*ROWS, replace(BASE, method="itself", psnr=float("inf"))], "psnr")
    assert len(axes.patches) == 4
    assert 27 < axes.get_xlim()[0] < 29.1
    assert "higher is better" in axes.figure.get_supxlabel()


def test_nothing_to_draw_is_said() -> None:
    assert [text.get_text() for text in drawn([], "mse").texts] == ["nothing to draw"]


def test_it_is_a_picture_too() -> None:
    picture = np.asarray(Pillow.open(io.BytesIO(chart_png(ROWS, "psnr", ours=("faithful",)))))
    assert picture.shape[1] > 800
    orange = np.abs(picture[..., :3] - 255 * np.array(to_rgb(OURS))).sum(-1) < 6
    assert orange.sum() > 1000


# Viénot, Brettel & Mollon (1999): linear RGB as people without red and without green cones see it.
BLIND = {
    "protan": np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
    "deutan": np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),
}


@pytest.mark.parametrize("kind", BLIND)
def test_colours_are_told_apart_by_people_who_see_two_colours_fewer(kind: str) -> None:
    linear = np.array([to_rgb(c) for c in (PLAIN, FILTER, OURS, LAYER)]) ** 2.2
    lab = rgb2lab(np.clip(linear @ BLIND[kind].T, 0, 1) ** (1 / 2.2))
    apart = [deltaE_ciede2000(lab[i], lab[j]) for i in range(4) for j in range(i)]
    assert min(apart) > 8
