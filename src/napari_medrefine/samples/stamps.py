"""Rasterising many small bodies at once: every cell's patch is computed in vectorised batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_medrefine.samples.cells import CLUMPS, Cells, Doubles
from napari_medrefine.samples.noise import Floats, step

Samples = npt.NDArray[np.integer]
_BATCH = 1_500_000  # samples computed at once
_FINE_UM = 0.7  # coarser than this, chromatin is below the resolution


@dataclass(frozen=True, slots=True)
class Window:
    """A grid of samples on the slide: ``(y, x, 1) = matrix @ (row, col, 1)``.

    Attributes
    ----------
    matrix : (3, 3) float64 array
        A similarity, micrometres per sample.
    shape : tuple of int
        Rows and columns.
    blur_um : float
        Sigma of the blur that will follow; detail far below it need not be drawn.
    """

    matrix: Doubles
    shape: tuple[int, int]
    blur_um: float

    @property
    def pitch(self) -> float:
        """Micrometres from one sample to the next."""
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    def points(self, rows: Samples, cols: Samples) -> tuple[Floats, Floats]:
        """Return (y, x) of samples."""
        m = self.matrix
        y = m[0, 0] * rows + m[0, 1] * cols + m[0, 2]
        x = m[1, 0] * rows + m[1, 1] * cols + m[1, 2]
        return y.astype(np.float32), x.astype(np.float32)

    def samples(self, place: npt.NDArray[np.floating]) -> Doubles:
        """Return the (row, col) of ``(N, 2)`` places on the slide."""
        inverse = np.linalg.inv(self.matrix)
        rc: Doubles = place.astype(np.float64) @ inverse[:2, :2].T + inverse[:2, 2]
        return rc

    def near(self, place: npt.NDArray[np.floating], margin_um: float) -> npt.NDArray[np.bool_]:
        """Return which places lie in the window or within `margin_um` of it."""
        rc, margin = self.samples(place), margin_um / self.pitch
        beyond = np.maximum(-rc, rc - (np.array(self.shape) - 1)).max(axis=1)
        inside: npt.NDArray[np.bool_] = beyond <= margin
        return inside


def stamp(cells: Cells, window: Window) -> tuple[Floats, Floats]:
    """Return the density of `cells` on the window, and how much of each sample they cover.

    In a thin section few nuclei lie above each other: where two overlap, nearly the denser one
    counts (the 4-norm), not the sum.
    """
    density = np.zeros(window.shape, np.float32)
    cover = np.zeros(window.shape, np.float32)
    seen = cells.chosen(window.near(cells.place, 16.0))
    radius = np.ceil((seen.axes.max(1) * 1.25 + 1.0) / window.pitch).astype(np.int64)
    size = _classes(radius)
    for r in np.unique(size):
        group = np.flatnonzero(size == r)
        step_ = max(1, _BATCH // int(2 * r + 1) ** 2)
        for start in range(0, len(group), step_):
            _stamp_batch(seen.chosen(group[start : start + step_]), window, int(r), density, cover)
    return np.sqrt(np.sqrt(density)), np.minimum(cover, 1)


def _classes(radius: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Round radii up to a few sizes, each 1.25 times the one before."""
    exponent = np.ceil(np.log(np.maximum(radius, 2)) / np.log(1.25))
    size: npt.NDArray[np.int64] = np.ceil(1.25**exponent).astype(np.int64)
    return size


def _stamp_batch(cells: Cells, window: Window, r: int, density: Floats, cover: Floats) -> None:
    rc = window.samples(cells.place)
    corner = np.round(rc).astype(np.int64) - r
    offsets = np.arange(2 * r + 1)
    rows = corner[:, 0, None, None] + offsets[None, :, None]
    cols = corner[:, 1, None, None] + offsets[None, None, :]
    body, inside = _body(cells, window, rows - rc[:, 0, None, None], cols - rc[:, 1, None, None])
    height, width = window.shape
    kept = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width) & (inside > 0)
    index = (rows * width + cols)[kept]
    density += np.bincount(index, body[kept] ** 4, density.size).reshape(density.shape)
    cover += np.bincount(index, inside[kept], cover.size).reshape(cover.shape)


def _body(cells: Cells, window: Window, row: Doubles, col: Doubles) -> tuple[Floats, Floats]:
    """Return density and cover of each cell on its own patch, ``(N, p, p)``."""
    m = window.matrix
    dy = (m[0, 0] * row + m[0, 1] * col).astype(np.float32)
    dx = (m[1, 0] * row + m[1, 1] * col).astype(np.float32)
    cos, sin = (f(cells.angle)[:, None, None] for f in (np.cos, np.sin))
    half = cells.axes[:, :, None, None]
    along, across = (dx * cos + dy * sin) / half[:, 0], (dy * cos - dx * sin) / half[:, 1]
    outline = _outline(cells, along, across)
    rho = np.hypot(along, across) / outline
    depth = (1 - rho) * half[:, 1]  # um below the outline, where that matters: on the flanks
    edge = max(0.22, 0.5 * window.pitch)
    inside = step(depth, -edge, edge)
    membrane = np.exp(-(((depth - np.float32(0.3)) / np.float32(0.34)) ** 2))
    thick = 1 + cells.rim[:, None, None] * (membrane - np.float32(0.25))
    if window.blur_um < _FINE_UM and np.any(cells.clumps[..., 3]):
        thick = thick + _chromatin(cells, along * half[:, 0], across * half[:, 1])
    return cells.density[:, None, None] * np.maximum(thick, 0.25) * inside, inside


def _outline(cells: Cells, along: Floats, across: Floats) -> Floats:
    """Return the outline's radius (about 1) in the direction of each sample."""
    theta = np.arctan2(across, along)
    a2, p2, a3, p3 = (cells.shape[:, k, None, None] for k in range(4))
    wave: Floats = 1 + a2 * np.cos(2 * theta + p2) + a3 * np.cos(3 * theta + p3)
    return wave


def _chromatin(cells: Cells, along: Floats, across: Floats) -> Floats:
    texture = np.zeros_like(along)
    for k in range(CLUMPS):
        u, v, radius, strength = (cells.clumps[:, k, j, None, None] for j in range(4))
        du, dv = along - u * cells.axes[:, 0, None, None], across - v * cells.axes[:, 1, None, None]
        texture += strength * np.exp(-(du * du + dv * dv) / (radius * radius))
    return texture
