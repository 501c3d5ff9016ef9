"""Glands and vessels: star-shaped bodies with a wall, a lumen, and nuclei along the outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from napari_medrefine.samples.cells import (
    EPITHELIAL,
    FIBROBLAST,
    FOVEOLAR,
    Cells,
    Doubles,
    joined,
    nuclei,
    red_cells,
)
from napari_medrefine.samples.noise import Floats, grain, hashed, step
from napari_medrefine.samples.tissue import Tissue

_HARMONICS = np.arange(2, 7)


@dataclass(frozen=True, slots=True)
class Organ:
    """One gland or vessel; micrometres and radians.

    Attributes
    ----------
    kind : {"gland", "vessel"}
        What it is.
    place : tuple of float
        Centre (y, x).
    axes : tuple of float
        Half axes of the ellipse it is made from.
    angle : float
        Direction of the first axis, from +x towards +y.
    waves : (5, 2) array
        Amplitude and phase of the outline's harmonics 2 to 6.
    wall : float
        Thickness of the epithelium or of the vessel's wall.
    seed : int
        For its texture.
    """

    kind: Literal["gland", "vessel"]
    place: tuple[float, float]
    axes: tuple[float, float]
    angle: float
    waves: Doubles
    wall: float
    seed: int

    @property
    def reach(self) -> float:
        """A radius that surely contains it."""
        return max(self.axes) * (1 + float(np.abs(self.waves[:, 0]).sum())) + 3

    def radius(self, theta: npt.NDArray[np.floating]) -> Floats:
        """Return the outline's radius in the directions `theta` (in its own frame)."""
        a, b = self.axes
        ellipse = a * b / np.hypot(b * np.cos(theta), a * np.sin(theta))
        waves = sum(w * np.cos(k * theta + p) for k, (w, p) in zip(_HARMONICS, self.waves, strict=True))
        return (ellipse * (1 + waves)).astype(np.float32)

    def polar(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Return the depth below the outline (negative outside) and the direction of points."""
        dy, dx = y - np.float32(self.place[0]), x - np.float32(self.place[1])
        theta = np.arctan2(dy, dx) - np.float32(self.angle)
        return self.radius(theta) - np.hypot(dy, dx), theta


def organs(tissue: Tissue, rng: np.random.Generator) -> list[Organ]:
    """Return the glands and vessels of a slide; none overlap."""
    glands = _spread("gland", tissue, 112.0, rng)
    vessels = _spread("vessel", tissue, 190.0, rng)
    return glands + [v for v in vessels if all(_apart(v, g) for g in glands)]


def _apart(one: Organ, other: Organ) -> bool:
    distance = np.hypot(one.place[0] - other.place[0], one.place[1] - other.place[1])
    return bool(distance > one.reach + other.reach + 4)


def _spread(
    kind: Literal["gland", "vessel"], tissue: Tissue, spacing: float, rng: np.random.Generator
) -> list[Organ]:
    rows, cols = int(tissue.size_um[0] / (0.87 * spacing)), int(tissue.size_um[1] / spacing)
    r, c = np.mgrid[:rows, :cols].reshape(2, -1)
    place = np.column_stack([(r + 0.5) * 0.87 * spacing, (c + 0.25 + 0.5 * (r % 2)) * spacing])
    place += rng.uniform(-0.09, 0.09, place.shape) * spacing
    made = [_organ(kind, (float(y), float(x)), rng) for y, x in place]
    ground = tissue.ground(*place.astype(np.float32).T)
    if kind == "gland":
        wanted = (ground.glandular > 0.6) & (rng.random(len(made)) < 0.93)
    else:
        wanted = (ground.glandular < 0.9) & (rng.random(len(made)) < 0.5)
    room = ground.inside > [o.reach + 6 for o in made]
    return [o for o, yes in zip(made, wanted & room, strict=True) if yes]


def _organ(
    kind: Literal["gland", "vessel"], place: tuple[float, float], rng: np.random.Generator
) -> Organ:
    gland = kind == "gland"
    minor = rng.uniform(30, 44) if gland else rng.choice([9, 13, 18, 30, 48]) * rng.uniform(0.8, 1.2)
    stretch = rng.uniform(1.0, 1.25) if gland else rng.uniform(1.0, 1.9)
    fade = np.array([0.07, 0.05, 0.04, 0.025, 0.02]) * (1.0 if gland else 0.8)
    waves = np.column_stack([rng.normal(0, 1, 5).clip(-1.8, 1.8) * fade, rng.uniform(0, 6.283, 5)])
    wall = rng.uniform(17, 24) if gland else 2.0 + 0.22 * minor
    axes = (float(minor * stretch), float(minor))
    return Organ(
        kind, place, axes, rng.uniform(0, 6.283), waves, float(wall), int(rng.integers(2**31))
    )


def taken(scene: list[Organ], size_um: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Return where no other cell fits: one sample per micrometre."""
    mask = np.zeros((int(size_um[0]) + 1, int(size_um[1]) + 1), np.bool_)
    for organ in scene:
        low = [max(0, int(p - organ.reach)) for p in organ.place]
        high = [min(n, int(p + organ.reach) + 2) for p, n in zip(organ.place, mask.shape, strict=True)]
        where = (slice(low[0], high[0]), slice(low[1], high[1]))
        y, x = np.mgrid[where].astype(np.float32)
        mask[where] |= organ.polar(y, x)[0] > -2
    return mask


def residents(organ: Organ, rng: np.random.Generator) -> tuple[Cells, Cells]:
    """Return the nuclei of the organ's wall, and the red cells in its lumen."""
    if organ.kind == "gland":
        basal = _along(organ, 4.4, (6.5, 1.3), rng)
        second = _along(organ, 11.0, (11.5, 1.8), rng)
        kind = EPITHELIAL if organ.seed % 5 else FOVEOLAR
        parts = [nuclei(kind, *basal, rng), nuclei(kind, *second, rng)]
        return joined(parts), red_cells(np.zeros((0, 2)), rng)
    lining = _along(organ, 13.0, (organ.wall - 0.8, 0.3), rng)
    muscle = _along(organ, 17.0, (0.45 * organ.wall, 0.15 * organ.wall), rng)
    parts = [nuclei(FIBROBLAST, place, angle + np.pi / 2, rng) for place, angle in (lining, muscle)]
    return joined(parts), red_cells(_filling(organ, rng), rng)


def _along(
    organ: Organ, spacing: float, depth: tuple[float, float], rng: np.random.Generator
) -> tuple[Doubles, Doubles]:
    """Return points about `spacing` apart along the outline, `depth` below it, and their normals."""
    theta = np.linspace(0, 2 * np.pi, 721)
    r = organ.radius(theta).astype(np.float64) - depth[0]
    outline = np.column_stack([r * np.sin(theta + organ.angle), r * np.cos(theta + organ.angle)])
    arc = np.concatenate([[0], np.hypot(*np.diff(outline, axis=0).T).cumsum()])
    n = max(3, round(arc[-1] / spacing))
    at = (np.arange(n) + rng.uniform(-0.28, 0.28, n)) * arc[-1] / n % arc[-1]
    tangent = np.gradient(outline, axis=0)
    normal = np.arctan2(-tangent[:, 1], tangent[:, 0])
    point = np.column_stack([np.interp(at, arc, outline[:, k]) for k in (0, 1)])
    nearest = np.searchsorted(arc, at).clip(0, 720)
    inward = rng.normal(0, depth[1], n).clip(-1.6 * depth[1], 1.6 * depth[1])
    unit = -point / np.maximum(np.hypot(*point.T), 1e-6)[:, None]
    return point + inward[:, None] * unit + organ.place, normal[nearest]


def _filling(organ: Organ, rng: np.random.Generator) -> Doubles:
    """Return places for red cells: most vessels hold a few clumps of them, some are empty."""
    side = np.arange(-organ.reach, organ.reach, 5.6)
    grid = np.stack(np.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2)
    place = grid + rng.uniform(-1.6, 1.6, grid.shape) + organ.place
    y, x = place.astype(np.float32).T
    free = organ.polar(y, x)[0] > organ.wall + 3.2
    crowd = grain(y, x, (26.0, 26.0), organ.seed) + 0.5 < rng.uniform(0.1, 0.95)
    return place[free & crowd]


def paint(organ: Organ, y: Floats, x: Floats, stains: Floats, edge_um: float) -> None:
    """Paint the organ's wall and lumen over `stains`, ``(3, h, w)``: nuclear, eosin, red cells."""
    depth, theta = organ.polar(y, x)
    edge = max(0.5, edge_um)
    cover = step(depth, -edge, edge)
    body = _gland(organ, depth, theta, edge) if organ.kind == "gland" else _vessel(organ, depth, edge, y, x)
    for stain, painted in zip(stains, body, strict=False):
        stain += cover * (painted - stain)
    # A basement membrane, or the adventitia: a thin denser line around.
    stains[1] += np.float32(0.25) * np.exp(-((depth / max(1.0, edge)) ** 2))


def _gland(organ: Organ, depth: Floats, theta: Floats, edge: float) -> tuple[Floats, Floats]:
    """Return nuclear and eosin density: cells side by side, some with a pale goblet of mucin."""
    arc = theta * np.float32(np.mean(organ.axes) / 7.0)
    cell = np.floor(arc).astype(np.int64)
    luck, height = hashed(organ.seed, cell), hashed(organ.seed + 1, cell)
    across = np.abs(arc - np.floor(arc) - np.float32(0.5)) * 2
    apex = np.float32(organ.wall) + 3 * (height - np.float32(0.5))
    mucin = np.float32((organ.seed % 7) / 9) > luck
    bulge = np.hypot(across * 1.15, (depth - apex + np.float32(6.5)) / np.float32(6.0))
    goblet = mucin * step(1 - bulge, -0.04, 0.30)
    border = step(across, 0.78, 1.0) * np.float32(0.10 if edge < 1 else 0.05)
    grainy = grain(depth, arc * 7, (2.1, 1.5), organ.seed) * np.float32(0.16)
    eosin = np.float32(0.34) + border + grainy + np.float32(0.10) * step(depth, 13, 19)
    nuclear = np.float32(0.13) + 0.3 * grainy
    lumen = step(depth - apex, -edge, edge)
    eosin = (eosin - np.float32(0.26) * goblet) * (1 - lumen) + np.float32(0.025) * lumen
    nuclear = (nuclear - np.float32(0.04) * goblet) * (1 - lumen) + np.float32(0.012) * lumen
    return nuclear, eosin


def _vessel(
    organ: Organ, depth: Floats, edge: float, y: Floats, x: Floats
) -> tuple[Floats, Floats]:
    """Return nuclear and eosin density: a wall of circular fibres, an empty lumen."""
    lumen = step(depth - np.float32(organ.wall), -edge, edge)
    fibres = grain(depth, x + y, (1.8, 14.0), organ.seed)
    eosin = np.float32(0.52) * (1 + np.float32(0.7) * fibres)
    return np.zeros_like(depth) + np.float32(0.03), eosin * (1 - lumen) + np.float32(0.03) * lumen
