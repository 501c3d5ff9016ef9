"""Nuclei and red blood cells: who lives where, and what each one looks like."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from napari_medrefine.samples.noise import Floats, smooth, step
from napari_medrefine.samples.tissue import Tissue

Doubles = npt.NDArray[np.float64]
CLUMPS = 7  # chromatin clumps and nucleoli drawn in each nucleus


@dataclass(frozen=True, slots=True)
class Cells:
    """`N` small round or elongated bodies; micrometres and radians.

    Attributes
    ----------
    place : (N, 2) array
        Centre (y, x) on the slide.
    axes : (N, 2) array
        Half length and half width.
    angle : (N,) array
        Direction of the long axis, from +x towards +y.
    density : (N,) array
        Optical density of its stain.
    rim : (N,) array
        Extra density of the membrane (below 0: a pale rim; a red blood cell's pale centre).
    shape : (N, 4) array
        Amplitude and phase of the 2nd and 3rd harmonic of the outline.
    clumps : (N, CLUMPS, 4) array
        Texture inside: place along and across (in half axes), radius (um), relative density.
    """

    place: Floats
    axes: Floats
    angle: Floats
    density: Floats
    rim: Floats
    shape: Floats
    clumps: Floats

    def __len__(self) -> int:
        return len(self.place)

    def chosen(self, which: npt.NDArray[np.generic] | slice) -> Cells:
        """Return the cells that `which` (a mask, indices or a slice) names."""
        return Cells(*(getattr(self, f.name)[which] for f in fields(self)))


def joined(parts: list[Cells]) -> Cells:
    """Return all cells of `parts` as one population."""
    return Cells(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Cells)))


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of nucleus varies: each pair is mean and spread.

    Attributes
    ----------
    length, width : tuple of float
        Half axes in micrometres.
    density : tuple of float
        Haematoxylin density.
    rim : float
        Membrane against body.
    clumping : float
        How coarse the chromatin is.
    turn : float
        Spread of the direction, radians.
    """

    length: tuple[float, float]
    width: tuple[float, float]
    density: tuple[float, float]
    rim: float
    clumping: float
    turn: float


FIBROBLAST = Kind((5.6, 1.6), (1.35, 0.4), (0.80, 0.26), 0.30, 0.35, 0.25)
STROMAL = Kind((3.9, 0.8), (2.6, 0.5), (0.56, 0.18), 0.75, 0.8, 0.7)
LYMPHOCYTE = Kind((2.9, 0.35), (2.65, 0.25), (1.05, 0.2), 0.2, 0.7, 3.0)
EPITHELIAL = Kind((4.5, 0.7), (2.4, 0.3), (0.66, 0.15), 0.65, 0.75, 0.14)
FOVEOLAR = Kind((3.2, 0.4), (2.6, 0.3), (0.52, 0.13), 0.8, 0.8, 0.9)


def nuclei(kind: Kind, place: Doubles, angle: Doubles, rng: np.random.Generator) -> Cells:
    """Return nuclei of one `kind` at `place` whose long axes lie about `angle`."""
    n = len(place)

    def vary(mean_spread: tuple[float, float]) -> Doubles:
        mean, spread = mean_spread
        return mean + spread * np.clip(rng.standard_normal(n), -2, 2)

    harmonics = [rng.normal(0, 0.07, n), rng.uniform(0, 6.283, n)]
    harmonics += [rng.normal(0, 0.05, n), rng.uniform(0, 6.283, n)]
    reach, around = np.sqrt(rng.uniform(0, 0.75, (n, CLUMPS))), rng.uniform(0, 6.283, (n, CLUMPS))
    strength = kind.clumping * rng.normal(0.35, 0.6, (n, CLUMPS)) * rng.uniform(0.4, 1.5, (n, 1))
    radius = rng.uniform(0.35, 0.8, (n, CLUMPS))
    return _cells(
        place=place,
        axes=np.column_stack([vary(kind.length), vary(kind.width)]),
        angle=angle + rng.normal(0, kind.turn, n),
        density=vary(kind.density),
        rim=kind.rim * rng.uniform(0.4, 1.6, n),
        shape=np.column_stack(harmonics),
        clumps=np.stack([reach * np.cos(around), reach * np.sin(around), radius, strength], -1),
    )


def red_cells(place: Doubles, rng: np.random.Generator) -> Cells:
    """Return red blood cells, round to bowl-shaped, paler in the middle."""
    n = len(place)
    side = rng.uniform(2.2, 3.4, n)
    return _cells(
        place=place,
        axes=np.column_stack([rng.uniform(3.0, 3.7, n), side]),
        angle=rng.uniform(0, 6.283, n),
        density=rng.uniform(0.75, 1.15, n),
        rim=rng.uniform(0.05, 0.35, n),
        shape=np.column_stack(
            [rng.normal(0, 0.05, n), rng.uniform(0, 6.283, n)] + [np.zeros(n)] * 2
        ),
        clumps=np.zeros((n, CLUMPS, 4)),
    )


def _cells(**parts: Doubles) -> Cells:
    return Cells(**{name: np.ascontiguousarray(a, np.float32) for name, a in parts.items()})


def stromal_cells(tissue: Tissue, taken: npt.NDArray[np.bool_], rng: np.random.Generator) -> Cells:
    """Return the nuclei of the connective tissue and its lymphocytes.

    Parameters
    ----------
    tissue : Tissue
        Says how crowded each place is and how its fibres run.
    taken : (H, W) bool array
        One sample per micrometre: where glands and vessels leave no room.
    rng : numpy.random.Generator
        The slide's own.
    """
    place = _scattered(tissue.size_um, 6.1, rng)
    whole = np.minimum(place.astype(np.int64), np.array(taken.shape) - 1)
    place = place[~taken[whole[:, 0], whole[:, 1]]]
    y, x = place.astype(np.float32).T
    ground = tissue.ground(y, x)
    lymphoid = _lymphoid(tissue, y, x)
    crowd = 0.05 + 0.33 * ground.cellular**1.7 + 0.14 * ground.glandular
    draw = rng.random(len(place))
    is_lymphocyte = draw < 0.93 * lymphoid + 0.08 * ground.cellular
    alive = (draw < np.maximum(crowd, 0.93 * lymphoid + 0.05)) & (ground.inside > 4)
    plump = rng.random(len(place)) < 0.25 + 0.5 * ground.cellular
    along = _fibre_angle(tissue, y, x)
    parts = [
        nuclei(kind, place[m], along[m], rng)
        for kind, m in (
            (LYMPHOCYTE, alive & is_lymphocyte),
            (STROMAL, alive & ~is_lymphocyte & plump),
            (FIBROBLAST, alive & ~is_lymphocyte & ~plump),
        )
    ]
    return joined(parts)


def uncrowded(cells: Cells) -> Cells:
    """Return `cells` without those that lie across an earlier one: a section is one layer thin.

    Each body counts as three discs along its long axis.
    """
    along = np.stack([np.sin(cells.angle), np.cos(cells.angle)], -1)
    spread = (0.62 * (cells.axes[:, :1] - 0.7 * cells.axes[:, 1:])).clip(0)
    discs = np.stack([cells.place + k * spread * along for k in (-1, 0, 1)], 1).reshape(-1, 2)
    width = np.repeat(cells.axes[:, 1], 3)
    pairs = KDTree(discs).query_pairs(2 * float(width.max()), output_type="ndarray")
    gap = np.hypot(*(discs[pairs[:, 0]] - discs[pairs[:, 1]]).T)
    close = pairs[gap < 0.92 * (width[pairs[:, 0]] + width[pairs[:, 1]])] // 3
    close = close[close[:, 0] != close[:, 1]]
    kept = np.ones(len(cells), np.bool_)
    for first, second in np.unique(np.sort(close, 1), axis=0).tolist():
        if kept[first]:
            kept[second] = False
    return cells.chosen(kept)


def _scattered(size_um: tuple[float, float], spacing: float, rng: np.random.Generator) -> Doubles:
    """Return points about `spacing` apart, none too near another: a jittered hexagonal grid."""
    rows, cols = int(size_um[0] / (spacing * 0.87)), int(size_um[1] / spacing)
    r, c = np.mgrid[:rows, :cols].reshape(2, -1)
    grid = np.column_stack([(r + 0.5) * spacing * 0.87, (c + 0.25 + 0.5 * (r % 2)) * spacing])
    return np.clip(grid + rng.uniform(-0.34, 0.34, grid.shape) * spacing, 0, np.array(size_um) - 1)


def _lymphoid(tissue: Tissue, y: Floats, x: Floats) -> Floats:
    """Return 0..1: how much a place is crowded with lymphocytes (clusters and streets)."""
    s = 100 * tissue.seed
    field = smooth(y, x, 330, s + 51) + 0.45 * smooth(y, x, 110, s + 52)
    return step(field + 0.3 * smooth(y, x, 34, s + 53), 0.20, 0.34)


def _fibre_angle(tissue: Tissue, y: Floats, x: Floats) -> Doubles:
    """Return the direction of the fibres at points, from +x towards +y."""
    h = np.float32(4)
    up = tissue.fibres(y + h, x)[0] - tissue.fibres(y - h, x)[0]
    right = tissue.fibres(y, x + h)[0] - tissue.fibres(y, x - h)[0]
    angle: Doubles = np.arctan2(-right, up).astype(np.float64)
    return angle
