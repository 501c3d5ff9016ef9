"""Hard registration cases with truth, made from the real photos: what microscopes do to pictures.

Every case takes a field and its overview and makes one or both worse: the camera turned any way,
the ratio up to 7 % off, the overview out of focus, strong shading and a colour cast, JPEG 75,
noise, smears or specks of dirt on a quarter to half of the field, the overview cut so that only a
third of the field is on it, one of 16 bits and grey. The photos' own lenses distort (slides 3, 4).
A case is a function of its number alone.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from napari_medrefine.registration.placement import similarity, transform

NOMINAL = {"10x": 2.5, "40x": 10.0}
KINDS = (
    "turned",
    "focus",
    "shaded",
    "smeared",
    "specks",
    "hanging",
    "grey16",
    "turned+hanging",
    "turned+smeared",
    "all",
)

Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """A field, an overview, and which points of the one lie where on the other (NaN: nowhere)."""

    name: str
    kind: str
    objective: str
    overview: Array
    field: Array
    ratio: float
    angle: tuple[float, float]
    here: Array
    there: Array

    def error(self, points: Array) -> float:
        """Return the root mean square distance in overview pixels of `points` from the truth."""
        return float(np.sqrt(np.nanmean(((points - self.there) ** 2).sum(1))))


def hard_cases(folder: Path, count: int = 40, kinds: tuple[str, ...] = KINDS) -> Iterator[Case]:
    """Yield `count` cases made from the photos in `folder`, the kinds in turn."""
    rows = json.loads((folder / "truth.json").read_text())["photos"]
    for number in range(count):
        row = rows[(number * 11 + number // len(rows)) % len(rows)]
        yield make_case(folder, row, kinds[number % len(kinds)], number)


def make_case(folder: Path, row: dict, kind: str, seed: int) -> Case:
    """Return the photos of `row`, made worse as `kind` says."""
    rng = np.random.default_rng(seed)
    overview = np.asarray(Image.open(folder / row["overview"]))
    field = np.asarray(Image.open(folder / row["field"]))
    here, there = np.array(row["field_points"]), np.array(row["overview_points"])
    angle = (-15.0, 15.0)
    if "turned" in kind or kind == "all":
        field, here = turned(field, here, rng.uniform(-180, 180), rng.uniform(0.95, 1.05))
        angle = (-180.0, 180.0)
    if kind in ("focus", "all"):
        overview = blurred(overview, rng.uniform(1, 2.4))
    if kind in ("shaded", "all"):
        overview, field = shaded(overview, rng), shaded(field, rng)
        overview, field = (jpeg(noisy(image, rng), 75) for image in (overview, field))
    if "smeared" in kind:
        field = smeared(field, rng, rng.uniform(0.25, 0.5))
    if kind == "specks":
        field = specks(field, rng, rng.uniform(0.25, 0.5))
    if kind == "all":
        dirt = (smeared, specks)[seed // len(KINDS) % 2]
        field = dirt(field, rng, 0.25)
    if "hanging" in kind:
        overview, there = cut(overview, there[np.isfinite(here).all(1)], there, rng)
    if kind == "grey16":
        field = (field.mean(-1) * 257).astype(np.uint16)
    name = f"{Path(row['field']).stem} {kind}"
    ratio = NOMINAL[row["objective"]]
    return Case(name, kind, row["objective"], overview, field, ratio, angle, here, there)


def turned(image: Array, points: Array, degrees: float, zoom: float) -> tuple[Array, Array]:
    """Return the middle of `image` as a camera turned by `degrees` has it, and its points."""
    shape = (1900, 2500)
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


def blurred(image: Array, sigma: float) -> Array:
    """Return `image` out of focus."""
    return np.stack([ndimage.gaussian_filter(image[..., c], sigma) for c in range(3)], -1)


def shaded(image: Array, rng: np.random.Generator) -> Array:
    """Return `image` under a tilted lamp of another colour."""
    rows, cols = (np.linspace(-1, 1, n, dtype=np.float32) for n in image.shape[:2])
    light = 1 - rng.uniform(0.1, 0.35) * (rows[:, None] ** 2 + cols**2) / 2
    light += rng.uniform(-0.2, 0.2) * rows[:, None] + rng.uniform(-0.2, 0.2) * cols
    cast = rng.uniform(0.75, 1.1, 3).astype(np.float32)
    return np.clip(image * light[..., None] * cast, 0, 255).astype(np.uint8)


def noisy(image: Array, rng: np.random.Generator) -> Array:
    """Return `image` with noise of five grey levels."""
    noise = rng.standard_normal(image.shape, np.float32) * 5
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def jpeg(image: Array, quality: int) -> Array:
    """Return `image` as it comes back from a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def smeared(image: Array, rng: np.random.Generator, share: float) -> Array:
    """Return `image` with out-of-focus smears over `share` of it."""
    small = (image.shape[0] // 16, image.shape[1] // 16)
    ground = ndimage.gaussian_filter(rng.standard_normal(small), rng.uniform(4, 14))
    mask = (ground > np.quantile(ground, 1 - share)).astype(np.float32)
    fine = ndimage.gaussian_filter(rng.standard_normal(small), 1)
    tint = rng.uniform(20, 140, 3) + 25 * (fine / fine.std())[..., None]
    return _painted(image, tint, ndimage.gaussian_filter(mask, 0.6))


def specks(image: Array, rng: np.random.Generator, share: float) -> Array:
    """Return `image` with dark and bright specks of 10 to 150 pixels' radius over `share` of it."""
    small = (image.shape[0] // 4, image.shape[1] // 4)
    rows, cols = np.ogrid[: small[0], : small[1]]
    mask = np.zeros(small, np.float32)
    tint = np.zeros((*small, 3), np.float32)
    while mask.mean() < share:
        row, col = rng.uniform(0, small[0]), rng.uniform(0, small[1])
        radius = np.exp(rng.uniform(np.log(10), np.log(150))) / 4
        disc = (rows - row) ** 2 + (cols - col) ** 2 < radius**2
        mask[disc] = 1
        tint[disc] = rng.uniform(10, 120, 3) if rng.random() < 0.8 else rng.uniform(215, 255, 3)
    return _painted(image, tint, ndimage.gaussian_filter(mask, 1.0))


def _painted(image: Array, tint: Array, alpha: Array) -> Array:
    rows, cols = (
        np.minimum(np.arange(n) * m // n, m - 1)
        for n, m in zip(image.shape[:2], alpha.shape, strict=True)
    )
    over = alpha[rows[:, None], cols][..., None].astype(np.float32)
    return np.clip(image * (1 - over) + tint[rows[:, None], cols] * over, 0, 255).astype(np.uint8)


def cut(
    overview: Array, corners: Array, there: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return the part of `overview` on which only a third of what `corners` span lies."""
    low, high = corners.min(0), corners.max(0)
    share = rng.uniform(0.33, 0.4)
    near = np.round(low + (high - low) * share).astype(int)
    far = np.round(high - (high - low) * share).astype(int)
    side = rng.integers(4)
    if side == 0:
        return overview[: near[0]], there
    if side == 1:
        return overview[:, : near[1]], there
    if side == 2:
        return overview[far[0] :], there - [far[0], 0]
    return overview[:, far[1] :], there - [0, far[1]]
