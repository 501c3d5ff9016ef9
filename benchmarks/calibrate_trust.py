"""Fits and calibrates a trust map on training slides, and writes the file that ships.

usage: python benchmarks/calibrate_trust.py ../shared/data/fields [--pair photo] [--each N]
       [--report | --test]

--pair    which weights: those that ship as the default (shipped), or those for photos (photo)
--report  also prints coverage (of colour values) and rank correlation (of blocks) of every slide
          and track, each slide predicted and calibrated by the others only
--test    writes nothing: the shipped map on the test slides and on scikit-image's
          immunohistochemistry(), through the public function

Tracks: as ../shared/tools/score_superres.py makes them, and one degradation drawn as in training,
of fields that get other dyes or are out of focus, as there. For photos the blur that cameras see,
and no clean reduction, which no objective makes, but in what is drawn; for the default weights no
blur beyond what they were trained with.
"""

from __future__ import annotations

import argparse
import zlib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from napari_medrefine import magnify, sharpen, trust_map
from napari_medrefine._records import write_record
from napari_medrefine.compare.protocols import CAMERA_BLUR
from napari_medrefine.photos import read_photo
from napari_medrefine.progress import finish
from napari_medrefine.superres.data import SOFTEST
from napari_medrefine.superres.models import list_models, load_model
from napari_medrefine.superres.optics import (
    Degradation,
    defocus,
    degrade,
    random_blur,
    random_reduction,
    restain,
)
from napari_medrefine.superres.trust import two_opinions_steps
from napari_medrefine.superres.trust_blocks import Floats, block_edges, block_means
from napari_medrefine.superres.trust_features import FEATURES, features_steps
from napari_medrefine.superres.trust_fit import (
    TrustSample,
    fit_knot,
    left_out,
    margins_of,
)
from napari_medrefine.superres.trust_model import LEVELS, TRUST_FILES, TrustModel

Pixels = npt.NDArray[np.uint8]
# Scale -> side of the crops. Sharpening and small scales cost the most per pixel of the result.
SIDES = {1.0: 256, 2.0: 320, 3.0: 432, 4.0: 512, 10.0: 960}
REALISMS = (0.0, 0.5, 1.0)
MODELS = {"shipped": None, "photo": "photo-faithful"}
CLEAN = ("area", "bicubic")
SHARPEST = 0.56  # camera pixels of blur: the default weights were trained with no more


def scales_of(pair: str) -> list[float]:
    """Return what a pair of weights does; those for photos do not sharpen."""
    return [scale for scale in SIDES if scale > 1 or MODELS[pair] is None]


def tracks_of(
    pair: str, scale: float, rng: np.random.Generator
) -> dict[str, tuple[int, Degradation]]:
    """Return the `tracks` that a pair of weights is for."""
    kinds = tracks(scale, rng)
    if MODELS[pair] is None:
        kinds.pop("camera", None)
        while scale > 1 and kinds["random"][1].sigma > SHARPEST * scale:
            kinds["random"] = (1, random_reduction(rng, scale))
        return kinds
    middle = Degradation(scale, 0.7 * scale, noise=1.5)
    return {k: v for k, v in kinds.items() if k not in CLEAN} | {"between": (1, middle)}


def tracks(scale: float, rng: np.random.Generator) -> dict[str, tuple[int, Degradation]]:
    """Name of a track -> how far the field is reduced before all, and how it is degraded."""
    if scale == 1:
        halved = Degradation(2.0, same_size=True)
        return {
            "study": (2, halved),
            "halved": (1, halved),
            "defocus": (1, Degradation(1.0, 1.5, noise=1.0, same_size=True)),
            "random": (int(rng.integers(1, 3)), random_blur(rng)),
        }
    return {
        "area": (1, Degradation(scale)),
        "bicubic": (1, Degradation(scale, sampling="bicubic")),
        "optical": (1, Degradation(scale, 1.85 * scale / 4, noise=1.5)),
        "camera": (1, Degradation(scale, CAMERA_BLUR * scale / 4, noise=1.5)),
        "random": (1, random_reduction(rng, scale)),
    }


