"""A second source of candidates: small patches around blobs, for fields half covered with dirt.

Dirt spoils every coarse view of a field, but between the specks single nuclei are as they were. At
full resolution each blob of the field is looked up among those of the overview by the patch around
it, for every angle allowed, and every pair votes for where the field's middle would be. Whatever
gathers votes is a candidate like any other: it is refined and judged in the same way.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medrefine.progress import Step
from napari_medrefine.registration.placement import similarity, transform
from napari_medrefine.registration.pyramid import Floats, Matrix, reduction

SOFT = 1.2  # sigma of the blur before blobs are looked for: noise and focus matter less
FEWEST_APART = 3  # pixels between two blobs
SIDE = 8  # samples of a patch, along a side
SPACING = 2.5  # pixels between them
TURN = 8.0  # degrees between two angles tried
IN_FIELD = 500  # blobs of the field that vote, the strongest of each part of it
IN_OVERVIEW = 25_000
VOTES = 2  # places each blob may vote for
BIN = 16  # pixels that count as the same place
PER_ANGLE = 2  # candidates of each angle
KEPT = 8
AT_ONCE = 128  # patches compared at a time
PAIRS = 80  # of those that agree, from which a similarity is made
FAR = 20.0  # pixels between two blobs that define one
NEAR = 3.0  # pixels within which a pair supports one

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Blobs:
    """Blobs of an image, at (row, col), and the image they are on, softened."""

    at: Points
    image: Floats

    @classmethod
    def of(cls, features: Floats, most: int) -> Blobs:
        """Find at most `most` blobs, dark or light, evenly over the image."""
        soft = np.asarray(ndimage.gaussian_filter(features, SOFT), np.float32)
        size = 2 * FEWEST_APART + 1
        strong = np.abs(soft)
        at = np.argwhere((strong == ndimage.maximum_filter(strong, size)) & (strong > 0.3))
        if len(at) > most:
            at = at[_even(at, strong[at[:, 0], at[:, 1]], soft.shape, most)]
        return cls(at.astype(np.float64), soft)

    def patches(self, angle: float, zoom: float = 1.0) -> Floats:
        """Return a patch around every blob, turned by `angle`: unit vectors, ``(N, SIDE**2)``."""
        grid = (np.mgrid[:SIDE, :SIDE].reshape(2, -1).T - (SIDE - 1) / 2) * SPACING * zoom
        turn = np.radians(angle)
        turned = grid @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        at = (self.at[:, None] + turned).reshape(-1, 2).T
        values = ndimage.map_coordinates(self.image, at, order=1, mode="nearest")
        patches = np.asarray(values.reshape(len(self.at), SIDE**2), np.float32)
        patches -= patches.mean(1, keepdims=True)
        patches /= np.linalg.norm(patches, axis=1, keepdims=True) + 1e-3
        return patches


def votes_steps(
    overview: Blobs,
    field: Floats,
    factor: int,
    ratio: float,
    angles: tuple[float, float],
) -> Generator[Step, None, list[Matrix]]:
    """Return candidate matrices, field pixels to overview pixels, those with most votes first.

    Parameters
    ----------
    overview : Blobs
        Of the overview's features at full resolution.
    field : ndarray
        Features of the field reduced by `factor`, to about the overview's pixel size.
    factor : int
        See `field`.
    ratio : float
        Field pixels per overview pixel, right to a few percent.
    angles : (float, float)
        Degrees, from low to high.
    """
    blobs = Blobs.of(field, IN_FIELD)
    if len(blobs.at) < 4 or len(overview.at) < 4:
        return []
    known = overview.patches(0.0)
    parts = max(1, int(np.ceil((angles[1] - angles[0]) / TURN)))
    tried = np.linspace(*angles, 2 * parts + 1)[1::2]
    found: list[tuple[float, Matrix]] = []
    for number, angle in enumerate(tried):
        yield Step(number, len(tried), "comparing patches")
        pairs = _best_pairs(blobs.patches(float(angle), ratio / factor), known)
        found += _vote(blobs.at, overview.at, pairs, ratio / factor, float(angle))
    found.sort(key=lambda candidate: -candidate[0])
    small = reduction(factor)
    return [matrix @ small for _, matrix in found[:KEPT]]


def _even(at: npt.NDArray[np.int_], strength: Floats, shape: tuple[int, ...], most: int) -> Points:
    """Return which blobs to keep: of every part of the image its strongest."""
    rows, cols = (at * 16 // np.array(shape)).T
    order = np.lexsort((-strength, rows * 16 + cols))
    part = (rows * 16 + cols)[order]
    first = np.searchsorted(part, part)
    rank = np.arange(len(part)) - first
    return np.asarray(np.sort(order[np.argsort(rank, kind="stable")[:most]]))


def _best_pairs(patches: Floats, known: Floats) -> npt.NDArray[np.int_]:
    """Return ``(N, VOTES)``: the blobs of the overview that look most like each of the field's."""
    pairs = np.empty((len(patches), VOTES), int)
    for start in range(0, len(patches), AT_ONCE):
        like = patches[start : start + AT_ONCE] @ known.T
        for vote in range(VOTES):
            best = like.argmax(1)
            pairs[start : start + AT_ONCE, vote] = best
            like[np.arange(len(like)), best] = -2
    return pairs


