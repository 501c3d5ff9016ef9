"""Which fields are held out, and that nothing of them is learned from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from deblurring import SIDE, stored, write

from napari_medrefine.dataset.pair_files import read_pair, read_pairs
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.folds import Fields, Fold, folds_of
from napari_medrefine.superres.photo_pairs import PhotoPair


def fields(folder: Path, lefts: Sequence[int]) -> Fields:
    """Return fields that begin at these columns of the overview."""
    where = write(folder, [stored(k, 5.0) for k in range(len(lefts))], lefts) / "pairs"
    entries = read_pairs(where).pairs
    return Fields(entries, [PhotoPair.of(e, read_pair(where, e), 4) for e in entries])


def test_of_few_each_is_held_out_in_turn_and_of_many_a_quarter() -> None:
    assert folds_of(3, 0) == [Fold((1, 2), (0,)), Fold((0, 2), (1,)), Fold((0, 1), (2,))]
    (fold,) = folds_of(9, 0)
    assert sorted(fold.learned + fold.out) == list(range(9))
    assert len(fold.out) == 3


def test_fields_that_do_not_overlap_are_learned_from_whole(tmp_path: Path) -> None:
    apart = fields(tmp_path, [0, SIDE, 2 * SIDE, 3 * SIDE])
    (fold,) = apart.folds(0)
    assert fold == folds_of(4, 0)[0]
    assert all(pair.mask.all() for pair in apart.learned(fold))


@pytest.mark.parametrize("left", [SIDE - 8, SIDE + 8])
def test_what_a_held_out_field_shows_is_not_learned_from_another(tmp_path: Path, left: int) -> None:
    (pair,) = fields(tmp_path, [SIDE, left]).learned(Fold((1,), (0,)))
    columns = left + np.flatnonzero(pair.mask.any(0))
    assert len(columns) == 8
    assert not ((columns >= SIDE) & (columns < 2 * SIDE)).any()


def test_a_field_photographed_twice_does_not_judge_itself(tmp_path: Path) -> None:
    twice = fields(tmp_path, [0, 100, 2])
    assert twice.folds(0) == [Fold((1,), (0,)), Fold((0, 2), (1,)), Fold((1,), (2,))]


def test_fields_of_one_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MedRefineError, match="add fields of other places"):
        fields(tmp_path, [0, 3]).folds(0)
