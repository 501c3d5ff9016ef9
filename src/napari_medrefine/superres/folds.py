"""Which fields are learned from and which held out: whole fields, and no place on both sides.

Fields may overlap each other on the overview. What one that is held out shows is not learned from
another one, either; otherwise the gain would be told on places that the network has seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_medrefine.dataset.pair_files import PairEntry
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.photo_pairs import PhotoPair

_MANY = 4  # fields from which on a part is held out for good
_HELD_OUT = 4  # one field in so many
_LEFT = 0.2  # share of what is usable of a field that must be left to learn from


@dataclass(frozen=True, slots=True)
class Fold:
    """Numbers of the fields that are learned from, and of those held out."""

    learned: tuple[int, ...]
    out: tuple[int, ...] = ()


def folds_of(count: int, seed: int) -> list[Fold]:
    """Return what is learned from and what is held out: once, or each field in turn."""
    if in_turn(count):
        numbers = range(count)
        return [Fold(tuple(n for n in numbers if n != out), (out,)) for out in numbers]
    order = np.random.default_rng(seed).permutation(count)
    out = {int(n) for n in order[: -(-count // _HELD_OUT)]}
    return [Fold(tuple(n for n in range(count) if n not in out), tuple(sorted(out)))]


def in_turn(count: int) -> bool:
    """Return whether there are so few fields that each is held out in turn."""
    return count < _MANY


class Fields:
    """The fields of an overview, to be learned from in folds.

    Parameters
    ----------
    entries : sequence of PairEntry
        Where they lie.
    pairs : sequence of PhotoPair
        What they show, in the same order.
    """

    def __init__(self, entries: Sequence[PairEntry], pairs: Sequence[PhotoPair]) -> None:
        self.entries, self.pairs = entries, pairs

    def folds(self, seed: int) -> list[Fold]:
        """Return the folds in which something is left to learn from.

        Raises
        ------
        MedRefineError
            If there are none: the fields show the same place.
        """
        found = [self._apart(fold) for fold in folds_of(len(self.pairs), seed)]
        folds = [fold for fold in found if fold.learned]
        if not folds:
            raise MedRefineError(
                "The fields lie on one another, so that nothing could say whether learning helped; "
                "add fields of other places."
            )
        return folds

    def learned(self, fold: Fold) -> list[PhotoPair]:
        """Return what a fold learns from, without what its held-out fields show, too."""
        return [
            replace(self.pairs[n], mask=mask)
            for n, mask in zip(fold.learned, self._masks(fold), strict=True)
        ]

    def _apart(self, fold: Fold) -> Fold:
        masks = zip(fold.learned, self._masks(fold), strict=True)
        left = tuple(n for n, mask in masks if mask.sum() >= _LEFT * self.pairs[n].mask.sum())
        return Fold(left, fold.out)

    def _masks(self, fold: Fold) -> Iterator[npt.NDArray[np.bool_]]:
        for number in fold.learned:
            mask = self.pairs[number].mask.copy()
            for other in fold.out:
                mask[_common(self.entries[number], self.entries[other])] = False
            yield mask


def _common(field: PairEntry, other: PairEntry) -> tuple[slice, ...]:
    """Return which rows and columns of a field also lie in the box around another one."""
    return tuple(
        slice(max(0, low - first), max(0, low + length - first))
        for first, low, length in zip(field.first, other.first, other.shape, strict=True)
    )