def _vote(
    here: Points, there: Points, pairs: npt.NDArray[np.int_], ratio: float, angle: float
) -> list[tuple[float, Matrix]]:
    """Return (votes, matrix) of the places of the field's middle that most pairs speak for."""
    zero = np.zeros(2)
    turned = transform(similarity(ratio, angle, zero, zero), here)
    shift = there[pairs] - turned[:, None]
    flat = shift.reshape(-1, 2)
    low = flat.min(0)
    index = ((flat - low) // BIN).astype(int)
    count = np.zeros(index.max(0) + 1, np.float32)
    np.add.at(count, tuple(index.T), 1)
    near = ndimage.uniform_filter(count, 3, mode="constant") * 9
    # Where the overview has many blobs many vote by chance: count what exceeds the surroundings.
    usual = ndimage.gaussian_filter(count, 12, mode="constant") * 9
    surplus = (near - usual) / np.sqrt(usual + 1)
    peaks = np.argsort(surplus, axis=None)[::-1][: 9 * PER_ANGLE]
    found: list[tuple[float, Matrix]] = []
    taken: list[npt.NDArray[np.int_]] = []
    for peak in peaks:
        where = np.array(np.unravel_index(peak, surplus.shape))
        if len(found) == PER_ANGLE or any(np.abs(where - other).max() <= 2 for other in taken):
            continue
        taken.append(where)
        middle = low + (where + 0.5) * BIN
        agree = (np.abs(shift - middle) <= 1.5 * BIN).all(-1)
        blob, vote = np.nonzero(agree)
        matrix = _similarity_of(here[blob], there[pairs[blob, vote]])
        found.append((float(surplus.flat[peak]), matrix))
    return found


def _similarity_of(here: Points, there: Points) -> Matrix:
    """Return the similarity with most support, of all that two of the pairs define."""
    z = (here[:, 0] + 1j * here[:, 1])[:PAIRS]
    w = (there[:, 0] + 1j * there[:, 1])[:PAIRS]
    first, second = np.triu_indices(len(z), 1)
    # Two blobs may have voted for one: that defines nothing, nor does any pair close together.
    far = (np.abs(z[second] - z[first]) > FAR) & (np.abs(w[second] - w[first]) > FAR)
    first, second = first[far], second[far]
    if len(first) == 0:
        return _matrix(1, w[0] - z[0])
    a = (w[second] - w[first]) / (z[second] - z[first])
    b = w[first] - a * z[first]
    support = (np.abs(a[:, None] * z + b[:, None] - w) < NEAR).sum(1)
    best = int(np.argmax(support))
    return _matrix(complex(a[best]), complex(b[best]))


def _matrix(a: complex, b: complex) -> Matrix:
    """Return ``w = a z + b``, rows real and columns imaginary, as a 3x3."""
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag], [0.0, 0.0, 1.0]])
