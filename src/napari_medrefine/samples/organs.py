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

Kind = Literal["gland", "vessel"]


@dataclass(frozen=True, slots=True)
class Organ:
    """One gland or vessel; micrometres and radians.

    Attributes
    ----------
    kind : {"gland", "vessel"}
        What it is.
    place : tuple of float
        Centre (y, x).
    angle : float
        Direction 0 of `profile`, from +x towards +y.
    profile : (361,) float32 array
        Radius of the outline in each whole degree, 0 to 360.
    wall : float
        Thickness of the epithelium or of the vessel's wall.
    seed : int
        For its texture.
    """

    kind: Kind
    place: tuple[float, float]
    angle: float
    profile: Floats
    wall: float
    seed: int

    @property
    def reach(self) -> float:
        """A radius that surely contains it."""
        return float(self.profile.max()) + 1

    def polar(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Return the depth below the outline (negative outside) and the direction of points."""
        dy, dx = y - np.float32(self.place[0]), x - np.float32(self.place[1])
        theta = (np.arctan2(dy, dx) - np.float32(self.angle)) % np.float32(2 * np.pi)
        radius = np.interp(theta, np.radians(np.arange(361)), self.profile).astype(np.float32)
        return radius - np.hypot(dy, dx), theta


def organs(tissue: Tissue, rng: np.random.Generator) -> list[Organ]:
    """Return the glands and vessels of a slide; none overlap."""
    area = tissue.size_um[0] * tissue.size_um[1]
    vessel: list[Kind] = ["vessel"]
    gland: list[Kind] = ["gland"]
    kinds = vessel * round(area / 30_000) + gland * round(area / 2_500)
    place = rng.uniform(0, 1, (len(kinds), 2)) * tissue.size_um
    ground = tissue.ground(*place.astype(np.float32).T)
    fits = np.where(np.array(kinds) == "gland", ground.glandular > 0.6, ground.glandular < 0.97)
    kept: list[Organ] = []
    taken_up = np.zeros((len(kinds), 3))
    for k in np.flatnonzero(fits & (ground.inside > 20)):
        organ = _organ(kinds[k], (float(place[k, 0]), float(place[k, 1])), rng)
        others = taken_up[: len(kept)]
        room = np.hypot(*(others[:, :2] - place[k]).T) - others[:, 2] > organ.reach + 5
        if room.all() and ground.inside[k] > organ.reach + 6:
            taken_up[len(kept)] = *place[k], organ.reach
            kept.append(organ)
    return kept


def _organ(kind: Kind, place: tuple[float, float], rng: np.random.Generator) -> Organ:
    gland = kind == "gland"
    minor = float(rng.uniform(27, 50) if gland else rng.choice([8, 12, 18, 30, 46]))
    minor *= float(rng.uniform(0.85, 1.15))
    major = minor * (rng.uniform(1.0, 1.9) if gland else rng.uniform(1.0, 2.2))
    wall = min(rng.uniform(16, 25), 0.62 * minor) if gland else 2.0 + 0.2 * minor
    theta = np.radians(np.arange(361))
    profile = minor * major / np.hypot(minor * np.cos(theta), major * np.sin(theta))
    for k, share in zip(range(2, 8), (0.09, 0.07, 0.05, 0.035, 0.025, 0.015), strict=True):
        size = share * float(np.clip(rng.normal(), -1.8, 1.8))
        profile *= 1 + size * np.cos(k * theta + rng.uniform(0, 6.283))
    angle, seed = float(rng.uniform(0, 6.283)), int(rng.integers(2**31))
    return Organ(kind, place, angle, profile.astype(np.float32), float(wall), seed)


def taken(scene: list[Organ], size_um: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Return where no other cell fits: one sample per micrometre."""
    mask = np.zeros((int(size_um[0]) + 1, int(size_um[1]) + 1), np.bool_)
    for organ in scene:
        low = [max(0, int(p - organ.reach)) for p in organ.place]
        high = [
            min(n, int(p + organ.reach) + 2) for p, n in zip(organ.place, mask.shape, strict=True)
        ]
        where = tuple(slice(a, min(b, n)) for a, b, n in zip(low, high, mask.shape, strict=True))
        y, x = np.mgrid[where].astype(np.float32)
        mask[where] |= organ.polar(y, x)[0] > -4
    return mask


def residents(organ: Organ, rng: np.random.Generator) -> tuple[Cells, Cells]:
    """Return the nuclei of the organ's wall, and the red cells in its lumen."""
    if organ.kind == "gland":
        basal = _along(organ, 4.9, (6.8, 1.2), rng)
        second = _along(organ, 8.0, (0.55 * organ.wall, 1.2), rng)
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
    """Return points about `spacing` apart, `depth` below the outline, and their normals."""
    theta, r = np.radians(np.arange(361)), organ.profile.astype(np.float64) - depth[0]
    outline = np.column_stack([r * np.sin(theta + organ.angle), r * np.cos(theta + organ.angle)])
    arc = np.concatenate([[0], np.hypot(*np.diff(outline, axis=0).T).cumsum()])
    n = max(3, round(arc[-1] / spacing))
    at = (np.arange(n) + rng.uniform(-0.28, 0.28, n)) * arc[-1] / n % arc[-1]
    tangent = np.gradient(outline, axis=0)
    normal = np.arctan2(-tangent[:, 1], tangent[:, 0])
    point = np.column_stack([np.interp(at, arc, outline[:, k]) for k in (0, 1)])
    nearest = np.searchsorted(arc, at).clip(0, 360)
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
    if organ.kind == "gland":
        nuclear, eosin = _gland(organ, depth, theta, edge)
    else:
        nuclear, eosin = _vessel(organ, depth, edge, y + x)
    stains[0] += cover * (nuclear - stains[0])
    stains[1] += cover * (eosin - stains[1])
    # A basement membrane, or the adventitia: a thin denser line around.
    stains[1] += np.float32(0.22) * np.exp(-((depth / max(1.0, edge)) ** 2))


def _gland(organ: Organ, depth: Floats, theta: Floats, edge: float) -> tuple[Floats, Floats]:
    """Return nuclear and eosin density: cells side by side, some with a pale goblet of mucin."""
    mean = float(organ.profile.mean())
    cells = round(mean * 2 * np.pi / 6.5)  # whole, so that the ring closes
    arc = theta * np.float32(cells / (2 * np.pi))
    luck = hashed(organ.seed, np.floor(arc).astype(np.int64) % cells)
    across = np.abs(arc - np.floor(arc) - np.float32(0.5)) * 2
    y, x = (f(theta) * np.float32(mean / 2) for f in (np.sin, np.cos))
    uneven = grain(y, x, (9.0, 9.0), organ.seed + 1) + 0.5 * grain(y, x, (2.6, 2.6), organ.seed + 2)
    apex = np.float32(organ.wall) + 5 * uneven
    mucin = np.float32((organ.seed % 7) / 8) > luck
    bulge = np.hypot(across * 1.1, (depth - apex + np.float32(6.5)) / np.float32(6.0))
    goblet = mucin * step(1 - bulge, -0.04, 0.30)
    border = step(across, 0.70, 1.0) * np.float32(0.13 if edge < 1 else 0.06)
    grainy = grain(depth, y + x, (2.1, 1.3), organ.seed) * np.float32(0.22)
    eosin = np.float32(0.36) + border + grainy + np.float32(0.12) * step(depth - apex, -5, 0)
    nuclear = np.float32(0.12) + 0.3 * grainy
    lumen = step(depth - apex, -edge, edge)
    eosin = (eosin - np.float32(0.28) * goblet) * (1 - lumen) + np.float32(0.02) * lumen
    nuclear = (nuclear - np.float32(0.04) * goblet) * (1 - lumen) + np.float32(0.01) * lumen
    return nuclear, eosin


def _vessel(organ: Organ, depth: Floats, edge: float, along: Floats) -> tuple[Floats, Floats]:
    """Return nuclear and eosin density: a wall of circular fibres, an empty lumen."""
    lumen = step(depth - np.float32(organ.wall), -edge, edge)
    fibres = grain(depth, along, (1.8, 14.0), organ.seed)
    eosin = np.float32(0.52) * (1 + np.float32(0.7) * fibres)
    return np.zeros_like(depth) + np.float32(0.03), eosin * (1 - lumen) + np.float32(0.03) * lumen
