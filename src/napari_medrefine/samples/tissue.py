"""The ground of the slide as fields over (y, x): tissue or glass, fibres, stain.

All lengths are micrometres. Fibres are the level lines of two broad, warped coordinates (across
and along), so collagen waves and swirls without an explicit curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_medrefine.samples.noise import Floats, grain, smooth, step

# (across, along, share): a bundle, a fibre, a fibril.
_FIBRES = ((16.0, 170.0, 0.26), (6.5, 85.0, 0.34), (2.3, 38.0, 0.36), (0.8, 14.0, 0.34))


@dataclass(frozen=True, slots=True)
class Ground:
    """Broad fields on one grid of points.

    Attributes
    ----------
    across, along : float32 arrays
        The fibre coordinates.
    inside : float32 array
        Distance into the tissue; negative outside.
    cellular, glandular : float32 arrays
        0..1: how crowded with stromal cells; whether glands live here.
    thickness : float32 array
        How strongly the section stains here, about 1.
    """

    across: Floats
    along: Floats
    inside: Floats
    cellular: Floats
    glandular: Floats
    thickness: Floats


@dataclass(frozen=True, slots=True)
class Tissue:
    """The fields of one slide.

    Attributes
    ----------
    seed : int
        Which slide.
    size_um : tuple of float
        Height and width of the scene.
    """

    seed: int
    size_um: tuple[float, float]

    def ground(self, y: Floats, x: Floats) -> Ground:
        """Evaluate the broad fields at points; they hardly change within 5 um."""
        across, along = self.fibres(y, x)
        s = 100 * self.seed
        cellular = smooth(y, x, 420, s + 11) + 0.6 * smooth(y, x, 130, s + 12)
        glandular = smooth(y, x, 800, s + 13) + 0.35 * smooth(y, x, 260, s + 14)
        thickness = 1 + 0.5 * smooth(y, x, 350, s + 15) + 0.3 * smooth(y, x, 90, s + 16)
        return Ground(
            across,
            along,
            self._inside(y, x, across, along),
            step(cellular, -0.12, 0.30),
            step(glandular, -0.04, 0.05),
            thickness,
        )

    def fibres(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Return the fibre coordinates (across, along) of points."""
        s = 100 * self.seed
        turn = 0.25 + 0.9 * (hash_unit(self.seed) - 0.5)
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        across, along = y * cos - x * sin, x * cos + y * sin
        across = across + 1500 * smooth(y, x, 900, s + 1) + 300 * smooth(y, x, 260, s + 2)
        across = across + 45 * smooth(y, x, 80, s + 3) + 9 * smooth(y, x, 28, s + 5)
        return across, along + 300 * smooth(y, x, 700, s + 4)

    def _inside(self, y: Floats, x: Floats, across: Floats, along: Floats) -> Floats:
        """Distance to the nearest edge: a fissure along the fibres, and bare glass at places."""
        s = 100 * self.seed
        ragged = 180 * smooth(y, x, 150, s + 21) + 90 * smooth(y, x, 42, s + 22)
        ragged = ragged + 32 * smooth(y, x, 13, s + 23)
        height = self.size_um[0]
        gap = across - np.float32(0.55 * height) + 260 * smooth(y, x, 700, s + 24)
        opening = 40 + 420 * smooth(along, 0 * along, 620, s + 25)
        bare = 900 * (smooth(y, x, 1000, s + 26) + 0.25)
        inside: Floats = np.minimum(np.abs(gap) - opening, bare) + ragged
        return inside


def hash_unit(seed: int) -> float:
    """Return one number 0..1 for this slide."""
    return float(np.random.default_rng(seed + 7_000_000).random())


def covered(ground: Ground, seed: int, edge_um: float) -> Floats:
    """Return how much of each point is tissue, 0..1, with an edge at least `edge_um` wide."""
    width, inside = max(0.7, edge_um), ground.inside
    if inside.min() < 10:  # elsewhere the frayed edge is out of sight
        inside = inside + 5 * grain(ground.across, ground.along, (4.0, 7.0), 100 * seed + 27)
    return step(inside, -width, width)


def stroma(ground: Ground, seed: int, blur_um: float) -> Floats:
    """Return the eosin density of the connective tissue: fibres, clefts between them, thickness.

    Octaves that a blur of `blur_um` (sigma) wipes out anyway are left out.
    """
    fibre = np.zeros_like(ground.across)
    for k, (across, along, share) in enumerate(_FIBRES):
        seen = np.exp(-2 * (np.pi * blur_um / (2 * across)) ** 2)
        if seen > 0.04:
            fibre += share * grain(
                ground.across, ground.along, (across, along), 100 * seed + 31 + k
            )
    cleft = grain(ground.across, ground.along, (11.0, 120.0), 100 * seed + 41)
    loose = ground.cellular - np.float32(0.45)
    open_space = step(cleft + 0.30 * fibre + 0.12 * loose, 0.27, 0.36)
    dense = np.float32(0.44) * ground.thickness * (1 + np.float32(1.9) * fibre)
    eosin: Floats = np.maximum(dense, np.float32(0.04)) * (1 - np.float32(0.86) * open_space)
    return eosin
