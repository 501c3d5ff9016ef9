"""Why a place may be wrong though its blocks agree.

Two things make every block agree at a wrong place. What belongs to the camera (dust, a caption, the
eyepiece's edge) lies at the same place of every photo: the field then seems to cover the overview
frame on frame. And a pattern that repeats, a grid on the slide or a counting chamber, fits as well
one period away, where no rival of the search need have been. That distance is told by the field's
autocorrelation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_medrefine.registration.pair import Pair
from napari_medrefine.registration.placement import Placement
from napari_medrefine.registration.pyramid import Floats, Matrix
from napari_medrefine.registration.refine import Template, part_around, refine
from napari_medrefine.registration.verdict import FEWEST, LEAST_GAP, REACH, Evidence

FRAME = 0.003  # of the overview's diagonal within which corners count as the same
FINER = 1.5  # ratio above which one frame cannot cover the other by rights
FILLED = 0.75  # share of all blocks that must agree, frame on frame
REPEATS = 0.25  # autocorrelation above which something repeats; tissue stays below 0.1
NEAREST = 2 * REACH + 2  # pixels: the structures themselves are correlated over less
PERIODS = 4  # distances that are looked at, both ways
AS_MANY = 0.5  # share of the blocks that must agree a period away as well


def doubt(place: Placement, pair: Pair, evidence: Evidence) -> str:
    """Return why a placement that convinces may be wrong all the same; empty where nothing does.

    Parameters
    ----------
    place : Placement
        An accepted one.
    pair : Pair
        The field at that place, and a level.
    evidence : Evidence
        What the blocks say there.
    """
    parts = evidence.blocks.agree.size
    if evidence.agreeing < FILLED * parts and _is_frame_on_frame(place):
        return (
            "the field would cover the overview frame on frame, and only "
            f"{evidence.agreeing} of {parts} parts of it agree; dust, a caption or the edge of the "
            "eyepiece, which stay with the camera, look like that."
        )
    again = _fits_again(pair)
    if again is not None:
        return (
            f"its pattern repeats, and {again:.0f} overview pixels away the field fits about as "
            "well."
        )
    return ""


def _is_frame_on_frame(place: Placement) -> bool:
    """Return whether a finer field's corners lie on those of the overview, in any order."""
    if place.ratio < FINER:
        return False
    height, width = place.overview_shape
    rows, cols = (-0.5, height - 0.5), (-0.5, width - 0.5)
    corners = np.array([[r, c] for r in rows for c in cols])
    apart = np.hypot(*(place.corners()[:, None] - corners[None]).transpose(2, 0, 1))
    near = apart <= FRAME * np.hypot(height, width)
    return bool(near.any(axis=0).all() and near.any(axis=1).all())


def _fits_again(pair: Pair) -> float | None:
    """Return how far away, in overview pixels, a repeating field fits about as well, or None."""
    template: Template | None = None
    for lag in _periods(pair.field):
        there = _moved(pair.matrix, lag)
        asked = pair.ask(there)
        if asked.usable < FEWEST or asked.agreeing < AS_MANY * asked.usable:
            continue
        template = template or Template.of(pair.field)
        found = refine(part_around(pair.level, pair.field.shape, there), template, there)
        if found.score > pair.score(pair.matrix) - LEAST_GAP:
            return float(np.hypot(*(pair.matrix[:2, :2] @ lag))) * pair.level.factor
    return None


def _moved(matrix: Matrix, lag: npt.NDArray[np.float64]) -> Matrix:
    step = np.eye(3)
    step[:2, 2] = lag
    return matrix @ step


def _periods(field: Floats) -> Iterator[npt.NDArray[np.float64]]:
    """Yield by how much a field may be moved and look like itself, the likeliest first."""
    like = _autocorrelation(field)
    middle = np.array(like.shape) // 2
    rows, cols = np.indices(like.shape)
    far = np.hypot(rows - middle[0], cols - middle[1]) >= NEAREST
    top = (like == ndimage.maximum_filter(like, NEAREST // 2)) & far & (like >= REPEATS)
    found = np.argwhere(top)
    for place in found[np.argsort(-like[top])][: 2 * PERIODS]:
        yield (place - middle).astype(np.float64)


def _autocorrelation(field: Floats) -> Floats:
    """Return the normalised autocorrelation up to half the field's sides, no shift in the middle.

    Each value is over the pixels that overlap (Wiener & Khinchin, by FFT).
    """
    field = field - field.mean()
    size = [fft.next_fast_len(2 * n, True) for n in field.shape]
    power = np.abs(fft.rfft2(field, size)) ** 2
    whole = np.fft.fftshift(fft.irfft2(power, size))
    reach = [n // 2 for n in field.shape]
    rows, cols = (slice(s // 2 - r, s // 2 + r + 1) for s, r in zip(size, reach, strict=True))
    lags = [np.abs(np.arange(-r, r + 1)) for r in reach]
    count = np.outer(field.shape[0] - lags[0], field.shape[1] - lags[1])
    like = whole[rows, cols] / count
    peak = float(like[reach[0], reach[1]])
    return np.asarray(like / peak if peak > 0 else np.zeros_like(like), np.float32)
