"""Fits what tells bicubic reduction from averaging, and writes the file that ships.

usage: python benchmarks/tell_reductions.py ../shared/data/fields [--each N] [--test]

--each   of how many fields one is used (2)
--test   writes nothing: how often the shipped file is right, on the test slides and on
         scikit-image's immunohistochemistry()

Fields are reduced as they are and after blur of up to 2.1 sensor pixels at x4, as they are stained
and with other dyes. Prints how often each reduction is recognised where both are possible: by the
generator's output alone, and with what the other slides taught of spectra.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from skimage import data

from napari_medrefine._records import write_record
from napari_medrefine.photos import read_photo
from napari_medrefine.superres import origin
from napari_medrefine.superres.consistency import KINDS, Reduction, borne_out, is_bicubic, is_sure
from napari_medrefine.superres.optics import Degradation, defocus, degrade, restain
from napari_medrefine.superres.ready import ready_generator
from napari_medrefine.superres.reduction_spectrum import (
    LEAST,
    TOLD_FILE,
    ReductionOdds,
    ReductionTelling,
    spectrum_levels,
)

SCALES = (4,)  # at x2 and x3 averaged slides were told worse than by the output alone
BLURS = (0.0, 0.4, 0.7, 1.0, 1.4, 2.1)  # sensor pixels at x4
PENALTY = 1e-4
# Pictures of scikit-image: what holds of slides only is not to be learned.
TAUGHT = ("coffee", "astronaut", "chelsea", "rocket", "retina")
TESTED = ("immunohistochemistry",)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A reduced field, as what tells reductions apart sees it."""

    slide: str
    blur: float
    bicubic: bool
    share: float
    ratio: float
    levels: Floats


