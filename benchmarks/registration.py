"""Registration on hard cases made from the real photos, with truth, beside OpenCV's keypoints.

usage: python benchmarks/registration.py ../shared/data/photos44 [--cases N] [--mismatch] [--peers]

Every case takes a field and its overview and makes both worse in ways a microscope does: camera
turned any way, ratio up to 7 % off, overview out of focus, shading, colour cast, JPEG, noise, dirt
on a quarter to half of the field, the overview cut so that only a third of the field is on it,
grey-scale, 16 bit, lens distortion (in the photos themselves). The seed is the case's number.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from napari_medrefine import Overview
from napari_medrefine.registration.placement import similarity, transform

NOMINAL = {"10x": 2.5, "40x": 10.0}
KINDS = ("turned", "blurred", "shaded", "dirty", "hanging", "grey16", "all")


@dataclass(frozen=True)
class Case:
    """A field, an overview, and which points of the one lie where on the other."""

    name: str
    overview: np.ndarray
    field: np.ndarray
    ratio: float
    angle: tuple[float, float]
    here: np.ndarray
    there: np.ndarray


def make_case(folder: Path, row: dict, kind: str, seed: int) -> Case:
    """Return the photos of `row`, made worse as `kind` says."""
    rng = np.random.default_rng(seed)
    overview = np.asarray(Image.open(folder / row["overview"]))
    field = np.asarray(Image.open(folder / row["field"]))
    here, there = np.array(row["field_points"]), np.array(row["overview_points"])
    angle = (-15.0, 15.0)
    if kind in ("turned", "all"):
        field, here = turned(field, here, rng.uniform(-180, 180), rng.uniform(0.95, 1.05))
        angle = (-180.0, 180.0)
    if kind in ("blurred", "all"):
        overview = blurred(overview, rng.uniform(1, 2.4))
    if kind in ("shaded", "all"):
        overview, field = shaded(overview, rng), shaded(field, rng)
        overview, field = (jpeg(noisy(image, rng), 75) for image in (overview, field))
    if kind in ("dirty", "all"):
        field = dirty(field, rng, 0.25 if kind == "all" else rng.uniform(0.25, 0.5))
    if kind == "hanging":
        overview, there = cut(overview, there, rng)
    if kind == "grey16":
        field = (field.mean(-1) * 257).astype(np.uint16)
    name = f"{row['field'][:-4]} {kind}"
    return Case(name, overview, field, NOMINAL[row["objective"]], angle, here, there)


def turned(image: np.ndarray, points: np.ndarray, degrees: float, zoom: float):
    """Return the middle of `image` photographed again with the camera turned."""
    shape = (1900, 2500)
    if min(image.shape[:2]) < 2000:
        shape = (image.shape[0] * 2 // 3, image.shape[1] * 2 // 3)
    middle = (np.array(image.shape[:2]) - 1) / 2
    back = similarity(zoom, degrees, (np.array(shape) - 1) / 2, middle)
    channels = [
        ndimage.affine_transform(
            image[..., c], back[:2, :2], back[:2, 2], shape, order=1, mode="reflect"
        )
        for c in range(3)
    ]
    moved = transform(np.linalg.inv(back), points)
    inside = ((moved >= 0) & (moved < shape)).all(1)
    return np.stack(channels, -1), np.where(inside[:, None], moved, np.nan)


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    return np.stack([ndimage.gaussian_filter(image[..., c], sigma) for c in range(3)], -1)


def shaded(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return `image` under a tilted lamp of another colour."""
    rows, cols = (np.linspace(-1, 1, n, dtype=np.float32) for n in image.shape[:2])
    light = 1 - rng.uniform(0.1, 0.35) * (rows[:, None] ** 2 + cols**2) / 2
    light += rng.uniform(-0.2, 0.2) * rows[:, None] + rng.uniform(-0.2, 0.2) * cols
    cast = rng.uniform(0.75, 1.1, 3).astype(np.float32)
    return np.clip(image * light[..., None] * cast, 0, 255).astype(np.uint8)


