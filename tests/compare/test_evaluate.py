"""An evaluation ranks methods rightly and writes what it found."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from skimage.data import immunohistochemistry

from napari_medrefine.compare import visuals
from napari_medrefine.compare.evaluate import PROTOCOLS, Sample, baselines, evaluate_steps
from napari_medrefine.compare.report import text_table, write_report
from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import finish

IHC = immunohistochemistry()
SAMPLES = [
    Sample("a", "one", IHC[:160, :160]),
    Sample("b", "one", IHC[200:361, :161]),
    Sample("c", "two", IHC[:160, 300:460]),
]


def test_magnifying_ranks_as_it_should() -> None:
    protocol = PROTOCOLS["x4"]
    evaluation = finish(evaluate_steps(SAMPLES, protocol, baselines(protocol)))
    psnr = {method: evaluation.mean(method, "PSNR") for method in evaluation.methods}
    assert psnr["black"] < psnr["bicubic"] < psnr["back-projection"]
    assert evaluation.slides == ["one", "two"]
    by_slide = [evaluation.mean("bicubic", "MSE", slide) for slide in evaluation.slides]
    assert evaluation.mean("bicubic", "MSE") == pytest.approx(np.mean(by_slide))
    assert evaluation.worst("bicubic") >= max(by_slide)


def test_the_report_holds_every_row_and_the_explanation(tmp_path: Path) -> None:
    protocol = PROTOCOLS["study"]
    evaluation = finish(evaluate_steps(SAMPLES[:2], protocol, baselines(protocol), pictures=1))
    write_report([evaluation], tmp_path)
    with (tmp_path / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(evaluation.methods)
    page = (tmp_path / "report.html").read_text()
    assert "40463.4" in page
    assert "not for diagnosis" in page
    assert page.count("data:image/png") == 1
    assert "unsharp mask" in text_table(evaluation)


def test_a_method_that_changes_the_size_is_named() -> None:
    methods = {"cheat": lambda image, _: image[:-1]}
    with pytest.raises(MedRefineError, match="cheat"):
        finish(evaluate_steps(SAMPLES, PROTOCOLS["study"], methods))


def test_nothing_to_evaluate_is_said() -> None:
    with pytest.raises(MedRefineError, match="no image"):
        finish(evaluate_steps([], PROTOCOLS["study"], {}))


def test_a_difference_is_black_where_images_agree() -> None:
    changed = IHC.copy()
    changed[10, 10] = 255 - changed[10, 10]
    difference = visuals.absolute_difference(changed, IHC)
    assert difference[10, 10].any()
    difference[10, 10] = 0
    assert not difference.any()


def test_pictures_stand_side_by_side_under_labels() -> None:
    row = visuals.side_by_side({"grey": IHC[:40, :50, 0], "colour": IHC[:40, :60]})
    assert row.shape == (40 + visuals.LABEL_HEIGHT, 110 + visuals.GAP, 3)
    np.testing.assert_array_equal(row[-40:, -60:], IHC[:40, :60])
