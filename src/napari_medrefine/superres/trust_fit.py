"""Fitting and calibrating the trust map on slides of which the truth is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_medrefine.superres.trust_blocks import (
    Doubles,
    Floats,
    block_edges,
    block_means,
    spread,
)
from napari_medrefine.superres.trust_features import FEATURES, OVERALL
from napari_medrefine.superres.trust_model import LEVELS, TrustKnot

ERROR_FLOOR = 0.1  # grey levels, so that blank blocks do not rule the logarithms
_EXACT = 1e-3  # grey levels: what an error of 0 counts as, in a logarithm
# Every seventh row and column: at all places in a block, and in what was one pixel of the input.
_SOME = slice(3, None, 7)
# Penalties, as shares of a feature's variance: whole fields are few, blocks are many.
_RIDGE_FIELDS, _RIDGE_BLOCKS = 0.01, 0.001
_MOST_OVERALL = 5
_ROUNDING = 1e-9
_Moments = tuple[Doubles, Doubles]
_WORTH_IT = 0.97  # what another feature must bring the squared error down to


@dataclass(frozen=True, slots=True)
class TrustSample:
    """A generated field whose truth is known.

    Attributes
    ----------
    slide, track : str
        Where it comes from, and how its input was made.
    features : (rows, columns, n) array
        See `trust_features`.
    error : (H, W, C) array
        The absolute error of every colour value, in grey levels of 255; sides that are multiples
        of `BLOCK`.
    """

    slide: str
    track: str
    features: Doubles
    error: npt.NDArray[np.uint8]

    def log_error(self) -> Doubles:
        """Return the logarithm of each block's mean error, ``(rows, columns)``."""
        edges = (block_edges(length) for length in self.error.shape[:2])
        return np.asarray(np.log(block_means(self.error.mean(2), *edges) + ERROR_FLOOR))


@dataclass(frozen=True, slots=True)
class _Line:
    intercept: float
    weights: Doubles

    def shown(self, sample: TrustSample) -> Floats:
        """Return the prediction as the map will show it, ``(H, W)``."""
        predicted = np.exp(sample.features @ self.weights + self.intercept)
        return spread(predicted, sample.error.shape[:2])


def fit_knot(
    samples: Sequence[TrustSample],
    scale: float,
    realism: float,
    predicted: Sequence[Floats] | None = None,
) -> TrustKnot:
    """Fit the prediction on all slides; take the margins from slides left out one at a time.

    Parameters
    ----------
    samples : sequence of TrustSample
        Of at least two slides.
    scale, realism : float
        What they were generated with.
    predicted : sequence of arrays, optional
        What `left_out` returns for these samples, if it is there already.
    """
    line = _fit(_moments(samples))
    margins = margins_of(samples, left_out(samples) if predicted is None else predicted)
    return TrustKnot(
        scale=scale,
        realism=realism,
        intercept=round(line.intercept, 5),
        weights=tuple(round(float(w), 5) for w in line.weights),
        margins=tuple(round(m, 5) for m in margins),
    )


def left_out(samples: Sequence[TrustSample]) -> list[Floats]:
    """Return the error predicted for each sample, ``(H, W)``, fitted without its slide."""
    predicted: list[Floats] = [np.empty((0, 0), np.float32)] * len(samples)
    moments = _moments(samples)
    for slide in moments:
        line = _fit({other: both for other, both in moments.items() if other != slide})
        for i, sample in enumerate(samples):
            if sample.slide == slide:
                predicted[i] = line.shown(sample)
    return predicted


def margins_of(samples: Sequence[TrustSample], predicted: Sequence[Floats]) -> tuple[float, ...]:
    """Return, for each of `LEVELS`, what to add to the logarithm of the `predicted` error.

    Every slide counts the same, however many fields it has. With n values, the margin is the
    ``ceil((n + 1) * level)``-th smallest log(true / predicted) of them (split conformal, Vovk et
    al. 2005).
    """
    ratios = [
        _log_ratios(sample.error, told) for sample, told in zip(samples, predicted, strict=True)
    ]
    slides = [sample.slide for sample in samples]
    shares = [
        np.full(ratio.size, 1 / ratio.size / slides.count(slide))
        for slide, ratio in zip(slides, ratios, strict=True)
    ]
    values = np.concatenate([ratio.ravel() for ratio in ratios])
    order = np.argsort(values)
    below = np.cumsum(np.concatenate(shares)[order])
    wanted = np.minimum(np.array(LEVELS) * (1 + 1 / len(values)), 1.0) * below[-1]
    places = np.minimum(np.searchsorted(below, wanted - _ROUNDING), len(values) - 1)
    return tuple(float(m) for m in values[order][places])


