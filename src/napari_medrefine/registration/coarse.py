"""Every place, ratio and angle at a coarse level: the first turn of the spiral pyramid.

The (ratio, angle) pairs form a net so fine that no corner of the field is off by more than about a
pixel of the level. Each is correlated with the overview at all places at once by FFT: the same
numbers as walking the spiral position by position, in a fraction of the time. The spiral decides
between equals. A large level is worked through in tiles, so memory does not grow with the slide.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_medrefine.progress import Step
from napari_medrefine.registration.field import Field
from napari_medrefine.registration.placement import similarity
from napari_medrefine.registration.pyramid import Floats, Level, Matrix, reduction
from napari_medrefine.registration.spiral import distance_from_middle
from napari_medrefine.registration.trace import Trace, Walk
from napari_medrefine.registration.window import Window

NETS = (2.35, 1.4)  # pixels of the level that a field's corner may be off: first net, finer one
CANDIDATES = 24
LEAST_ON_OVERVIEW = 0.28  # share of the field that must lie on the overview
OUTLINE = 12.0  # degrees within which the field's outline is taken as the same
WORKERS = 2  # threads of the FFTs
AT_ONCE = 8  # hypotheses transformed together
TILE = 900  # pixels of the level whose places are looked at together, along a side
SIDE = 34  # pixels of the level that the field's shorter side must have to be told apart
BLANK = 0.1  # of the field's own energy: where the overview has less, a likeness is chance


@dataclass(frozen=True, eq=False)
class Scores:
    """The best score of every place of the field's middle on a part of a level.

    Attributes
    ----------
    score : ndarray
        ``(h, w)`` float32, -1 where too little of the field is on the overview.
    which : ndarray
        ``(h, w)`` the number of the (ratio, angle) pair that reached it.
    first : ndarray
        (row, col) of the level at which the part begins; may be negative.
    """

    score: Floats
    which: npt.NDArray[np.int32]
    first: npt.NDArray[np.int_]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place worth refining: `matrix` takes field pixels to overview pixels."""

    score: float
    matrix: Matrix
    level: int


def coarse_level(levels: tuple[Level, ...], field: Field, window: Window) -> int:
    """Return the coarsest level at which the field is still large enough to be told apart."""
    # A strip is told by its length, too.
    told_by = max(min(field.shape), np.sqrt(field.shape[0] * field.shape[1]) / 2)
    side = told_by / np.sqrt(window.ratio[0] * window.ratio[1])
    fitting = [i for i, level in enumerate(levels) if side / level.factor >= SIDE]
    return fitting[-1] if fitting else 0


def coarse_steps(
    levels: tuple[Level, ...],
    field: Field,
    window: Window,
    net: float = NETS[0],
    trace: Trace | None = None,
) -> Generator[Step, None, list[Candidate]]:
    """Return the best places of `field` at the coarse level of `window`, best first.

    `net` is how far a corner of the field may be off between two (ratio, angle) pairs, in pixels
    of the level. `trace`, if given, is told the scores of all places.
    """
    index = coarse_level(levels, field, window)
    level = levels[index]
    templates = Templates(field, level, window, net)
    tiles = list(_tiles(level.shape, templates.reach))
    found: list[Candidate] = []
    seen: list[Scores] = []
    for number, (low, high) in enumerate(tiles):
        tile = _Tile(level, low, high, templates.reach)
        best = _Best(tile)
        for start in range(0, len(templates.net), AT_ONCE):
            yield Step(
                number * len(templates.net) + start,
                len(tiles) * len(templates.net),
                f"searching at 1/{level.factor}",
            )
            numbers = range(start, min(start + AT_ONCE, len(templates.net)))
            for at, score in zip(numbers, tile.correlate(templates, numbers), strict=True):
                best.take(at, score)
        scores = Scores(best.score, best.which, tile.low)
        if trace is not None:
            seen.append(scores)
        found += _candidates(scores, templates, level, index)
    if trace is not None:
        whole, first = _joined(seen)
        trace.walks.append(Walk.of_scores(whole, first, level.factor))
    found.sort(key=lambda candidate: -candidate.score)
    return found[:CANDIDATES]


