"""Pixels that are not square in one of the photos: what the blocks of a field show of it.

A search fits a similarity. Where one camera stretches the picture (a frame grabber, or a program
that resized it to another shape), the middle of the field fits and its edges drift: whole blocks
are moved, and all of them together by an affine law. That law is fitted to the blocks' offsets,
robustly (iteratively reweighted least squares, Holland & Welsch 1977), and the blocks are asked
again, since those far off could not answer the first time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_medrefine.registration.pair import Pair
from napari_medrefine.registration.placement import Placement
from napari_medrefine.registration.pyramid import Matrix
from napari_medrefine.registration.uncertainty import SYSTEMATIC
from napari_medrefine.registration.verdict import REACH, Blocks, Evidence, judge

FEWEST = 12  # blocks that an affine law needs
ROUNDS = 8
ITERATIONS = 10
WIDTH = 0.75  # pixels of a block's offset beyond which it counts less
CUT = 2.5  # pixels beyond which it does not count
SURE = 6.0  # standard errors that a stretch must differ from none
SETTLED = 0.03  # pixels that no corner moves by any more
LEAST = 0.5  # overview pixels by which a corner must move, or the placement stays as it was
BETTER = 0.7  # of the blocks' squared offsets that may be left


@dataclass(frozen=True, eq=False)
class Law:
    """An affine law of the blocks' offsets.

    Attributes
    ----------
    correction : ndarray
        3x3, points of the reduced field to where, on its own grid, their like was found.
    stretch : float
        By how many pixels what is no similarity in it moves a corner.
    error : float
        The standard error of `stretch`.
    position_error : float
        The standard error of a point, averaged over the field.
    """

    correction: Matrix
    stretch: float
    error: float
    position_error: float


def unstretched(
    place: Placement, pair: Pair, evidence: Evidence
) -> tuple[Placement, Evidence] | None:
    """Return the affine placement of a stretched field, and what its blocks say there.

    None where they do not show that it is stretched.

    Parameters
    ----------
    place : Placement
        An accepted one; with a lens, perhaps, which may explain what the blocks say.
    pair : Pair
        The field at that place, and its level; the lens left aside.
    evidence : Evidence
        What the blocks say there.
    """
    shape, factor = pair.field.shape, pair.level.factor
    law = affine_law(evidence.blocks, shape)
    if law is None or law.stretch < SURE * law.error:
        return None
    matrix, at, moved = pair.matrix, evidence, np.eye(3)
    for _ in range(ROUNDS):
        matrix, moved = matrix @ law.correction, moved @ law.correction
        at = pair.ask(matrix)
        settled = _farthest(law.correction - np.eye(3), shape) < SETTLED
        law = affine_law(at.blocks, shape) or law
        if settled:
            break
    much = _stretch(moved, shape) * factor >= LEAST
    before = left_over(evidence.blocks, _bent(place, pair, evidence.blocks))
    if not much or at.agreeing < evidence.agreeing or left_over(at.blocks) > BETTER * before:
        return None
    whole = pair.as_given(matrix)
    longer = float(np.linalg.cond(whole[:2, :2])) - 1
    error = float(np.hypot(law.position_error * factor, SYSTEMATIC))
    found = replace(
        place,
        matrix=whole,
        distortion=None,
        score=pair.score(matrix),
        false_alarms=at.false_alarms,
        residual=at.residual,
        standard_error=error,
    )
    accepted, reason = judge(at, found.score, 0.0, found.overlap)
    told = f" The field is stretched by {longer:.1%} against the overview; the placement follows."
    return replace(found, accepted=accepted, reason=reason + told), at


def _bent(place: Placement, pair: Pair, blocks: Blocks) -> npt.NDArray[np.float64] | None:
    """Return the offsets ``(down, across, 2)`` that a lens explains."""
    if place.distortion is None:
        return None
    at = centres(blocks, pair.field.shape)
    return pair.seen_at(place, at.reshape(-1, 2)).reshape(at.shape) - at


def left_over(blocks: Blocks, explained: npt.NDArray[np.float64] | None = None) -> float:
    """Return the sum of the blocks' squared offsets, each at most 1, without what is explained.

    Parameters
    ----------
    blocks : Blocks
    explained : ndarray, optional
        ``(down, across, 2)`` offsets that a lens explains.
    """
    offsets = blocks.offsets if explained is None else blocks.offsets - explained
    squares = np.minimum(np.nansum(np.square(offsets), axis=-1), 1.0)
    return float(squares[np.isfinite(blocks.offsets[..., 0])].sum())


def centres(blocks: Blocks, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return the blocks' middles ``(down, across, 2)`` in pixels of the reduced field."""
    side = np.array(shape) // blocks.counts
    rows, cols = (np.arange(n) * s + (s - 1) / 2 for n, s in zip(blocks.counts, side, strict=True))
    return np.stack(np.meshgrid(rows, cols, indexing="ij"), -1)


def affine_law(blocks: Blocks, shape: tuple[int, ...]) -> Law | None:
    """Fit an affine law to the offsets of the blocks; None where too few of them follow one."""
    middle = (np.array(shape) - 1) / 2
    tells = np.isfinite(blocks.offsets[..., 0]) & (np.abs(blocks.offsets) < REACH - 0.5).all(-1)
    points = np.column_stack([np.ones(tells.sum()), centres(blocks, shape)[tells] - middle])
    offsets, weight = blocks.offsets[tells], blocks.agree[tells].astype(float)
    for _ in range(ITERATIONS):
        if (weight > 0).sum() < FEWEST:
            return None
        normal = points.T @ (points * weight[:, None])
        if np.linalg.cond(normal) > 1e9:  # all in a line
            return None
        law = np.linalg.solve(normal, points.T @ (offsets * weight[:, None]))
        off = np.hypot(*(offsets - points @ law).T)
        weight = np.where(off < CUT, 1 / (1 + (off / WIDTH) ** 2), 0.0)
    noise = float((weight * off**2).sum() / (2 * max(weight.sum() - 3, 1.0)))
    spread = np.linalg.inv(points.T @ (points * weight[:, None])) * noise
    correction = np.eye(3)
    correction[:2, :2] += law[1:].T
    correction[:2, 2] = law[0] - law[1:].T @ middle
    half = math.hypot(*middle)
    own = np.einsum("ni,ij,nj->n", points, spread, points).mean()
    return Law(
        correction,
        _stretch(correction, shape),
        float(np.sqrt((spread[1, 1] + spread[2, 2]) / 4)) * half,
        float(np.sqrt(2 * own)),
    )


def _stretch(matrix: Matrix, shape: tuple[int, ...]) -> float:
    """Return how far what is no similarity in `matrix` moves a corner."""
    (a, b), (c, d) = (float(x) for x in matrix[0, :2]), (float(x) for x in matrix[1, :2])
    pure = math.hypot(a - d, b + c) / 2
    return pure * math.hypot(*shape) / 2


def _farthest(linear: Matrix, shape: tuple[int, ...]) -> float:
    """Return how far a change of a matrix moves the corner that it moves most."""
    low, right = shape[0] - 1, shape[1] - 1
    corners = np.array([[0, 0, low, low], [0, right, 0, right]])
    moved = linear[:2, :2] @ corners + linear[:2, 2:]
    return float(np.hypot(*moved).max())
