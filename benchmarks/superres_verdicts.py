"""What must hold of the networks, checked line by line against what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from napari_medrefine import magnify, sharpen
from napari_medrefine.compare.filters import bicubic
from napari_medrefine.compare.protocols import STUDY_MSE
from napari_medrefine.images import Image
from superres_results import Results
from superres_tracks import BACK, FAITHFUL, GAN, HELD_OUT, IHC, PHOTO, TUNED

X4 = ("x4-bicubic", "x4", "x4-optical")
MAGNIFY = (*X4, "x2")
NOISELESS = ("x2", "x4", "x4-bicubic")
WHITE = "white stays white: largest change, grey levels"
GREY = "grey stays grey: largest change, grey levels"
SHARPEN_OFF = "sharpen at strength 0: largest change"
MAGNIFY_OFF = "magnify at strength 0: faithful against GAN"
AGAIN = "the same call again: largest difference"
CHECKS = {WHITE: 0, GREY: 1, SHARPEN_OFF: 0, MAGNIFY_OFF: 0, AGAIN: 0}  # grey may be rounded


@dataclass(frozen=True)
class Verdict:
    """One claim: the target, the worst that was measured and where, and whether it holds.

    `holds` is None where nothing is demanded and the number is shown only.
    """

    line: int
    claim: str
    target: str
    measured: str
    holds: bool | None

    @property
    def word(self) -> str:
        return {True: "holds", False: "SHORT", None: "shown"}[self.holds]


def verdicts(results: Results) -> list[Verdict]:
    """Return a verdict for each part of the lines 1 to 5 of what must hold."""
    return [
        *_magnifying(results),
        *_optical(results),
        *_study(results),
        *_gan(results),
        *_colours(results),
    ]


def _worst(
    results: Results,
    tracks: tuple[str, ...],
    slides: tuple[str, ...],
    value: Callable[[str, str], float],
    *,
    least: bool = True,
) -> tuple[float, str]:
    """Return the smallest (or largest) value over tracks and slides, and where it is."""
    found = [(value(t, s), f"{t}, {s}") for t in tracks for s in slides if s in results.domains]
    return (min if least else max)(found)


def _at_least(
    line: int, claim: str, limit: float, worst: tuple[float, str], unit: str = ""
) -> Verdict:
    measured = f"{worst[0]:.2f}{unit} ({worst[1]})"
    return Verdict(line, claim, f">= {limit:g}{unit}", measured, worst[0] >= limit)


def _more_than_nothing(line: int, claim: str, worst: tuple[float, str], unit: str) -> Verdict:
    digits = 4 if unit == "" else 2
    measured = f"{worst[0]:+.{digits}f}{unit} ({worst[1]})"
    return Verdict(line, claim, f"> 0{unit}", measured, worst[0] > 0)


def _ahead(results: Results, method: str) -> Callable[[str, str], float]:
    """Return by how much `method` is above back-projection."""

    def difference(track: str, slide: str) -> float:
        found = results.tracks[track]
        return found.of(slide, method).psnr - found.back_projection(slide)

    return difference


def _ahead_of_filters(results: Results, method: str) -> Callable[[str, str], float]:
    """Return by how much `method` is above the best tuned filter."""

    def difference(track: str, slide: str) -> float:
        found = results.tracks[track]
        return found.of(slide, method).psnr - found.best_filter(slide).psnr

    return difference


def _structure(results: Results, method: str) -> Callable[[str, str], float]:
    """Return by how much the SSIM of `method` is above that of all that is no network."""

    def difference(track: str, slide: str) -> float:
        found = results.tracks[track]
        plain = [m for m in found.methods if m == BACK or "," in m or m in ("bicubic", "Lanczos")]
        return found.of(slide, method).ssim - max(found.of(slide, m).ssim for m in plain)

    return difference


def _magnifying(results: Results) -> Iterator[Verdict]:
    held_out = results.slides(HELD_OUT)
    others = tuple(s for s in results.domains if s not in held_out)

    def gain(track: str, slide: str) -> float:
        return results.tracks[track].gain(slide, FAITHFUL)

    for track, limit, how in (("x4-bicubic", 2.4, "bicubic"), ("x4", 1.8, "area averaging")):
        claim = f"x4 by {how}: gain over bicubic / back-projection's"
        yield _at_least(1, claim, limit, _worst(results, (track,), held_out, gain))
    ahead = _ahead(results, FAITHFUL)
    worst = _worst(results, MAGNIFY, others, ahead)
    yield _at_least(1, "out of domain: PSNR over back-projection", 0, worst, " dB")
    worst = _worst(results, ("x2",), held_out, ahead)
    yield _more_than_nothing(1, "x2: PSNR over back-projection", worst, " dB")

    structure = _structure(results, FAITHFUL)
    worst = _worst(results, MAGNIFY, held_out, structure)
    yield _more_than_nothing(1, "SSIM over the best filter's, held out", worst, "")
    worst = _worst(results, MAGNIFY, others, structure)
    yield _more_than_nothing(1, "SSIM over the best filter's, out of domain", worst, "")


def _optical(results: Results) -> Iterator[Verdict]:
    held_out, track = results.slides(HELD_OUT), ("x4-optical",)
    found = results.tracks["x4-optical"]
    worst = _worst(results, track, held_out, lambda _, s: found.gain(s, FAITHFUL))
    yield _at_least(2, "optical: gain over bicubic / back-projection's", 3, worst)

    worst = _worst(results, track, held_out, _ahead_of_filters(results, FAITHFUL))
    yield _at_least(2, "optical: PSNR over the best tuned filter", 1, worst, " dB")
    camera, whose = ("x4-camera",), "camera, photo weights:"
    worst = _worst(results, camera, held_out, _ahead_of_filters(results, PHOTO))
    yield _more_than_nothing(2, f"{whose} PSNR over the best tuned filter", worst, " dB")
    worst = _worst(results, camera, held_out, _structure(results, PHOTO))
    yield _more_than_nothing(2, f"{whose} SSIM over the best filter's", worst, "")


def _study(results: Results) -> Iterator[Verdict]:
    held_out = results.slides(HELD_OUT)
    known = (*held_out, IHC)
    for track, judged in (("study-tiles", True), ("study", False)):
        found = results.tracks[track]
        tuned = [m for m in found.methods if m.endswith(TUNED)]
        worst = max((found.of(s, FAITHFUL).mse, s) for s in known)
        holds = worst[0] < STUDY_MSE if judged else None
        note = "" if judged else " (0.5 um pixels: not judged)"
        claim, measured = f"{track}: MSE, faithful{note}", f"{worst[0]:.2f} ({worst[1]})"
        yield Verdict(3, claim, f"< {STUDY_MSE}", measured, holds)
        for slides, others, what in (
            (known, ["do nothing"], "the untouched blur's"),
            (held_out, tuned, "the best tuned filter's"),
        ):
            less = min(
                (min(found.of(s, m).mse for m in others) - found.of(s, FAITHFUL).mse, s)
                for s in slides
            )
            measured = f"{less[0]:+.2f} ({less[1]})"
            yield Verdict(3, f"{track}: MSE below {what} by", "> 0", measured, less[0] > 0)


def _gan(results: Results) -> Iterator[Verdict]:
    slides = (*results.slides(HELD_OUT), IHC)
    every = tuple(results.domains)

    def detail(track: str, slide: str) -> float:
        return results.tracks[track].of(slide, GAN).detail

    low, high = (_worst(results, X4, slides, detail, least=least) for least in (True, False))
    measured = f"{low[0]:.2f} ({low[1]}) to {high[0]:.2f} ({high[1]})"
    holds = low[0] >= 0.8 and high[0] <= 1.1
    yield Verdict(4, "GAN: fine detail against the truth's, x4", "0.8 to 1.1", measured, holds)
    worst = _worst(results, X4, slides, _ahead(results, GAN))
    yield _at_least(4, "GAN: PSNR over back-projection, x4", 0, worst, " dB")
    for method in (FAITHFUL, GAN):

        def contradiction(track: str, slide: str, method: str = method) -> float:
            return results.tracks[track].of(slide, method).consistency

        for tracks, how, judged in (
            (NOISELESS, "before rounding, inputs without noise", True),
            (("x4-optical", "x4-camera"), "inputs with noise", False),
        ):
            worst = _worst(results, tracks, every, contradiction, least=False)
            holds = worst[0] <= 0.05 if judged else None
            claim, measured = f"{method}: consistency, {how}", f"{worst[0]:.3f} ({worst[1]})"
            yield Verdict(4, claim, "<= 0.05" if judged else "-", measured, holds)


def _colours(results: Results) -> Iterator[Verdict]:
    every = tuple(results.domains)
    for method in (FAITHFUL, GAN):

        def shift(track: str, slide: str, method: str = method) -> float:
            return results.tracks[track].of(slide, method).shift

        worst = _worst(results, tuple(results.tracks), every, shift, least=False)
        measured = f"{worst[0]:.3f} ({worst[1]})"
        claim = f"{method}: mean colour, grey levels"
        yield Verdict(5, claim, "<= 0.2", measured, worst[0] <= 0.2)
    for claim, value in results.checks.items():
        limit = CHECKS[claim]
        yield Verdict(5, claim, f"<= {limit:g}" if limit else "0", f"{value:g}", value <= limit)


def colour_checks() -> dict[str, float]:
    """Return by how many grey levels white, grey, strength 0 and a repeated call differ."""
    image = bicubic(np.random.default_rng(0).integers(60, 250, (12, 15, 3), np.uint8), 8)
    found = {}
    for claim, level in ((WHITE, 255), (GREY, 128)):
        plain = np.full((64, 80, 3), level, np.uint8)
        found[claim] = max(_change(result, plain) for result in _results(plain))
    off = [sharpen(image, strength=0, realism=r) for r in (0.0, 1.0)]
    found[SHARPEN_OFF] = max(_change(result, image) for result in off)
    off = [magnify(image, s, strength=0, realism=r) for s in (2, 3, 4) for r in (0.0, 1.0)]
    found[MAGNIFY_OFF] = max(_change(a, b) for a, b in zip(off[::2], off[1::2], strict=True))
    pairs = zip(_results(image), _results(image), strict=True)
    found[AGAIN] = max(_change(a, b) for a, b in pairs)
    return found


def _results(image: Image) -> Iterator[Image]:
    for realism in (0.0, 1.0):
        yield sharpen(image, realism=realism)
        for scale in (2, 3, 4):
            yield magnify(image, scale, realism=realism)


def _change(result: Image, reference: Image) -> float:
    """Return the largest difference; a plain reference stands for any size."""
    if result.shape != reference.shape:
        reference = reference[:1, :1]
    return float(np.abs(result.astype(float) - reference.astype(float)).max())
