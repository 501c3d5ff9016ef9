"""A second source of candidates: small patches around blobs, wherever, turned and sized anyhow.

Dirt spoils every coarse view of a field, but between the specks single nuclei are as they were. At
full resolution each blob of the field is looked up among those of the overview by the patch around
it, and every pair votes for where the field's middle would be. Whatever gathers votes is a
candidate like any other: it is refined and judged in the same way.

Where the angle is unknown each patch is first turned upright by its own gradient, as SIFT does
(Lowe 2004); that finds clean fields at any angle and ratio at once. A gradient next to dirt
points anywhere, so where that finds nothing the angles are tried one by one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medrefine.progress import Step, look_up
from napari_medrefine.registration.placement import similarity, transform
from napari_medrefine.registration.pyramid import Floats, Matrix
from napari_medrefine.registration.window import turned_by

SOFT = 1.2  # sigma of the blur before blobs are looked for: noise and focus matter less
FEWEST_APART = 3  # pixels between two blobs
SIDE = 8  # samples of a patch, along a side
SPACING = 2.5  # pixels between them
SLOPE = 8.0  # sigma of the derivative that turns a patch upright
TURN = 8.0  # degrees between two angles tried
SECTOR = 24.0  # degrees that patches turned upright may be wrong by, together
IN_FIELD = 500  # blobs of the field that vote, the strongest of each part of it
IN_OVERVIEW = 25_000
VOTES = 2  # places each blob may vote for
BIN = 16  # pixels that count as the same place
PER_TURN = 2  # candidates of each angle
FEWEST = 4  # votes that make one
AT_ONCE = 128  # patches compared at a time
PAIRS = 80  # of those that agree, from which a similarity is made
FAR = 20.0  # pixels between two blobs that define one
NEAR = 3.0  # pixels within which a pair supports one

Points = npt.NDArray[np.float64]
Pairs = npt.NDArray[np.int_]


@dataclass(frozen=True, eq=False)
class Keypoints:
    """Blobs of an image, at (row, col), and the image they are on, softened."""

    at: Points
    image: Floats

    @classmethod
    def of(cls, features: Floats, most: int) -> Keypoints:
        """Find at most `most` blobs, dark or light, evenly over the image."""
        soft = np.asarray(ndimage.gaussian_filter(features, SOFT), np.float32)
        strong = np.abs(soft)
        top = ndimage.maximum_filter(strong, 2 * FEWEST_APART + 1)
        at = np.argwhere((strong == top) & (strong > 0.3))
        if len(at) > most:
            at = at[_even(at, strong[at[:, 0], at[:, 1]], soft.shape, most)]
        return cls(at.astype(np.float64), soft)

    @cached_property
    def angles(self) -> Points:
        """Direction of the gradient around every blob, in radians."""
        slopes = [
            ndimage.gaussian_filter(self.image, SLOPE, order=order) for order in ((1, 0), (0, 1))
        ]
        rows, cols = self.at.astype(int).T
        return np.asarray(np.arctan2(slopes[0][rows, cols], slopes[1][rows, cols]), np.float64)

    @cached_property
    def straight(self) -> Floats:
        """`patches` as they are."""
        return self.patches(np.zeros(len(self.at)))

    @cached_property
    def upright(self) -> Floats:
        """`patches`, each turned by its own gradient."""
        return self.patches(self.angles)

    def patches(self, turn: Points, zoom: float = 1.0) -> Floats:
        """Return a patch around every blob, each turned: unit vectors, ``(N, SIDE**2)``."""
        grid = (np.mgrid[:SIDE, :SIDE].reshape(2, -1) - (SIDE - 1) / 2) * SPACING * zoom
        cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
        rows = self.at[:, :1] + cos * grid[0] + sin * grid[1]
        cols = self.at[:, 1:] - sin * grid[0] + cos * grid[1]
        at = np.stack([rows.ravel(), cols.ravel()])
        values = ndimage.map_coordinates(self.image, at, order=1, mode="nearest")
        patches = np.asarray(values.reshape(len(self.at), SIDE**2), np.float32)
        patches -= patches.mean(1, keepdims=True)
        patches /= np.linalg.norm(patches, axis=1, keepdims=True) + 1e-3
        return patches


@dataclass(frozen=True, slots=True)
class Voted:
    """A place of the field, and how many pairs of blobs support it."""

    support: int
    matrix: Matrix


def upright_votes(overview: Keypoints, field: Keypoints, ratio: float) -> list[Voted]:
    """Return the places that patches turned upright vote for, whatever the angle.

    Parameters
    ----------
    overview, field : Keypoints
        Of features of about the same pixel size.
    ratio : float
        Pixels of `field` per pixel of `overview`, right to about 15 %.
    """
    if len(field.at) < 4 or len(overview.at) < 4:
        return []
    pairs = _best_pairs(field.patches(field.angles, ratio), overview.upright)
    turn = np.degrees(overview.angles[pairs] - field.angles[:, None])
    found = []
    for angle in np.arange(-180, 180, SECTOR):
        off = turned_by(turn - angle)
        found += _vote(field.at, overview.at, pairs, ratio, float(angle), np.abs(off) <= SECTOR)
    return sorted(found, key=lambda voted: -voted.support)


def turned_votes_steps(
    overview: Keypoints, field: Keypoints, ratio: float, angles: tuple[float, float]
) -> Generator[Step, None, list[Voted]]:
    """Return the places that patches vote for, trying every angle (degrees) from low to high."""
    if len(field.at) < 4 or len(overview.at) < 4:
        return []
    parts = max(1, int(np.ceil((angles[1] - angles[0]) / TURN)))
    tried = np.linspace(*angles, 2 * parts + 1)[1::2]
    found: list[Voted] = []
    for number, angle in enumerate(tried):
        yield Step(number, len(tried), "comparing patches")
        turn = np.full(len(field.at), -np.radians(angle))
        pairs = _best_pairs(field.patches(turn, ratio), overview.straight)
        found += _vote(field.at, overview.at, pairs, ratio, float(angle))
    return sorted(found, key=lambda voted: -voted.support)


def _even(at: Pairs, strength: Floats, shape: tuple[int, ...], most: int) -> Pairs:
    """Return which blobs to keep: of every part of the image its strongest."""
    rows, cols = (at * 16 // np.array(shape)).T
    order = np.lexsort((-strength, rows * 16 + cols))
    part = (rows * 16 + cols)[order]
    rank = np.arange(len(part)) - np.searchsorted(part, part)
    return np.asarray(np.sort(order[np.argsort(rank, kind="stable")[:most]]))


def _best_pairs(patches: Floats, known: Floats) -> Pairs:
    """Return ``(N, VOTES)``: the blobs of the overview that look most like each of the field's."""
    pairs = np.empty((len(patches), VOTES), int)
    for start in range(0, len(patches), AT_ONCE):
        look_up()
        like = patches[start : start + AT_ONCE] @ known.T
        for vote in range(VOTES):
            best = like.argmax(1)
            pairs[start : start + AT_ONCE, vote] = best
            like[np.arange(len(like)), best] = -2
    return pairs