def samples_of(slide: Path, pair: str, scale: float, each: int) -> dict[float, list[TrustSample]]:
    """Realism -> generated fields of one slide, with the errors of their blocks."""
    files = sorted(p for p in slide.iterdir() if p.suffix in (".png", ".jpg"))
    found: dict[float, list[TrustSample]] = {realism: [] for realism in REALISMS}
    rng = np.random.default_rng(zlib.crc32(f"{slide.name} {scale}".encode()))
    for number in range(min(each, len(files))):
        file = files[number * len(files) // min(each, len(files))]
        field = np.asarray(read_photo(file).image, np.uint8)[..., :3]
        for track, (reduced, how) in tracks_of(pair, scale, rng).items():
            if track == "random" and number % 3:  # a third as often as what is measured
                continue
            sharp = crop(field, SIDES[scale] * reduced, rng)
            if track == "random":
                sharp = varied(sharp, rng)
            if reduced > 1:
                sharp = degraded(sharp, Degradation(reduced), rng)
            seen = degraded(sharp, how, rng)
            pictures = {r: generate(seen, pair, scale, r) for r in REALISMS}
            two = finish(two_opinions_steps(seen, scale, pictures, MODELS[pair]))
            features = finish(features_steps(seen, *two))
            for realism, picture in pictures.items():
                error = errors(picture, sharp)
                found[realism].append(TrustSample(slide.name, track, features, error))
    return found


def varied(sharp: Pixels, rng: np.random.Generator) -> Pixels:
    """Return another stain, out of focus, or both, or neither: as training has them."""
    unit = sharp.astype(np.float32) / 255
    if rng.random() < 0.5:
        unit = restain(unit, rng)
    if rng.random() < 0.5:
        unit = defocus(unit, rng.uniform(0, SOFTEST))
    return np.asarray(np.rint(255 * unit), np.uint8)


def crop(field: Pixels, side: int, rng: np.random.Generator) -> Pixels:
    row, column = (int(rng.integers(0, length - side + 1)) for length in field.shape[:2])
    return field[row : row + side, column : column + side]


def degraded(image: Pixels, how: Degradation, rng: np.random.Generator) -> Pixels:
    return np.asarray(np.rint(255 * degrade(image.astype(np.float32) / 255, how, rng)), np.uint8)


def generate(seen: Pixels, pair: str, scale: float, realism: float) -> Pixels:
    if scale == 1:
        return np.asarray(sharpen(seen, realism=realism), np.uint8)
    return np.asarray(magnify(seen, scale, realism=realism, model=MODELS[pair]), np.uint8)


def errors(picture: Pixels, sharp: Pixels) -> Pixels:
    return np.abs(picture.astype(np.int16) - sharp).astype(np.uint8)


def blocks_of(plane: npt.NDArray[np.floating], times: int = 1) -> npt.NDArray[np.float64]:
    """Return the means of a picture's blocks, or of squares of `times` x `times`, in a row."""
    edges = [block_edges(length)[::times] for length in plane.shape[:2]]
    return block_means(plane[: int(edges[0][-1]), : int(edges[1][-1])], *edges).ravel()


def all_samples(folder: Path, pair: str, each: int) -> dict[tuple[float, float], list[TrustSample]]:
    """(Scale, realism) -> generated fields of every slide."""
    slides = sorted(p for p in folder.iterdir() if p.is_dir())
    jobs = [(slide, pair, scale, each) for scale in scales_of(pair) for slide in slides]
    found: dict[tuple[float, float], list[TrustSample]] = {}
    with ProcessPoolExecutor(2, initializer=one_thread) as pool:
        results = pool.map(samples_of, *zip(*jobs, strict=True))
        for (slide, _, scale, _), made in zip(jobs, results, strict=True):
            print(f"  x{scale:g} {slide.name}", flush=True)
            for realism, samples in made.items():
                found.setdefault((scale, realism), []).extend(samples)
    return found


def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def report(samples: list[TrustSample], predicted: list[Floats], title: str) -> None:
    """Print coverage at 90 %, calibrated on the other slides, and rank correlation."""
    names = list(dict.fromkeys(s.track for s in samples))
    slides = sorted({s.slide for s in samples})
    at = LEVELS.index(0.9)
    table, ranks = np.zeros((2, len(slides), len(names)))
    for i, slide in enumerate(slides):
        others = [k for k, s in enumerate(samples) if s.slide != slide]
        margin = margins_of([samples[k] for k in others], [predicted[k] for k in others])[at]
        for j, track in enumerate(names):
            own = [k for k, s in enumerate(samples) if (s.slide, s.track) == (slide, track)]
            made = [(samples[k].error, predicted[k] * np.exp(margin)) for k in own]
            table[i, j], ranks[i, j] = scored(made)[:2]
    print(f"\n{title}: coverage at 90 % | rank correlation; by track: {', '.join(names)}")
    for slide, row, rank in zip(slides, table, ranks, strict=True):
        cover, order = (" ".join(f"{v:.3f}" for v in line) for line in (row, rank))
        print(f"  {slide:26s} {cover} | {order}")
    off = np.sqrt(np.mean((table - 0.9) ** 2))
    print(
        f"  mean {table.mean():.3f}, root mean square off 0.9 {off:.3f}; "
        f"rank {ranks.mean():.2f}, least {ranks.min():.2f}",
        flush=True,
    )


def calibrate(folder: Path, pair: str, each: int, full: bool) -> None:
    found = all_samples(folder / "train", pair, each)
    knots = []
    for (scale, realism), samples in found.items():
        predicted = left_out(samples)
        knots.append(fit_knot(samples, scale, realism, predicted))
        if full:
            report(samples, predicted, f"x{scale:g}, realism {realism:g}")
    model = TrustModel(
        models={name: load_model(name).card.sha256 for name in weights_of(pair)},
        features=FEATURES,
        slides=tuple(sorted({s.slide for samples in found.values() for s in samples})),
        knots=tuple(knots),
    )
    write_record(TRUST_FILES[pair], model.model_dump(mode="json"))


def weights_of(pair: str) -> list[str]:
    """Return the names of the weights that ship in a pair; the default ones also sharpen."""
    return [n for n in list_models() if n.startswith("photo") == (MODELS[pair] is not None)]


def test(folder: Path, pair: str, each: int) -> None:
    """Print coverage and rank correlation of the shipped map on slides nothing was fitted on."""
    from skimage.data import immunohistochemistry

    slides = {
        slide.name: [np.asarray(read_photo(f).image, np.uint8) for f in sorted(slide.iterdir())]
        for slide in sorted(p for p in (folder / "test").iterdir() if p.is_dir())
    }
    slides["immunohistochemistry"] = [immunohistochemistry()]
    print("realism 0 and 1: coverage at 90 % | rank correlation of blocks of 16 | 32 | 64 pixels")
    for scale in sorted({4.0, 2.0, 1.0} & set(scales_of(pair)), reverse=True):
        for name, fields in slides.items():
            found: dict[tuple[str, float], list[tuple[Pixels, Pixels]]] = {}
            for number, field in enumerate(fields[:each]):
                for track, made in tested(field[..., :3], pair, scale, number).items():
                    found.setdefault(track, []).append(made)
            for track in dict.fromkeys(key[0] for key in found):
                scores = [scored(found[track, realism]) for realism in (0.0, 1.0)]
                parts = (" ".join(f"{v:.3f}" for v in part) for part in zip(*scores, strict=True))
                print(f"  x{scale:g} {name:24s} {track:8s} {' | '.join(parts)}", flush=True)


def tested(field: Pixels, pair: str, scale: float, number: int) -> dict[tuple[str, float], tuple]:
    """(Track, realism) -> true errors of one field, and what the map says."""
    rng, found = np.random.default_rng(number), {}
    for track, (reduced, how) in tracks_of(pair, scale, rng).items():
        if track == "random":
            continue
        side = 16 * int(min(*field.shape[:2], 960) // (16 * reduced))
        sharp = crop(field, side * reduced, rng)
        sharp = degraded(sharp, Degradation(reduced), rng) if reduced > 1 else sharp
        seen = degraded(sharp, how, rng)
        for realism in (0.0, 1.0):
            picture = generate(seen, pair, scale, realism)
            told = trust_map(seen, scale, realism=realism, model=MODELS[pair], generated=picture)
            found[track, realism] = errors(picture, sharp), told
    return found


def scored(fields: list[tuple]) -> tuple[float, ...]:
    """Return coverage of all colour values, and rank correlations of blocks, of some fields."""
    covered = [(true <= told[..., None]).mean() for true, told in fields]
    return float(np.mean(covered)), *(ranked(fields, times) for times in (1, 2, 4))


def ranked(fields: list[tuple], times: int) -> float:
    """Return the rank correlation over squares of `times` x `times` blocks."""
    pairs = [(blocks_of(true.mean(2), times), blocks_of(told, times)) for true, told in fields]
    true, told = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return float(spearmanr(true, told).statistic)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pair", choices=list(MODELS), default="shipped")
    parser.add_argument("--each", type=int, default=3)
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--test", action="store_true")
    options = parser.parse_args()
    if options.test:
        test(options.folder, options.pair, options.each)
        return
    calibrate(options.folder, options.pair, options.each, options.report)


if __name__ == "__main__":
    main()