def noisy(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(image.shape, np.float32) * 5
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def dirty(image: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Return `image` with out-of-focus specks and smears over `share` of it."""
    small = (image.shape[0] // 16, image.shape[1] // 16)
    ground = ndimage.gaussian_filter(rng.standard_normal(small), rng.uniform(4, 14))
    mask = (ground > np.quantile(ground, 1 - share)).astype(np.float32)
    mask = ndimage.gaussian_filter(mask, 0.6)
    fine = ndimage.gaussian_filter(rng.standard_normal(small), 1)
    tint = rng.uniform(20, 140, 3) + 25 * (fine / fine.std())[..., None]
    grow = [np.linspace(0, n - 1, m) for n, m in zip(small, image.shape[:2], strict=True)]
    index = np.round(grow[0]).astype(int)[:, None], np.round(grow[1]).astype(int)
    alpha = mask[index][..., None]
    return np.clip(image * (1 - alpha) + tint[index] * alpha, 0, 255).astype(np.uint8)


def cut(overview: np.ndarray, there: np.ndarray, rng: np.random.Generator):
    """Return the part of `overview` on which only a third of the field lies."""
    low, high = there.min(0), there.max(0)
    edge = np.round(low + (high - low) * rng.uniform(0.33, 0.4)).astype(int)
    height, width = overview.shape[:2]
    side = rng.integers(4)
    if side == 0:
        return overview[: edge[0]], there
    if side == 1:
        return overview[:, : edge[1]], there
    edge = np.round(high - (high - low) * rng.uniform(0.33, 0.4)).astype(int)
    if side == 2:
        return overview[edge[0] : height], there - [edge[0], 0]
    return overview[:, edge[1] : width], there - [0, edge[1]]


def error_of(matrix_points: np.ndarray, there: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(((matrix_points - there) ** 2).sum(1))))  # NaN: not there


def peer(case: Case, detector: str) -> tuple[float, float]:
    """Return the error and the time of OpenCV keypoints on the field reduced by its ratio."""
    import cv2

    make = cv2.SIFT_create(20000) if detector == "SIFT" else cv2.ORB_create(20000)
    grey = [i if i.ndim == 2 else i[..., :3].mean(-1) for i in (case.overview, case.field)]
    large = grey[0].astype(np.uint8)
    size = tuple(round(n / case.ratio) for n in case.field.shape[1::-1])
    white = 257 if case.field.dtype == np.uint16 else 1
    small = cv2.resize((grey[1] / white).astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    start = time.perf_counter()
    (k0, d0), (k1, d1) = (make.detectAndCompute(i, None) for i in (large, small))
    matcher = cv2.BFMatcher(cv2.NORM_L2 if detector == "SIFT" else cv2.NORM_HAMMING)
    pairs = [p for p in matcher.knnMatch(d1, d0, 2) if len(p) == 2]
    good = [a for a, b in pairs if a.distance < 0.8 * b.distance]
    found = None
    if len(good) >= 4:
        found, _ = cv2.estimateAffinePartial2D(
            np.array([k1[m.queryIdx].pt for m in good]),
            np.array([k0[m.trainIdx].pt for m in good]),
            ransacReprojThreshold=2,
            maxIters=20000,
        )
    spent = time.perf_counter() - start
    if found is None:
        return np.inf, spent
    xy = ((case.here + 0.5) / np.array(case.field.shape[:2]) * size[::-1] - 0.5)[:, ::-1]
    return error_of((xy @ found[:, :2].T + found[:, 2])[:, ::-1], case.there), spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=42)
    parser.add_argument("--only", default="", help="kinds, comma-separated")
    parser.add_argument("--mismatch", action="store_true", help="also each field mirrored")
    parser.add_argument("--peers", action="store_true", help="also SIFT and ORB (needs OpenCV)")
    options = parser.parse_args()
    rows = json.loads((options.folder / "truth.json").read_text())["photos"]
    errors, false = [], 0
    for number in range(options.cases):
        kind = KINDS[number % len(KINDS)]
        row = rows[(number * 11 + number // len(rows)) % len(rows)]
        if options.only and kind not in options.only.split(","):
            continue
        case = make_case(options.folder, row, kind, number)
        start = time.perf_counter()
        overview = Overview(case.overview)
        ready = time.perf_counter()
        place = overview.register(case.field, ratio=case.ratio, angle=case.angle)
        spent = time.perf_counter() - ready
        error = error_of(place.to_overview(case.here), case.there)
        wrong = place.accepted and not error < 1
        errors.append(error if place.accepted else np.inf)
        line = f"{case.name:26} {'accepted' if place.accepted else 'REFUSED '} {error:9.3f} px"
        line += f" score {place.score:.2f} {ready - start:.1f} + {spent:.1f} s"
        line += f" {'WRONG ' if wrong else ''}{'' if place.accepted else place.reason}"
        if options.peers:
            line += "".join(f" {k} {peer(case, k)[0]:.2f} px" for k in ("SIFT", "ORB"))
        if options.mismatch:
            mirrored = overview.register(
                np.ascontiguousarray(case.field[:, ::-1]), ratio=case.ratio, angle=case.angle
            )
            false += mirrored.accepted
            line += " MIRROR ACCEPTED" if mirrored.accepted else ""
        print(line, flush=True)
    found = np.array(errors)[np.array(errors) < 1]
    print(f"found {len(found)} of {len(errors)}, median {np.median(found):.3f} px; {false} false")


if __name__ == "__main__":
    main()
