"""The spiral pyramid: all places, ratios and angles at a coarse level, the best ones ever finer.

At the coarse level each (ratio, angle) of a net so fine that no corner of the field is off by more
than about a pixel is correlated with the whole overview at once by FFT: the same numbers as walking
the spiral position by position, in a fraction of the time. The spiral decides between equals.
Several candidates go down the pyramid, each refined at every level, since the coarse best one is
not always the right one and a 2x2 descent cannot recover from a wrong start.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_medrefine.progress import Step
from napari_medrefine.registration.placement import similarity, transform
from napari_medrefine.registration.pyramid import (
    Floats,
    Level,
    Matrix,
    block_mean,
    features,
    optical_density,
    reduction,
)
from napari_medrefine.registration.refine import Fit, refine
from napari_medrefine.registration.spiral import distance_from_middle

CORNER = 1.4  # pixels of the coarse level that a field's corner may be off between net points
CANDIDATES = 24
KEPT = (3, 8, 12, 16, 24, 24)  # candidates that survive at each level, finest first
LEAST_ON_OVERVIEW = 0.28  # share of the field that must lie on the overview
TURN = 12.0  # degrees within which the field's outline is taken as the same
RIVAL = 0.1  # share of the field's shorter side by which a rival's corners are off
WORKERS = 2  # threads of an FFT
OCTAVE = 1.42  # ratios searched with one template size


@dataclass(frozen=True, slots=True)
class Window:
    """Ratios and angles (degrees) to search, each from low to high."""

    ratio: tuple[float, float]
    angle: tuple[float, float]

    def allows(self, matrix: Matrix) -> bool:
        """Return whether the ratio and angle of `matrix` are within the window, or nearly."""
        turn = np.degrees(np.arctan2(matrix[0, 1], matrix[0, 0]))
        off = abs((turn - sum(self.angle) / 2 + 180) % 360 - 180)
        ratio = 1 / _scale(matrix)
        return bool(
            self.ratio[0] * 0.97 <= ratio <= self.ratio[1] * 1.03
            and off <= (self.angle[1] - self.angle[0]) / 2 + 3
        )


class Field:
    """A field at any reduction, each computed once."""

    def __init__(self, light: Floats) -> None:
        self._light = light
        self.shape = (int(light.shape[0]), int(light.shape[1]))
        self._densities: dict[int, Floats] = {}
        self._features: dict[int, Floats] = {}

    @property
    def middle(self) -> npt.NDArray[np.float64]:
        """The field's middle, (row, col)."""
        return (np.array(self.shape) - 1) / 2

    def features(self, factor: int) -> Floats:
        """Return the features of the field reduced by `factor`."""
        if factor not in self._features:
            self._features[factor] = features(self.density(factor))
        return self._features[factor]

    def density(self, factor: int) -> Floats:
        """Return the optical density of the field reduced by `factor`."""
        if factor not in self._densities:
            self._densities[factor] = optical_density(block_mean(self._light, factor))
        return self._densities[factor]