def _vote(
    here: Points,
    there: Points,
    pairs: Pairs,
    ratio: float,
    angle: float,
    counted: npt.NDArray[np.bool_] | None = None,
) -> list[Voted]:
    """Return the places of the field's middle that most pairs speak for, turned by `angle`."""
    counted = np.ones(pairs.shape, bool) if counted is None else counted
    if counted.sum() < FEWEST:
        return []
    zero = np.zeros(2)
    middle = here.mean(0)
    turned = transform(similarity(ratio, angle, zero, zero), here - middle)
    shift = there[pairs] - turned[:, None]
    found = []
    for place in _peaks(shift[counted]):
        agree = (np.abs(shift - place) <= 1.5 * BIN).all(-1) & counted
        blob, vote = np.nonzero(agree)
        if len(blob) > 1:
            found.append(_similarity_of(here[blob], there[pairs[blob, vote]]))
    return [voted for voted in found if voted.support >= FEWEST]


def _peaks(shift: Points) -> Iterator[Points]:
    """Yield the places that most votes fall on."""
    low = shift.min(0)
    index = ((shift - low) // BIN).astype(int)
    shape = tuple(index.max(0) + 1)
    flat = np.ravel_multi_index(tuple(index.T), shape)
    count = np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float32)
    near = ndimage.uniform_filter(count, 3, mode="constant") * 9
    for _ in range(PER_TURN):
        row, col = np.unravel_index(int(near.argmax()), shape)
        if near[row, col] < FEWEST:
            return
        near[max(row - 2, 0) : row + 3, max(col - 2, 0) : col + 3] = 0
        yield low + (np.array([row, col]) + 0.5) * BIN


def _similarity_of(here: Points, there: Points) -> Voted:
    """Return the similarity with most support, of all that two of the pairs define."""
    z = (here[:, 0] + 1j * here[:, 1])[:PAIRS]
    w = (there[:, 0] + 1j * there[:, 1])[:PAIRS]
    first, second = np.triu_indices(len(z), 1)
    # Two blobs may have voted for one: that defines nothing, nor does any pair close together.
    far = (np.abs(z[second] - z[first]) > FAR) & (np.abs(w[second] - w[first]) > FAR)
    first, second = first[far], second[far]
    if len(first) == 0:
        return Voted(1, _matrix(1, w[0] - z[0]))
    a = (w[second] - w[first]) / (z[second] - z[first])
    b = w[first] - a * z[first]
    supports = np.abs(a[:, None] * z + b[:, None] - w) < NEAR
    best = int(np.argmax(supports.sum(1)))
    # Several votes of one blob, or for one, are one support.
    own = supports[best]
    support = min(len(np.unique(z[own])), len(np.unique(w[own])))
    return Voted(support, _matrix(complex(a[best]), complex(b[best])))


def _matrix(a: complex, b: complex) -> Matrix:
    """Return ``w = a z + b``, rows real and columns imaginary, as a 3x3."""
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag], [0.0, 0.0, 1.0]])
