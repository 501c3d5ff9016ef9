"""Difference pictures, the checkerboard and the labelled panel."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medrefine.compare import visuals
from napari_medrefine.errors import MedRefineError

GREY = np.full((40, 60, 3), 100, np.uint8)


def test_differences_show_where_and_which_way() -> None:
    other = GREY.copy()
    other[:10, :10] += 20
    other[30:, 50:] -= 20
    signed = visuals.signed_difference(other, GREY, gain=255 / 20)
    brighter, darker, same = signed[5, 5].astype(int), signed[35, 55].astype(int), signed[20, 20]
    assert (same == 255).all()
    assert brighter[0] > brighter[2] + 100  # orange
    assert darker[2] > darker[0] + 100  # blue
    swapped = visuals.signed_difference(GREY, other, gain=255 / 20)
    np.testing.assert_array_equal(swapped[5, 5], signed[35, 55])


def test_checkerboard_takes_both_in_turn() -> None:
    board = visuals.checkerboard(GREY, GREY + np.uint8(50), squares=6)
    assert board.shape == GREY.shape
    assert board.dtype == np.uint8
    assert [int(board[5, c, 0]) for c in (5, 15, 25)] == [100, 150, 100]
    assert [int(board[r, 5, 0]) for r in (5, 15, 25)] == [100, 150, 100]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_pictures_take_any_image(dtype: type) -> None:
    white = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    image = np.full((20, 30), white, dtype)
    image[:10] = white // 2 if dtype is not np.float32 else 0.5
    shown = visuals.as_picture(image)
    assert shown.shape == (20, 30, 3)
    assert shown.dtype == np.uint8
    assert (shown[15] == 255).all()
    assert abs(int(shown[5, 5, 0]) - 128) <= 1


def test_a_panel_holds_every_image_under_its_label() -> None:
    images = [("one", GREY), ("two\n20 dB", GREY[..., 0]), ("three", np.zeros((10, 10), np.uint8))]
    panel = visuals.side_by_side(images, columns=2, width=120)
    assert panel.dtype == np.uint8
    assert panel.shape[1] == 2 * 128
    top = panel[:44, :120]
    assert (top < 100).any()  # the label is written
    assert (panel[60, 10] == 100).all()
    assert (panel[60, 138] == 100).all()
    assert (panel[-60, 60] == 0).all()


def test_what_cannot_be_shown_is_refused() -> None:
    with pytest.raises(MedRefineError, match="compared"):
        visuals.signed_difference(GREY, GREY[:-1])
    with pytest.raises(MedRefineError, match="2 squares"):
        visuals.checkerboard(GREY, GREY, squares=1)
    with pytest.raises(MedRefineError, match="no image"):
        visuals.side_by_side([])
