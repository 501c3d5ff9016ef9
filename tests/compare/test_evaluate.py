"""A whole evaluation: numbers, refusals, progress, and what lands in the folder."""

from __future__ import annotations

import base64
import csv
import io
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pillow
from skimage.data import immunohistochemistry

from napari_medrefine.compare import (
    Evaluation,
    Protocol,
    Sample,
    area_protocol,
    baselines,
    evaluate_steps,
    filters,
    metrics,
    optical_protocol,
    study_protocol,
    text_table,
    tune_steps,
    write_report,
)
from napari_medrefine.compare import evaluate as module
from napari_medrefine.compare.report_page import comparisons
from napari_medrefine.compare.words import headline
from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step, finish
from napari_medrefine.samples import Slide

Image = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    stain = immunohistochemistry()
    slide = Slide(0, (600.0, 700.0))
    ours = slide.photograph(10, centre_um=(300, 350), shape=(203, 190)).image
    return [
        Sample("ihc 1", "IHC", np.ascontiguousarray(stain[:200, :200])),
        Sample("ihc 2", "IHC", np.ascontiguousarray(stain[200:400, 200:400])),
        Sample("ours", "procedural", ours),
    ]


@pytest.fixture(scope="module")
def magnified(samples: list[Sample]) -> Evaluation:
    protocol = area_protocol(4)
    wrong: dict[str, module.Method] = {
        "wrong size": lambda image, _: image,
        "wrong range": lambda image, _: np.repeat(np.repeat(image, 4, 0), 4, 1) * 255,
        "forgot the range": lambda image, _: np.repeat(np.repeat(image, 4, 0), 4, 1) / 255,
    }
    return finish(evaluate_steps(samples, protocol, baselines(protocol) | wrong))


def test_sanity_rows_are_what_they_must_be(magnified: Evaluation) -> None:
    assert magnified.slides == ("IHC", "procedural")
    for slide in magnified.slides:
        identity = magnified.summary(slide, module.IDENTITY)
        assert (identity.mse, identity.psnr, identity.worst_psnr) == (0, np.inf, np.inf)
        assert identity.consistency < 0.3  # the input was rounded
        black = magnified.summary(slide, module.BLACK)
        assert 15_000 < black.mse < 65_025
        nothing = magnified.summary(slide, module.NOTHING)
        better = magnified.summary(slide, "bicubic")
        best = magnified.summary(slide, "back-projection")
        assert nothing.psnr < better.psnr < best.psnr
        assert best.worst_psnr < best.psnr
        assert best.consistency < 0.1 < better.consistency


def test_a_network_is_held_against_the_best_filter_wherever_it_stands(magnified) -> None:
    said = headline(magnified, ("Lanczos",))
    assert "farther from the truth than the best plain filter (back-projection)" in said
    lines = {(c.slide, c.other) for c in comparisons(magnified, ("Lanczos",))}
    assert lines == {
        (slide, other)
        for slide in ("all slides", "IHC", "procedural")
        for other in ("bicubic", module.NOTHING, "back-projection")
    }


def test_methods_with_impossible_numbers_are_refused_with_a_reason(magnified: Evaluation) -> None:
    assert set(magnified.refused) == {"wrong size", "wrong range", "forgot the range"}
    assert "shape" in magnified.refused["wrong size"]
    assert "another white" in magnified.refused["wrong range"]
    assert "no better than a black image" in magnified.refused["forgot the range"]
    assert not set(magnified.methods) & set(magnified.refused)


def test_rows_are_the_metrics_of_the_images(samples: list[Sample], magnified: Evaluation) -> None:
    protocol = area_protocol(4)
    sharp = samples[2].sharp[:200, :188]
    result = baselines(protocol)["bicubic"](protocol.degrade(sharp), 4)
    (row,) = [r for r in magnified.rows if (r.image, r.method) == ("ours", "bicubic")]
    assert row.mse == pytest.approx(metrics.mse(result, sharp))
    assert row.ssim == pytest.approx(metrics.ssim(result, sharp))
    assert row.detail == pytest.approx(metrics.high_frequency_ratio(result, sharp))
    assert row.colour == pytest.approx(metrics.colour_difference(result, sharp))
    means = [image.astype(float).mean((0, 1)) for image in (result, sharp)]
    assert row.shift == pytest.approx(np.abs(means[0] - means[1]).max(), abs=1e-4)


