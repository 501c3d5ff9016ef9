"""The benchmark's verdicts and pages: a number that falls short is called short."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from napari_medrefine.compare.evaluate import Summary

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SLIDES = ("one", "two")
PSNR = {
    "do nothing": 20.0,
    "bicubic": 25.0,
    "Lanczos": 25.2,
    "back-projection": 26.0,
    "bicubic, a = -0.75": 25.2,
    "back-projection, a = -0.75": 26.1,
    "unsharp mask, tuned": 25.8,
    "faithful": 28.5,
    "GAN": 26.3,
    "photo weights": 28.6,
    "photo GAN": 26.4,
}
MSE = {"do nothing": 90.0, "unsharp mask, tuned": 70.0, "faithful": 60.0, "GAN": 66.0}


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import superres_publish
        import superres_results
        import superres_tables
        import superres_tracks
        import superres_verdicts

        module = ModuleType("bench")
        parts = superres_publish, superres_results, superres_tables, superres_tracks
        for part in (*parts, superres_verdicts):
            module.__dict__.update(vars(part))
        yield module
        for name in [n for n in sys.modules if n.startswith("superres_")]:
            del sys.modules[name]


def summary(slide: str, method: str, *, study: bool) -> Summary:
    ssim = 0.9 if method in ("faithful", "photo weights") else 0.8
    detail = 0.95 if method == "GAN" else 0.5
    return Summary(
        slide, method, 3, MSE.get(method, 50.0), PSNR[method], ssim, detail, 2.0, 0.1,
        0.5 if study else 0.03, 22.0, 0.1,
    )  # fmt: skip


@pytest.fixture
def results(bench: ModuleType) -> object:
    domains = dict.fromkeys(SLIDES, "held out") | {bench.IHC: "other stain"}
    known = bench.Results(3, {}, {}, domains, dict.fromkeys(bench.CHECKS, 0.0), {})
    for name in bench.TRACKS:
        study = name.startswith("study")
        names = [m for m in PSNR if m in MSE or not (study or m.startswith("photo"))]
        names += [m for m in PSNR if m.startswith("photo") and name in bench.LIKE_PHOTOS]
        rows = tuple(summary(s, m, study=study) for s in domains for m in names)
        known.tracks[name] = bench.Track("", rows, {s: {} for s in (*domains, bench.ALL_SLIDES)})
    return known


def short(bench: ModuleType, results: object) -> set[int]:
    return {v.line for v in bench.verdicts(results) if v.holds is False}


def test_all_is_well_with_networks_that_reach_every_target(
    bench: ModuleType, results: object
) -> None:
    assert short(bench, results) == set()
    assert {v.line for v in bench.verdicts(results)} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("track", "slide", "method", "change", "line"),
    [
        ("x4-bicubic", "two", "faithful", {"psnr": 27.3}, 1),  # 2.3 times the gain
        ("x4", "two", "faithful", {"psnr": 26.7}, 1),
        ("x2", "one", "faithful", {"psnr": 25.9}, 1),
        ("x4", "one", "Lanczos", {"ssim": 0.91}, 1),
        ("x4-optical", "immunohistochemistry (other stain)", "faithful", {"psnr": 25.9}, 1),
        ("x4-optical", "one", "faithful", {"psnr": 27.9}, 2),
        ("x4-optical", "one", "unsharp mask, tuned", {"psnr": 27.6}, 2),
        ("x4-camera", "two", "photo weights", {"psnr": 25.7}, 2),
        ("study-tiles", "two", "faithful", {"mse": 64.2}, 3),
        ("study", "two", "unsharp mask, tuned", {"mse": 59.0}, 3),
        ("study-tiles", "one", "do nothing", {"mse": 59.0}, 3),
        ("x4", "one", "GAN", {"detail": 0.79}, 4),
        ("x4-optical", "two", "GAN", {"detail": 1.11}, 4),
        ("x4", "two", "GAN", {"psnr": 25.9}, 4),
        ("x2", "two", "GAN", {"consistency": 0.06}, 4),
        ("study", "two", "faithful", {"shift": 0.21}, 5),
    ],
)
def test_each_number_that_falls_short_is_called_short(
    bench: ModuleType, results: object, track: str, slide: str, method: str, change: dict, line: int
) -> None:
    before = results.tracks[track]
    rows = tuple(
        replace(s, **change) if (s.slide, s.method) == (slide, method) else s
        for s in before.summaries
    )
    assert rows != before.summaries
    results.tracks[track] = replace(before, summaries=rows)
    assert line in short(bench, results)


def test_noise_in_the_input_need_not_come_back(bench: ModuleType, results: object) -> None:
    before = results.tracks["x4-optical"]
    rows = tuple(replace(s, consistency=1.5) for s in before.summaries)
    results.tracks["x4-optical"] = replace(before, summaries=rows)
    assert short(bench, results) == set()


def test_results_survive_the_disk(bench: ModuleType, results: object, tmp_path: Path) -> None:
    bench.save(results, tmp_path / "results.json")
    assert bench.load(tmp_path / "results.json") == results


def test_pages_are_filled_between_their_markers_only(bench: ModuleType, results: object) -> None:
    results.tuned.update({t: {"unsharp mask": {"amount": 2.0}} for t in bench.TRACKS})
    results.study.update({"one": {"both on 0-255": 30.0}})
    texts = bench.blocks(results, bench.verdicts(results))
    page = "before\n<!-- figures: magnifying -->\nold\n<!-- end of figures -->\nafter\n"
    once = bench.filled(page, texts)
    assert once.startswith("before\n<!-- figures: magnifying -->\n|")
    assert once.endswith("<!-- end of figures -->\nafter\n")
    assert "28.50" in once
    assert "old" not in once
    assert bench.filled(once, texts) == once
    for path in bench.PAGES:  # every block has its place
        for name in re.findall(r"<!-- figures: (\w+) -->", path.read_text()):
            assert name in texts