def cases_of(slide: str, number: int, image: npt.NDArray[np.uint8], scale: int) -> list[Case]:
    torch.set_num_threads(1)
    rng = np.random.default_rng(zlib.crc32(f"{slide}{scale}{number}".encode()))
    height, width = (side // scale * scale for side in image.shape[:2])
    unit = image[:height, :width].astype(np.float32) / 255
    return [
        case_of(
            slide, blur, degrade(sharp, Degradation(float(scale), sampling=kind), rng), kind, scale
        )
        for blur in BLURS
        for stained in (unit, restain(unit, rng))
        for sharp in (np.asarray(defocus(stained, blur * scale / 4) if blur else stained),)
        for kind in KINDS
    ]


def case_of(
    slide: str, blur: float, small: npt.NDArray[np.floating], kind: str, scale: int
) -> Case:
    seen = np.rint(small * 255).astype(np.uint8)
    levels = spectrum_levels(origin._window(seen, origin._WIDE)[0].numpy())
    assert levels is not None
    return Case(slide, blur, kind == "bicubic", *output_of(seen, scale), levels)


def output_of(seen: npt.NDArray[np.uint8], scale: int) -> tuple[float, float]:
    """Return share and log ratio, as `is_bicubic` wants them."""
    generator = ready_generator("magnify")
    with torch.inference_mode():
        shades = origin._window(seen)
        residual = generator.sub_pixels(shades, scale).float()
        told = [
            borne_out(way.lacking(shades), way.reduced(residual))
            for way in (Reduction(kind, scale) for kind in KINDS)
        ]
    shares, rests = zip(*told, strict=True)
    return min(shares), float(np.log(rests[0] / rests[1]))


def fit(cases: list[Case], scale: int) -> ReductionOdds:
    """Fit a logistic regression with a small penalty on standardised slopes."""
    seen = np.array([(case.ratio, *case.levels) for case in cases])
    sign = np.array([1.0 if case.bicubic else -1.0 for case in cases])
    mean, spread = seen.mean(0), seen.std(0) + 1e-9
    design = np.column_stack([np.ones(len(seen)), (seen - mean) / spread])
    slopes = np.r_[0.0, np.ones(seen.shape[1])]

    def loss(weights: Floats) -> tuple[float, Floats]:
        margin = sign * (design @ weights)
        value = np.logaddexp(0, -margin).mean() + PENALTY * (slopes * weights**2).sum()
        pull = -sign / (1 + np.exp(np.clip(margin, -50, 50)))
        return value, design.T @ pull / len(sign) + 2 * PENALTY * slopes * weights

    found = minimize(loss, np.zeros(design.shape[1]), jac=True, options={"maxiter": 5000}).x
    steep = found[1:] / spread
    return ReductionOdds(
        scale=scale,
        constant=round(float(found[0] - mean @ steep), 4),
        output=round(float(steep[0]), 4),
        levels=tuple(round(float(x), 4) for x in steep[1:]),
    )


def judged(
    right: Callable[[Case, int], bool], cases: list[Case], scale: int
) -> npt.NDArray[np.bool_]:
    return np.array([right(case, scale) for case in cases])


def told(cases: list[Case], right: npt.NDArray[np.bool_]) -> str:
    """Return how often a kind was recognised, by blur."""
    parts = (
        f"{kind}, blur {blur:g}: {100 * right[chosen].mean():.1f} %"
        for kind in KINDS
        for blur in BLURS
        if (chosen := [c.bicubic == (kind == "bicubic") and c.blur == blur for c in cases])
    )
    return f"{100 * right.mean():.1f} % ({'; '.join(parts)})"


def alone(case: Case, scale: int) -> bool:
    """Return whether the generator's output alone is right."""
    return is_bicubic(scale, case.share, case.ratio, None) == case.bicubic


def with_spectrum(case: Case, scale: int) -> bool:
    """Return whether what ships is right."""
    return is_bicubic(scale, case.share, case.ratio, case.levels) == case.bicubic


def of_slide(
    name: str, cases: list[Case], right: npt.NDArray[np.bool_]
) -> tuple[list[Case], npt.NDArray[np.bool_]]:
    mine = [case.slide == name for case in cases]
    return [case for case in cases if case.slide == name], right[mine]


def left_out(cases: list[Case], scale: int) -> Floats:
    """Return the log odds of each case by what the other slides teach."""
    found = np.zeros(len(cases))
    for slide in {case.slide for case in cases}:
        odds = fit([case for case in cases if case.slide != slide], scale)
        for number, case in enumerate(cases):
            if case.slide == slide:
                found[number] = odds.of(case.ratio, case.levels)
    return found


def tell_test(cases: list[Case], scale: int) -> None:
    """Print how often what ships is right on pictures that it was not fitted on."""
    print(f"x{scale}, by the output alone: {told(cases, judged(alone, cases, scale))}")
    right = judged(with_spectrum, cases, scale)
    for name in dict.fromkeys(case.slide for case in cases):
        print(f"x{scale}, {name}: {told(*of_slide(name, cases, right))}", flush=True)


def learned(cases: list[Case], scale: int) -> ReductionOdds:
    """Fit, and print how often slides are right by what the others taught."""
    odds = left_out(cases, scale)
    right = [
        (case.ratio if is_sure(case.share, case.ratio) else odd) * (1 if case.bicubic else -1) > 0
        for case, odd in zip(cases, odds, strict=True)
    ]
    print(f"x{scale}, by the output alone: {told(cases, judged(alone, cases, scale))}")
    print(f"x{scale}, with the spectrum: {told(cases, np.array(right))}", flush=True)
    return fit(cases, scale)


def images_of(folder: Path, each: int) -> dict[str, list[npt.NDArray[np.uint8]]]:
    slides = sorted(path for path in folder.iterdir() if path.is_dir())
    return {
        slide.name: [
            np.asarray(read_photo(file).image, np.uint8)[..., :3]
            for file in sorted(p for p in slide.iterdir() if p.suffix in (".png", ".jpg"))[::each]
        ]
        for slide in slides
    }


def ordinary(names: tuple[str, ...], scale: int) -> dict[str, list[npt.NDArray[np.uint8]]]:
    """Return pictures that ship with scikit-image, mirrored beyond their borders if small."""
    return {name: [large_enough(getattr(data, name)(), scale)] for name in names}


def large_enough(image: npt.NDArray[np.uint8], scale: int) -> npt.NDArray[np.uint8]:
    lacking = [(0, max(0, LEAST * scale - side)) for side in image.shape[:2]]
    return np.pad(image[..., :3], (*lacking, (0, 0)), mode="reflect")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", type=int, default=2)
    parser.add_argument("--test", action="store_true")
    arguments = parser.parse_args()
    side = "test" if arguments.test else "train"
    fields = images_of(arguments.folder / side, arguments.each)
    others = TESTED if arguments.test else TAUGHT
    fitted = []
    with ProcessPoolExecutor(2) as pool:
        for scale in SCALES:
            pictures = fields | ordinary(others, scale)
            jobs = [(name, k, x) for name, found in pictures.items() for k, x in enumerate(found)]
            made = pool.map(cases_of, *zip(*jobs, strict=True), [scale] * len(jobs))
            cases = [case for part in made for case in part]
            if arguments.test:
                tell_test(cases, scale)
            else:
                fitted.append(learned(cases, scale))
    if fitted:
        telling = ReductionTelling(slides=(*fields, *TAUGHT), odds=tuple(fitted))
        write_record(TOLD_FILE, telling.model_dump(mode="json"))


if __name__ == "__main__":
    main()
