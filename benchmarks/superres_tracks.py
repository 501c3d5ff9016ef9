"""What `superres.py` measures: images, tracks, methods, one job per track and image."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from skimage.data import immunohistochemistry

from napari_medrefine import magnify, sharpen
from napari_medrefine._resample import area_taps, cubic_taps
from napari_medrefine.compare import tune
from napari_medrefine.compare.evaluate import (
    Evaluation,
    Method,
    Row,
    Sample,
    baselines,
    evaluate_steps,
)
from napari_medrefine.compare.protocols import PROTOCOLS
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.photos import as_rgb, find_photos, read_photo
from napari_medrefine.progress import finish
from napari_medrefine.superres.optics import project

TRACKS = ("x4", "x4-bicubic", "x4-optical", "x4-camera", "x2", "study-tiles", "study")
HELD_OUT, OTHER_STAIN, ALSO = "held out", "other stain", "also"
IHC = "immunohistochemistry (other stain)"
FAITHFUL, GAN, BACK, BICUBIC = "faithful", "GAN", "back-projection", "bicubic"
PHOTO, PHOTO_GAN = "photo weights", "photo GAN"  # those for photos, on tracks that are like such
LIKE_PHOTOS = ("x4-optical", "x4-camera")
BACK_SHARP, BICUBIC_SHARP = "back-projection, a = -0.75", "bicubic, a = -0.75"
TUNED, DEFAULT = ", tuned", ", default"
_MOST = 1024  # pixels a side of other people's photos


@dataclass(frozen=True)
class Source:
    """One image to measure on, not read yet; without a path it is scikit-image's."""

    name: str
    slide: str
    domain: str
    path: Path | None = None

    def read(self) -> Image:
        if self.path is None:
            return np.ascontiguousarray(immunohistochemistry())
        image = as_rgb(read_photo(self.path).image)
        if self.domain == ALSO:  # other people's photos may be of any size: their middle
            top, left = (max(0, (n - _MOST) // 2) for n in image.shape[:2])
            image = image[top : top + _MOST, left : left + _MOST]
        return np.ascontiguousarray(image)


def sources(folder: Path, also: Path | None, slides: list[str] | None, each: int) -> list[Source]:
    """Return `each` images of every slide (a sub-folder), spread over it, and what is always shown.

    The last ones are out of the networks' domain: another stain, and whatever is in `also`.
    """
    found = _by_slide(folder, slides, each)
    if not found:
        raise MedRefineError(f"There are no slides (folders of images) in {folder}.")
    found.append(Source("immunohistochemistry", IHC, OTHER_STAIN))
    if also is not None:
        found += [Source(p.name, p.stem, ALSO, p) for p in find_photos(also, recursive=True)]
    return found


def _by_slide(folder: Path, slides: list[str] | None, each: int) -> list[Source]:
    found = []
    for slide in sorted(p for p in folder.iterdir() if p.is_dir()):
        if slides and slide.name not in slides:
            continue
        paths = find_photos(slide)
        chosen = paths[:: max(1, len(paths) // each)][:each]
        found += [Source(p.name, slide.name, HELD_OUT, p) for p in chosen]
    return found


def methods(track: str, tuned: tune.Parameters) -> dict[str, Method]:
    """Return filters, default and tuned, and both networks, as their user calls them."""
    plain = baselines(PROTOCOLS[track]) | _as_opencv() if PROTOCOLS[track].scale > 1 else {}
    best = zip(tuned, tune.tuned_methods(tuned).values(), strict=True)
    found = (
        plain
        | {name + DEFAULT: method for name, method in tune.default_methods().items()}
        | {name + TUNED: method for name, method in best}
    )
    if PROTOCOLS[track].same_size:
        networks: dict[str, Method] = {
            FAITHFUL: lambda image, _: sharpen(image),
            GAN: lambda image, _: sharpen(image, realism=1.0),
        }
    else:
        networks = {FAITHFUL: magnify, GAN: lambda im, scale: magnify(im, scale, realism=1.0)}
    if track in LIKE_PHOTOS:
        networks |= {PHOTO: partial(magnify, model="photo-faithful")}
        networks |= {PHOTO_GAN: partial(magnify, model="photo-faithful", realism=1.0)}
    return found | networks


def _as_opencv() -> dict[str, Method]:
    """Return bicubic and back-projection with OpenCV's cubic kernel, sharper than Pillow's."""
    return {
        BICUBIC_SHARP: lambda image, scale: _back_projected(image, scale, 0),
        BACK_SHARP: lambda image, scale: _back_projected(image, scale, 10),
    }


def _back_projected(image: Image, scale: float, rounds: int) -> Image:
    small = image.shape[:2]
    large = [round(n * scale) for n in small]
    up = [cubic_taps(a, b).dense().astype(np.float32) for a, b in zip(small, large, strict=True)]
    down = [area_taps(b, a).dense().astype(np.float32) for a, b in zip(small, large, strict=True)]
    result = project(image, *up)
    for _ in range(rounds):
        result = result + project(image - project(result, *down), *up)
    return result


def tuned_filters(train: Path, cache: Path | None, workers: int) -> dict[str, tune.Parameters]:
    """Return each track's tuned filters, from one field of every training slide, or from `cache`.

    The cache is good for the same fields and the same parameters tried.
    """
    fields = _by_slide(train, None, 1)
    key = _key(fields)
    if cache is not None and cache.exists():
        kept = json.loads(cache.read_text())
        if kept["key"] == key:
            return {track: dict(kept["tracks"][track]) for track in TRACKS}
    with pool(workers) as processes:
        jobs = [processes.submit(_tune, track, fields) for track in TRACKS]
        found = dict(zip(TRACKS, (job.result() for job in jobs), strict=True))
    if cache is not None:
        cache.write_text(json.dumps({"key": key, "tracks": found}, indent=1) + "\n")
    return found


def _key(fields: Sequence[Source]) -> str:
    code = Path(tune.__file__).read_bytes()
    names = " ".join(f"{source.slide}/{source.name}" for source in fields).encode()
    return hashlib.sha256(code + names).hexdigest()


def _tune(track: str, fields: Sequence[Source]) -> tune.Parameters:
    samples = [Sample(s.name, s.slide, s.read()) for s in fields]
    return finish(tune.parameters_steps(samples, PROTOCOLS[track]))


def pool(workers: int) -> ProcessPoolExecutor:
    """Return processes that use one core each."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def measure(
    images: Sequence[Source], tuned: dict[str, tune.Parameters], workers: int
) -> Iterator[Evaluation]:
    """Yield each track's evaluation, in the order of `TRACKS`."""
    with pool(workers) as processes:
        jobs = {
            processes.submit(_measure, track, source, tuned[track]): (track, n)
            for track in TRACKS
            for n, source in enumerate(images)
        }
        done: dict[str, dict[int, tuple[tuple[Row, ...], dict[str, str]]]] = {}
        waiting = iter(TRACKS)
        track = next(waiting)
        for job in as_completed(jobs):
            name, n = jobs[job]
            done.setdefault(name, {})[n] = job.result()
            while track and len(done.get(track, {})) == len(images):
                yield _joined(track, [done[track][k] for k in range(len(images))])
                track = next(waiting, "")


def _measure(
    track: str, source: Source, tuned: tune.Parameters
) -> tuple[tuple[Row, ...], dict[str, str]]:
    samples = [Sample(source.name, source.slide, source.read())]
    found = finish(evaluate_steps(samples, PROTOCOLS[track], methods(track, tuned)))
    return found.rows, found.refused


def _joined(track: str, parts: list[tuple[tuple[Row, ...], dict[str, str]]]) -> Evaluation:
    rows = tuple(row for part, _ in parts for row in part)
    refused = {name: why for _, part in parts for name, why in part.items()}
    return Evaluation(PROTOCOLS[track], rows, refused, {})