def _log_ratios(true: npt.NDArray[np.uint8], predicted: Floats) -> Doubles:
    some = np.maximum(true[_SOME, _SOME], _EXACT) / predicted[_SOME, _SOME, None]
    return np.asarray(np.log(some), np.float64)


def _fit(slides: Mapping[str, _Moments]) -> _Line:
    """Fit log error; every slide counts the same, and so does every field of a slide.

    The mean of a field is predicted from a few features of the whole field, chosen one by one as
    long as they help on slides left out; the deviations from it, from all local features. The
    former differ between slides and are few, the latter are alike and many.
    """
    overall = {slide: both[0] for slide, both in slides.items()}
    local = _total(both[1] for both in slides.values())
    chosen = _chosen(overall)
    weights = np.zeros(len(FEATURES))
    intercept, weights[list(chosen)] = _solved(_total(overall.values()), chosen, _RIDGE_FIELDS)
    everything = tuple(range(len(FEATURES) - len(OVERALL)))
    weights[len(OVERALL) :] = _solved(local, everything, _RIDGE_BLOCKS)[1]
    return _Line(intercept, weights)


def _moments(samples: Sequence[TrustSample]) -> dict[str, _Moments]:
    """Return, by slide, the moments of whole fields and of blocks."""
    slides = sorted({sample.slide for sample in samples})
    each = {slide: [s for s in samples if s.slide == slide] for slide in slides}
    return {slide: (_field_moments(own), _block_moments(own)) for slide, own in each.items()}


def _field_moments(samples: Sequence[TrustSample]) -> Doubles:
    """Return the mean outer product of (1, features, mean log error) of whole fields."""
    rows = [[1.0, *s.features[0, 0, : len(OVERALL)], s.log_error().mean()] for s in samples]
    return np.asarray(np.einsum("ki,kj->ij", rows, rows) / len(rows))


def _block_moments(samples: Sequence[TrustSample]) -> Doubles:
    """Return the same of the deviations, from their field, of blocks."""
    total = 0.0
    for sample in samples:
        error = sample.log_error().ravel()
        local = sample.features[..., len(OVERALL) :].reshape(len(error), -1)
        rows = np.column_stack([np.ones(len(error)), local, error - error.mean()])
        total = total + rows.T @ rows / len(rows)
    return np.asarray(total) / len(samples)


def _total(moments: Iterable[Doubles]) -> Doubles:
    return np.asarray(np.mean(list(moments), axis=0))


def _chosen(slides: dict[str, Doubles]) -> tuple[int, ...]:
    """Return which overall features to use: added while the error on left-out slides falls."""
    chosen: tuple[int, ...] = ()
    error = _left_out_error(slides, chosen)
    while len(chosen) < min(_MOST_OVERALL, len(slides) - 2):
        rest = [(*chosen, i) for i in range(len(OVERALL)) if i not in chosen]
        errors = [_left_out_error(slides, columns) for columns in rest]
        if min(errors) > _WORTH_IT * error:
            break
        error, chosen = min(errors), rest[int(np.argmin(errors))]
    return chosen


def _left_out_error(slides: dict[str, Doubles], columns: tuple[int, ...]) -> float:
    """Return the mean squared error of fields on slides that were left out one at a time."""
    total, errors = sum(slides.values()), []
    for own in slides.values():
        intercept, weights = _solved((total - own) / (len(slides) - 1), columns, _RIDGE_FIELDS)
        line = np.zeros(len(own))
        line[[0, *(1 + c for c in columns), -1]] = [intercept, *weights, -1.0]
        errors.append(float(line @ own @ line))
    return float(np.mean(errors))


def _solved(moments: Doubles, columns: tuple[int, ...], ridge: float) -> tuple[float, Doubles]:
    """Return intercept and weights of ridge regression; the intercept is not penalised."""
    index = [1 + c for c in columns]
    mean = moments[0]
    inner = moments - np.outer(mean, mean)
    square = inner[np.ix_(index, index)]
    penalty = np.diag(ridge * np.diag(square) + 1e-9)
    weights = np.asarray(np.linalg.solve(square + penalty, inner[index, -1]), np.float64)
    return float(mean[-1] - mean[index] @ weights), weights