def search_steps(
    levels: tuple[Level, ...], field: Field, window: Window
) -> Generator[Step, None, list[Fit]]:
    """Find where `field` lies; matrices take field pixels to overview pixels, best first."""
    found: list[tuple[float, Matrix, int]] = []
    for part in _octaves(window):
        found += yield from _coarse(levels, field, part)
    found.sort(key=lambda candidate: -candidate[0])
    found = found[: max(CANDIDATES, len(found) // 4)]
    fits: list[Fit] = []
    for index in range(max((at for _, _, at in found), default=-1), -1, -1):
        fits += [Fit(score, matrix) for score, matrix, at in found if at == index]
        refined = []
        for number, fit in enumerate(fits):
            yield Step(number, len(fits), f"refining at 1/{levels[index].factor}")
            refined.append(refine_at(levels[index], field, fit.matrix))
        fits = _distinct(refined, field, 4 * levels[index].factor)[: KEPT[index]]
        fits = [fit for fit in fits if _weight(fit, field) > 0.4 * _weight(fits[0], field)]
    return rivals(fits, field)


def _weight(fit: Fit, field: Field) -> float:
    """Return how much a score says: Fisher's z over the pixels of the overview it rests on.

    A field thought small enough, or mostly off the overview, fits somewhere by chance, so scores
    of different sizes are not to be compared as they are.
    """
    return float(np.arctanh(np.clip(fit.score, -0.999, 0.999)) * _side(fit, field))


def _side(fit: Fit, field: Field) -> float:
    """Return the side of a square as large as the part of the overview that the field covers."""
    return float(np.sqrt(field.shape[0] * field.shape[1] * fit.share) * _scale(fit.matrix))


def rivals(fits: list[Fit], field: Field) -> list[Fit]:
    """Return the best of `fits` and its rivals, their scores as they would be at its size."""
    if not fits:
        return []
    apart = RIVAL * min(field.shape) * _scale(fits[0].matrix)
    best, *others = _distinct(fits, field, apart)
    side = _side(best, field)
    return [
        best,
        *(replace(fit, score=float(np.tanh(_weight(fit, field) / side))) for fit in others),
    ]


def refine_at(level: Level, field: Field, matrix: Matrix) -> Fit:
    """Refine a field-to-overview `matrix` at one level of the overview."""
    factor = max(1, round(level.factor / _scale(matrix)))
    down, up = reduction(level.factor), np.linalg.inv(reduction(level.factor))
    small = reduction(factor)
    fit = refine(level, field.features(factor), down @ matrix @ np.linalg.inv(small))
    return Fit(fit.score, up @ fit.matrix @ small, fit.share)


def _octaves(window: Window) -> Iterator[Window]:
    """Divide a wide range of ratios into parts that one template size serves."""
    low, high = window.ratio
    parts = max(1, int(np.ceil(np.log(high / low) / np.log(OCTAVE))))
    edges = np.geomspace(low, high, parts + 1)
    for first, last in pairwise(edges):
        yield Window((float(first), float(last)), window.angle)


def _coarse(
    levels: tuple[Level, ...], field: Field, window: Window
) -> Generator[Step, None, list[tuple[float, Matrix, int]]]:
    """Return (score, matrix, level) of the best places at the coarse level of `window`."""
    index = _coarse_level(levels, field, window)
    level = levels[index]
    template = _Template(field, level, window)
    net = template.net(window)
    over = _Overlooked(level.features, template.reach)
    best = np.full(over.places, -1.0, np.float32)
    which = np.zeros(over.places, np.int32)
    for number, (ratio, angle) in enumerate(net):
        yield Step(number, len(net), f"searching at 1/{level.factor}")
        values, mask = template.turned(ratio, angle)
        outline = (round(ratio, 6), round(angle / TURN))
        score = over.correlate(values, mask, outline)
        better = score > best
        best[better] = score[better]
        which[better] = number
    up = np.linalg.inv(reduction(level.factor))
    return [
        (
            score,
            up
            @ similarity(
                net[which[row, col]][0] * level.factor,
                net[which[row, col]][1],
                field.middle,
                np.array([row, col]) - template.reach,
            ),
            index,
        )
        for score, row, col in _peaks(best)
    ]


def _coarse_level(levels: tuple[Level, ...], field: Field, window: Window) -> int:
    """Return the coarsest level at which the field is still large enough to be told apart."""
    enough = 48 if window.angle[1] - window.angle[0] <= 60 else 34
    side = min(field.shape) / np.sqrt(window.ratio[0] * window.ratio[1])
    fitting = [i for i, level in enumerate(levels) if side / level.factor >= enough]
    return fitting[-1] if fitting else 0


class _Template:
    """The field at a coarse level, turned and scaled about its middle on a common odd grid."""

    def __init__(self, field: Field, level: Level, window: Window) -> None:
        self._factor = max(1, int(window.ratio[0] * level.factor + 1e-6))
        self._density = field.density(self._factor)
        self._middle = reduction(self._factor) @ [*field.middle, 1.0]
        self._level = level.factor
        radius = np.hypot(*field.shape) / 2 / level.factor
        self._radius = radius / np.sqrt(window.ratio[0] * window.ratio[1])
        turn = np.radians(min(90.0, max(abs(window.angle[0]), abs(window.angle[1]))))
        half = np.array(field.shape) / 2 / level.factor / window.ratio[0]
        box = half * np.cos(min(turn, np.pi / 4)) + half[::-1] * np.sin(turn)
        self.reach = np.ceil(np.minimum(box, np.hypot(*half))).astype(int) + 1

    def net(self, window: Window) -> list[tuple[float, float]]:
        """Return the (ratio, angle) pairs to try."""
        step = 2 * CORNER / self._radius
        low, high = window.ratio
        ratios = _centres(np.log(low), np.log(high), step)
        angles = np.degrees(
            _centres(np.radians(window.angle[0]), np.radians(window.angle[1]), step)
        )
        return [(float(np.exp(ratio)), float(angle)) for ratio in ratios for angle in angles]

    def turned(self, ratio: float, angle: float) -> tuple[Floats, Floats]:
        """Return the features at (`ratio`, `angle`), zero outside the field, and its mask."""
        rows, cols = np.mgrid[
            -self.reach[0] : self.reach[0] + 1, -self.reach[1] : self.reach[1] + 1
        ]
        turn = np.radians(angle)
        zoom = ratio * self._level / self._factor
        at_row = zoom * (np.cos(turn) * rows - np.sin(turn) * cols) + self._middle[0]
        at_col = zoom * (np.sin(turn) * rows + np.cos(turn) * cols) + self._middle[1]
        height, width = self._density.shape
        mask = (at_row >= 0) & (at_row <= height - 1) & (at_col >= 0) & (at_col <= width - 1)
        density = ndimage.map_coordinates(self._density, [at_row, at_col], order=1, mode="nearest")
        values = features(density)
        values -= values[mask].mean() if mask.any() else 0
        return values * mask, mask.astype(np.float32)


class _Overlooked:
    """The overview's features, ready to be correlated with templates of up to a given reach."""

    def __init__(self, image: Floats, reach: npt.NDArray[np.int_]) -> None:
        padding = [(int(r), int(r)) for r in reach]
        self.places = (image.shape[0] + 2 * int(reach[0]), image.shape[1] + 2 * int(reach[1]))
        self._shape = [
            fft.next_fast_len(n + 2 * int(r), True) for n, r in zip(self.places, reach, strict=True)
        ]
        self._reach = reach
        self._image = self._forward(np.pad(image, padding))
        self._energy = self._forward(np.pad(image * image, padding))
        self._inside = self._forward(np.pad(np.ones_like(image), padding))
        self._norms: dict[tuple[float, int], tuple[Floats, Floats]] = {}

    def correlate(self, values: Floats, mask: Floats, outline: tuple[float, int]) -> Floats:
        """Return the correlation for the template's middle at every place; -1 where too little."""
        if outline not in self._norms:
            self._norms[outline] = self._norm(mask)
        share, energy = self._norms[outline]
        product = self._place(self._image, values)
        score = product / np.sqrt(np.maximum(energy * share * float((values * values).sum()), 1e-9))
        score[share < LEAST_ON_OVERVIEW] = -1
        return np.asarray(score, np.float32)

    def _norm(self, mask: Floats) -> tuple[Floats, Floats]:
        share = self._place(self._inside, mask) / float(mask.sum())
        energy = self._place(self._energy, mask)
        usual = float(np.median(energy[share > 0.9])) if (share > 0.9).any() else 1.0
        # Where there is next to no texture any correlation is chance.
        return share, np.maximum(energy, 0.1 * usual * np.maximum(share, 0.1))

    def _forward(self, image: Floats) -> npt.NDArray[np.complex64]:
        return np.asarray(fft.rfft2(image, self._shape, workers=WORKERS))

    def _place(self, image: npt.NDArray[np.complex64], template: Floats) -> Floats:
        product = image * np.conj(self._forward(template))
        whole = fft.irfft2(product, self._shape, workers=WORKERS)
        # Offset k is the template's first sample on padded sample k: its middle on image sample k.
        rolled = np.roll(whole, self._reach, axis=(0, 1))
        return np.asarray(rolled[: self.places[0], : self.places[1]])


def _centres(low: float, high: float, step: float) -> npt.NDArray[np.float64]:
    """Return the middles of the fewest equal parts of low..high that are no longer than `step`."""
    parts = max(1, int(np.ceil((high - low) / step)))
    return np.asarray(low + (np.arange(parts) + 0.5) * (high - low) / parts)


def _peaks(best: Floats) -> list[tuple[float, int, int]]:
    """Return (score, row, col) of the highest local maxima; the spiral decides between equals."""
    peaks = np.argwhere((best == ndimage.maximum_filter(best, 5)) & (best > 0))
    ring = distance_from_middle(peaks.astype(float), (best.shape[0], best.shape[1]))
    score = best[peaks[:, 0], peaks[:, 1]]
    order = np.lexsort((ring, -score))[:CANDIDATES]
    return [(float(score[i]), int(peaks[i, 0]), int(peaks[i, 1])) for i in order]


def _distinct(fits: list[Fit], field: Field, apart: float) -> list[Fit]:
    """Return `fits` from the best on, without those that all but coincide with a better one."""
    height, width = field.shape
    corners = np.array([[0, 0], [0, width], [height, 0], [height, width]], np.float64)
    kept: list[Fit] = []
    places: list[npt.NDArray[np.float64]] = []
    for fit in sorted(fits, key=lambda fit: -_weight(fit, field)):
        place = transform(fit.matrix, corners)
        if all(np.hypot(*(place - other).T).mean() > apart for other in places):
            kept.append(fit)
            places.append(place)
    return kept


def _scale(matrix: Matrix) -> float:
    """Return how many overview pixels one field pixel is."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