def _joined(parts: list[Scores]) -> tuple[Floats, npt.NDArray[np.int_]]:
    """Return the scores of all tiles as one, and where it begins."""
    low = np.min([part.first for part in parts], axis=0)
    high = np.max([part.first + part.score.shape for part in parts], axis=0)
    whole = np.full(high - low, -1, np.float32)
    for part in parts:
        row, col = part.first - low
        whole[row : row + part.score.shape[0], col : col + part.score.shape[1]] = part.score
    return whole, low


class Templates:
    """The field at a coarse level, turned and sized about its middle on a common odd grid."""

    def __init__(self, field: Field, level: Level, window: Window, net: float) -> None:
        nominal = float(np.sqrt(window.ratio[0] * window.ratio[1]))
        self._factor = max(1, round(nominal * level.factor))
        self._features = field.features(self._factor)
        self.middle = field.middle
        self._small_middle = reduction(self._factor) @ [*field.middle, 1.0]
        self._level = level.factor
        half = np.array(field.shape) / 2 / level.factor
        self.net = _net(window, 2 * net / (float(np.hypot(*half)) / nominal))
        turn = np.radians(min(90.0, max(abs(window.angle[0]), abs(window.angle[1]))))
        half = half / window.ratio[0]
        box = half * np.cos(min(turn, np.pi / 4)) + half[::-1] * np.sin(turn)
        self.reach = np.ceil(np.minimum(box, np.hypot(*half))).astype(int) + 1
        self._grid = np.indices(2 * self.reach + 1).reshape(2, -1) - self.reach[:, None]

    def turned(self, ratio: float, angle: float) -> tuple[Floats, Floats]:
        """Return the features at (`ratio`, `angle`), zero outside the field, and its mask."""
        turn, zoom = np.radians(angle), ratio * self._level / self._factor
        back = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        at = back @ self._grid + self._small_middle[:2, None]
        limit = np.array(self._features.shape)[:, None] - 0.5
        mask = ((at >= -0.5) & (at <= limit)).all(axis=0)
        values = ndimage.map_coordinates(self._features, at, order=1, mode="nearest")
        values -= values[mask].mean() if mask.any() else 0
        shape = 2 * self.reach + 1
        mask = mask.astype(np.float32)
        return (values * mask).reshape(shape), mask.reshape(shape)


def _net(window: Window, step: float) -> list[tuple[float, float]]:
    """Return the (ratio, angle) pairs to try, at most `step` apart (log ratio, radians)."""
    low, high = np.log(window.ratio)
    ratios = np.exp(_centres(low, high, step))
    first, last = np.radians(window.angle)
    angles = np.degrees(_centres(first, last, step))
    return [(float(ratio), float(angle)) for angle in angles for ratio in ratios]


def _centres(low: float, high: float, step: float) -> npt.NDArray[np.float64]:
    """Return the middles of the fewest equal parts of low..high that are no longer than `step`."""
    parts = max(1, int(np.ceil((high - low) / step)))
    return np.asarray(low + (np.arange(parts) + 0.5) * (high - low) / parts)


def _tiles(
    shape: tuple[int, int], reach: npt.NDArray[np.int_]
) -> Iterator[tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]]:
    """Yield parts ``low <= middle < high`` that cover all places at which enough is seen."""
    # A field seen to a third may have its middle a sixth of its length outside.
    beyond = np.ceil(reach * (1 - LEAST_ON_OVERVIEW)).astype(int)
    edges = []
    for length, more in zip(shape, beyond, strict=True):
        parts = max(1, int(np.ceil(length / TILE)))
        inner = np.linspace(0, length, parts + 1).astype(int)
        inner[0], inner[-1] = -int(more), length + int(more)
        edges.append(inner)
    for row in range(len(edges[0]) - 1):
        for col in range(len(edges[1]) - 1):
            low = np.array([edges[0][row], edges[1][col]])
            yield low, np.array([edges[0][row + 1], edges[1][col + 1]])


@dataclass(frozen=True, eq=False)
class _Norm:
    """What turns products into correlations, for a field of a given outline and `area`."""

    factor: Floats
    outside: npt.NDArray[np.bool_]
    area: float


