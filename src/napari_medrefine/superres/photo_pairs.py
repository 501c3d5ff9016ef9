"""Real pairs as tensors: crops to learn from, and whole fields to be judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_medrefine._resample import area_taps
from napari_medrefine.dataset.pair_files import PairEntry, StoredPair
from napari_medrefine.superres.consistency import drift, drift_reach
from napari_medrefine.superres.generator import Trunk, compose
from napari_medrefine.superres.optics import project

Floats = npt.NDArray[np.float32]
CONTEXT = 16  # overview pixels around a crop that are shown to the network and not learned from
_TRIES = 20  # places looked at for a crop that is mostly usable
_ENOUGH = 0.5  # share of a crop that should be


class Crop(NamedTuple):
    """An input ``(1, 3, n + 2 CONTEXT, ...)``, its truth by scale, and the mask ``(n, n)``."""

    given: Tensor
    truths: dict[int, Tensor]
    mask: Tensor


@dataclass(frozen=True, eq=False)
class PhotoPair:
    """A field that may be learned from.

    Attributes
    ----------
    name : str
        Of the field.
    given : ndarray
        float32 ``(h + 2 reach, w + 2 reach, 3)``, white at 1: the overview under and around it.
    target : ndarray
        uint8 ``(zoom * h, zoom * w, 3)``.
    mask : ``(h, w)`` bool
    reach : int
        Overview pixels around the field, mirrored where the overview ends.
    """

    name: str
    given: Floats
    target: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    reach: int

    @property
    def zoom(self) -> int:
        """Target pixels to one of the overview."""
        return int(self.target.shape[0] // self.mask.shape[0])

    @classmethod
    def of(cls, entry: PairEntry, stored: StoredPair, halo: int) -> PhotoPair:
        """Return a stored pair with `halo` and what else a pixel depends on around it."""
        reach = halo + drift_reach(4) + 2
        unit = stored.given.astype(np.float32) / np.float32(255)
        there = [
            (margin, unit.shape[axis] - margin - length)
            for axis, (margin, length) in enumerate(zip(entry.margin, entry.shape, strict=True))
        ]
        lacking = [(max(0, reach - a), max(0, reach - b)) for a, b in there]
        padded = np.pad(unit, [*lacking, (0, 0)], mode="symmetric")  # as `Rendering` does
        cut = [
            slice(max(0, a - reach), max(0, a - reach) + n + 2 * reach)
            for (a, _), n in zip(there, entry.shape, strict=True)
        ]
        given = np.ascontiguousarray(padded[cut[0], cut[1]])
        return cls(entry.field.name, given, stored.target, stored.mask, reach)

    def crop(self, side: int, scales: Sequence[int], rng: np.random.Generator) -> Crop:
        """Return a crop of up to `side` overview pixels a side, turned and mirrored at random."""
        side = min(side, *self.mask.shape)
        top, left = self._place(side, rng)
        around = slice(top + self.reach - CONTEXT, top + self.reach + side + CONTEXT)
        across = slice(left + self.reach - CONTEXT, left + self.reach + side + CONTEXT)
        zoom = self.zoom
        truth = self.target[top * zoom : (top + side) * zoom, left * zoom : (left + side) * zoom]
        mask = self.mask[top : top + side, left : left + side]
        turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))

        def turned(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            image = np.rot90(image, turns)
            return np.ascontiguousarray(image[:, ::-1] if mirrored else image)

        sharp = turned(truth.astype(np.float32) / np.float32(255))
        truths = {scale: _tensor(_reduced(sharp, side * scale)) for scale in scales}
        given = _tensor(turned(self.given[around, across]))
        return Crop(given, truths, torch.from_numpy(turned(mask.astype(np.float32))))

    def _place(self, side: int, rng: np.random.Generator) -> tuple[int, int]:
        """Return where a crop begins that is mostly usable, or the best that was seen."""
        best, place = -1.0, (0, 0)
        for _ in range(_TRIES):
            top, left = (int(rng.integers(n - side + 1)) for n in self.mask.shape)
            share = float(self.mask[top : top + side, left : left + side].mean())
            if share > best:
                best, place = share, (top, left)
            if share >= _ENOUGH:
                break
        return place

    @torch.no_grad()
    def psnr(self, generator: Trunk) -> float:
        """Return how near `generator` comes to the field, in dB, where it may be learned from."""
        zoom, reach = self.zoom, self.reach * self.zoom
        output = enlarged(generator, _tensor(self.given), (zoom,))[zoom]
        shown = output[0, :, reach:-reach, reach:-reach].clamp(0, 1).permute(1, 2, 0).numpy()
        error = (shown - self.target.astype(np.float32) / np.float32(255)) ** 2
        fine = np.kron(self.mask, np.ones((zoom, zoom), np.bool_))
        return float(-10 * np.log10(max(1e-10, float(error[fine].mean(dtype=np.float64)))))


def enlarged(generator: Trunk, image: Tensor, scales: Sequence[int]) -> dict[int, Tensor]:
    """Return `image` at every scale, as `superres.chain` makes it of a photo; of one trunk pass."""
    shades = image - 1
    features = generator.features(shades)
    results = {}
    for scale in scales:
        residual = generator.headed(features, scale)
        results[scale] = compose(shades, residual - drift(residual, scale), scale)
    return results


def _reduced(sharp: Floats, side: int) -> Floats:
    """Return a square image averaged over the pixels of one of `side`."""
    if side == len(sharp):
        return sharp
    matrix = area_taps(len(sharp), side).dense().astype(np.float32)
    return project(sharp, matrix, matrix)


def _tensor(image: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
