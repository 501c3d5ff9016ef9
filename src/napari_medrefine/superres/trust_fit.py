"""Fitting and calibrating the trust map on slides of which the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_medrefine.superres.trust_blocks import BLOCK, Doubles, block_edges, block_means, spread
from napari_medrefine.superres.trust_model import LEVELS, TrustKnot

ERROR_FLOOR = 0.1  # grey levels, so that blank blocks do not rule the logarithms
_RIDGE = 0.03
_GROUPS = 3.0


@dataclass(frozen=True, slots=True)
class TrustSample:
    """A generated field whose truth is known.

    Attributes
    ----------
    slide, track : str
        Where it comes from, and how its input was made.
    features : (rows, columns, n) array
        See `trust_features`.
    error : (rows, columns) array
        The mean absolute error of each block, in grey levels of 255.
    """

    slide: str
    track: str
    features: Doubles
    error: Doubles


@dataclass(frozen=True, slots=True)
class _Line:
    intercept: float
    weights: Doubles

    def blocks(self, sample: TrustSample) -> Doubles:
        """Return the prediction for each block as the map will show it: after interpolation."""
        predicted = np.exp(sample.features @ self.weights + self.intercept)
        shape = predicted.shape[0] * BLOCK, predicted.shape[1] * BLOCK
        edges = block_edges(shape[0]), block_edges(shape[1])
        return block_means(spread(predicted, shape), *edges)


def fit_knot(samples: Sequence[TrustSample], scale: float, realism: float) -> TrustKnot:
    """Fit the prediction on all slides; take the margins from slides left out one at a time.

    Parameters
    ----------
    samples : sequence of TrustSample
        Of at least two slides.
    scale, realism : float
        What they were generated with.
    """
    line = _fit(samples)
    margins = margins_of(samples, left_out(samples))
    return TrustKnot(
        scale=scale,
        realism=realism,
        intercept=round(line.intercept, 5),
        weights=tuple(round(float(w), 5) for w in line.weights),
        margins=tuple(round(m, 5) for m in margins),
    )


def left_out(samples: Sequence[TrustSample]) -> list[Doubles]:
    """Return log(true / predicted error) of each sample's blocks, fitted without its slide."""
    ratios: list[Doubles] = [np.empty(0)] * len(samples)
    for slide in {sample.slide for sample in samples}:
        line = _fit([s for s in samples if s.slide != slide])
        for i, sample in enumerate(samples):
            if sample.slide == slide:
                ratios[i] = np.log(sample.error + ERROR_FLOOR) - np.log(line.blocks(sample))
    return ratios


def margins_of(samples: Sequence[TrustSample], ratios: Sequence[Doubles]) -> tuple[float, ...]:
    """Return, for each of `LEVELS`, what to add to the predicted logarithm of the error.

    Every slide counts the same, however many fields it has. With n blocks, the margin is the
    ``ceil((n + 1) * level)``-th smallest of their `ratios` (split conformal, Vovk et al. 2005).
    """
    slides = [sample.slide for sample in samples]
    shares = [
        np.full(ratio.size, 1 / ratio.size / slides.count(slide))
        for slide, ratio in zip(slides, ratios, strict=True)
    ]
    values = np.concatenate([ratio.ravel() for ratio in ratios])
    order = np.argsort(values)
    below = np.cumsum(np.concatenate(shares)[order])
    wanted = np.minimum(np.array(LEVELS) * (1 + 1 / len(values)), 1.0) * below[-1]
    places = np.minimum(np.searchsorted(below, wanted), len(values) - 1)
    return tuple(float(m) for m in values[order][places])


def _fit(samples: Sequence[TrustSample]) -> _Line:
    """Fit log error by ridge regression, every slide and track counting the same.

    Besides the blocks, the means over each slide and track are fitted: a map that is wrong by as
    much on all of a slide is worse than one that is wrong here and there.
    """
    groups: dict[tuple[str, str], list[TrustSample]] = {}
    for sample in samples:
        groups.setdefault((sample.slide, sample.track), []).append(sample)
    size = 1 + samples[0].features.shape[-1]
    square, right = np.zeros((size, size)), np.zeros(size)
    for members in groups.values():
        x = np.concatenate([m.features.reshape(-1, m.features.shape[-1]) for m in members])
        x = np.column_stack([np.ones(len(x)), x])
        y = np.log(np.concatenate([m.error.ravel() for m in members]) + ERROR_FLOOR)
        square = square + x.T @ x / len(x) + _GROUPS * np.outer(x.mean(0), x.mean(0))
        right = right + x.T @ y / len(x) + _GROUPS * x.mean(0) * y.mean()
    return _solved(square / len(groups), right / len(groups))


def _solved(square: Doubles, right: Doubles) -> _Line:
    """Solve the normal equations with a penalty on the weights of features scaled to spread 1."""
    total = square[0, 0]
    mean = square[0] / total
    deviation = np.sqrt(np.maximum(np.diag(square) / total - mean**2, 1e-12))
    penalty = _RIDGE * total * deviation**2
    penalty[0] = 0.0
    # Centred, so that the penalty does not touch the level of the prediction.
    inner = square - total * np.outer(mean, mean)
    weights = np.linalg.solve(inner[1:, 1:] + np.diag(penalty[1:]), right[1:] - right[0] * mean[1:])
    return _Line(float(right[0] / total - mean[1:] @ weights), weights)