class _Tile:
    """A part of the overview, ready to be correlated with templates of a given reach."""

    def __init__(
        self,
        level: Level,
        low: npt.NDArray[np.int_],
        high: npt.NDArray[np.int_],
        reach: npt.NDArray[np.int_],
    ) -> None:
        self.low, self.places = low, high - low
        part = level.patch(low - reach, high + reach)
        self._at = part.first - (low - reach)
        self._shape = [
            fft.next_fast_len(int(n + 2 * r), True) for n, r in zip(self.places, reach, strict=True)
        ]
        self._image = self._forward(part.image, self._at)
        self._energy = self._forward(part.image * part.image, self._at)
        self._inside = self._forward(np.ones_like(part.image), self._at)
        self._norms: dict[int, _Norm] = {}

    def correlate(self, templates: Templates, numbers: range) -> Iterator[Floats]:
        """Yield the correlation for the template's middle at every place; -1 where too little."""
        turned = [templates.turned(*templates.net[number]) for number in numbers]
        whole = self._place(self._image, np.stack([values for values, _ in turned]))
        for number, (values, mask), product in zip(numbers, turned, whole, strict=True):
            own, area = float((values * values).sum()), float(mask.sum())
            # A rectangle turned by half a turn is the same one.
            outline = round(templates.net[number][1] / OUTLINE) % round(180 / OUTLINE)
            if outline not in self._norms:
                self._norms[outline] = self._norm(mask, own)
            norm = self._norms[outline]
            score = product * norm.factor
            score *= np.float32(np.sqrt(norm.area / area / (own + 1e-9)))
            score[norm.outside] = -1
            yield score

    def _norm(self, mask: Floats, own: float) -> _Norm:
        """Return what scores are multiplied with, for a field of this outline."""
        area = float(mask.sum())
        inside, energy = (self._place(of, mask) for of in (self._inside, self._energy))
        share = np.maximum(inside / np.float32(area), LEAST_ON_OVERVIEW)
        energy = np.maximum(energy, BLANK * own * share)
        factor = 1 / np.sqrt(energy * share + 1e-9)
        return _Norm(factor, inside < LEAST_ON_OVERVIEW * area, area)

    def _forward(
        self, image: Floats, at: npt.NDArray[np.int_] | None = None
    ) -> npt.NDArray[np.complex64]:
        if at is not None:
            whole = np.zeros(self._shape, np.float32)
            whole[at[0] : at[0] + image.shape[0], at[1] : at[1] + image.shape[1]] = image
            image = whole
        rows = fft.rfft(image, self._shape[1], workers=WORKERS)  # the other rows are zero
        return np.asarray(fft.fft(rows, self._shape[0], axis=-2, workers=WORKERS))

    def _place(self, image: npt.NDArray[np.complex64], template: Floats) -> Floats:
        product = image * np.conj(self._forward(template))
        whole = fft.irfft2(product, self._shape, workers=WORKERS)
        return np.asarray(whole[..., : self.places[0], : self.places[1]])


class _Best:
    """The best score so far of every place, and what reached it."""

    def __init__(self, tile: _Tile) -> None:
        self.score = np.full(tile.places, -1, np.float32)
        self.which = np.zeros(tile.places, np.int32)

    def take(self, number: int, score: Floats) -> None:
        better = score > self.score
        self.score[better] = score[better]
        self.which[better] = number


def _candidates(
    scores: Scores, templates: Templates, level: Level, index: int
) -> Iterator[Candidate]:
    """Yield the highest local maxima; the spiral decides between equals."""
    score = scores.score
    peaks = np.argwhere((score == ndimage.maximum_filter(score, 5)) & (score > 0))
    ring = distance_from_middle((peaks + scores.first).astype(float), level.shape)
    height = score[peaks[:, 0], peaks[:, 1]]
    up = np.linalg.inv(reduction(level.factor))
    for number in np.lexsort((ring, -height))[:CANDIDATES]:
        row, col = peaks[number]
        ratio, angle = templates.net[scores.which[row, col]]
        there = peaks[number] + scores.first
        matrix = similarity(ratio * level.factor, angle, templates.middle, there.astype(float))
        yield Candidate(float(height[number]), up @ matrix, index)