def test_progress_is_told_in_words_with_the_time_that_is_left(samples, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])

    def slow(image: Image, scale: float) -> Image:
        now[0] += 50
        return filters.bicubic(image, scale)

    steps = list(
        evaluate_steps(samples[:2], area_protocol(4), {"quick": filters.nearest, "slow": slow})
    )
    told = [step.text.removeprefix(f"{samples[0].name}: ") for step in steps]
    count = len(told) // 2
    assert told[1:3] == ["a black image, as a check", "the input, untouched"]
    assert not any("left" in text for text in told[:count])  # nothing is known yet
    assert all(text.endswith("slow, about 50 s left") for text in told[-1:])
    assert told[count].endswith("about 50 s left")


def test_consistency_is_measured_before_rounding(samples: list[Sample]) -> None:
    """Repeated pixels, reduced again, are the input itself; rounding would hide a 0.2 or add it."""
    methods: dict[str, module.Method] = {
        "repeated": lambda image, _: np.repeat(np.repeat(image, 4, 0), 4, 1),
        "a fifth brighter": lambda image, _: np.repeat(np.repeat(image + 0.2 / 255, 4, 0), 4, 1),
    }
    evaluation = finish(evaluate_steps(samples[:1], area_protocol(4), methods))
    assert evaluation.summary("IHC", "repeated").consistency < 1e-4
    brighter = evaluation.summary("IHC", "a fifth brighter")
    assert brighter.consistency == pytest.approx(0.2, abs=1e-3)
    assert brighter.psnr == evaluation.summary("IHC", "repeated").psnr  # rounded away


def test_the_study_s_protocol_compares_scaled_filters(samples: list[Sample]) -> None:
    protocol = study_protocol()
    evaluation = finish(evaluate_steps(samples[:1], protocol, baselines(protocol)))
    assert not evaluation.refused
    for method in ("do nothing", "unsharp mask", "Richardson-Lucy", "Wiener"):
        assert 1 < evaluation.summary("IHC", method).mse < 500
    blurred = evaluation.summary("IHC", module.NOTHING)
    assert blurred.detail < 0.7
    halved = samples[0].sharp.astype(np.float32).reshape(100, 2, 100, 2, 3).mean((1, 3))
    sharp = np.rint(halved).astype(np.uint8)
    again = np.rint(sharp.astype(np.float32).reshape(50, 2, 50, 2, 3).mean((1, 3)) - 1e-3)
    small = [Pillow.fromarray(again[..., k]) for k in range(3)]
    large = np.stack([c.resize((100, 100), Pillow.Resampling.BICUBIC) for c in small], -1)
    assert blurred.mse == pytest.approx(np.mean((large.clip(0, 255) - sharp) ** 2), rel=0.02)
    text = text_table(evaluation)
    assert "40463.4 cannot be" in re.sub(r"\s+", " ", text)


def test_the_optical_protocol_is_harder_than_the_plain_one(samples: list[Sample]) -> None:
    scores = [
        finish(evaluate_steps(samples[:1], p, baselines(p))).summary("IHC", "bicubic").psnr
        for p in (area_protocol(2), optical_protocol(2))
    ]
    assert scores[1] < scores[0] - 1


def test_pairs_may_bring_their_own_input(samples: list[Sample]) -> None:
    sharp = samples[0].sharp
    given = (sharp // 2 + 60).astype(np.uint8)
    evaluation = finish(evaluate_steps([Sample("p", "s", sharp, given)], study_protocol(), {}))
    assert evaluation.summary("s", module.NOTHING).mse == pytest.approx(metrics.mse(given, sharp))
    bad = [Sample("p", "s", sharp, given[:-3])]
    with pytest.raises(MedRefineError, match="not x1"):
        finish(evaluate_steps(bad, study_protocol(), {}))


def test_progress_counts_up_and_the_job_can_be_stopped(samples: list[Sample]) -> None:
    calls: list[str] = []

    def counted(image: Image, scale: float) -> Image:
        calls.append("called")
        return baselines(area_protocol(4))["bicubic"](image, scale)

    job = evaluate_steps(iter(samples), area_protocol(4), {"counted": counted}, total=3)
    steps = [next(job) for _ in range(4)]
    assert all(isinstance(step, Step) for step in steps)
    assert [step.done for step in steps] == [0, 1, 2, 3]
    assert steps[0].total == 12
    assert steps[3].text == "ihc 1: counted"
    job.close()
    assert not calls


def test_the_report_stands_alone(
    samples: list[Sample], magnified: Evaluation, tmp_path: Path
) -> None:
    study = finish(evaluate_steps(samples[:1], study_protocol(), {}))
    paths = write_report([magnified, study], tmp_path / "new" / "folder")
    assert [p.name for p in paths] == [
        "report.csv",
        "report.html",
        "magnify-x4-chart.png",
        "magnify-x4.png",
        "study-sharpen-chart.png",
        "study-sharpen.png",
        "summary.csv",
    ]
    with paths[0].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    unmeasured = {"wrong size", "wrong range"}  # refused before there were numbers
    assert len(rows) == len(magnified.rows) + len(study.rows) + len(unmeasured)
    (row,) = [r for r in rows if (r["image"], r["method"]) == ("ours", "bicubic")]
    (measured,) = [r for r in magnified.rows if (r.image, r.method) == ("ours", "bicubic")]
    assert float(row["psnr"]) == measured.psnr
    assert {r["method"] for r in rows if r["refused"]} == {"forgot the range", *unmeasured}
    page = paths[1].read_text(encoding="utf-8")
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    for picture, path in zip(pictures, paths[2:-1], strict=True):
        inside = np.asarray(Pillow.open(io.BytesIO(base64.b64decode(picture))))
        np.testing.assert_array_equal(inside, np.asarray(Pillow.open(path)))
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "not for diagnosis" in page
    assert "40463.4 cannot be" in page
    assert f"{magnified.summary('IHC', 'bicubic').psnr:.2f}" in page


def test_what_a_method_raises_comes_through(samples: list[Sample]) -> None:
    def broken(image: Image, scale: float) -> Image:
        raise MedRefineError("The weight file is unreadable.")

    with pytest.raises(MedRefineError, match="weight file"):
        finish(evaluate_steps(samples, area_protocol(4), {"broken": broken}))


def test_nothing_to_evaluate_is_said(samples: list[Sample]) -> None:
    with pytest.raises(MedRefineError, match="no images"):
        finish(evaluate_steps([], study_protocol(), {}))
    with pytest.raises(MedRefineError, match="too small"):
        finish(
            evaluate_steps([Sample("tiny", "s", samples[0].sharp[:8, :8])], area_protocol(4), {})
        )
    with pytest.raises(MedRefineError, match="whole scale"):
        area_protocol(2.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", [study_protocol(), optical_protocol(2, noise=0.5)])
def test_tuned_filters_beat_their_defaults_on_images_they_have_not_seen(
    samples: list[Sample], protocol: Protocol
) -> None:
    tuned = finish(tune_steps(samples[:1], protocol))
    assert [name.partition(" (")[0] for name in tuned] == list(module.baselines(study_protocol()))

    def plain(method: module.Method) -> module.Method:
        large = baselines(area_protocol(2))["bicubic"]
        return lambda image, scale: method(large(image, scale), 1)

    defaults = {k: plain(m) for k, m in baselines(study_protocol()).items()}
    evaluation = finish(evaluate_steps(samples[1:2], protocol, defaults | tuned))
    for default, name in zip(defaults, tuned, strict=True):
        better = evaluation.summary("IHC", name).psnr
        assert better >= evaluation.summary("IHC", default).psnr
        assert better > evaluation.summary("IHC", module.NOTHING).psnr


def test_tuning_needs_images() -> None:
    with pytest.raises(MedRefineError, match="tune"):
        finish(tune_steps([], study_protocol()))


def test_one_bright_pixel_does_not_give_the_input_another_white() -> None:
    dim = (immunohistochemistry()[:128, :128] * 13.0).astype(np.uint16)  # below 4095
    bright = dim.copy()
    bright[60, 60] = 20_000
    protocol = area_protocol(4)
    found = [
        finish(evaluate_steps([Sample("a", "s", image)], protocol, baselines(protocol)))
        for image in (dim, bright)
    ]
    assert not found[1].refused
    without, with_it = (one.summary("s", "bicubic").mse for one in found)
    assert without < with_it < without + 4  # the pixel itself, white, is an error, too
