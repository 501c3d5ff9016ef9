"""Area averaging moves nothing and loses no light, whatever the ratio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.data import immunohistochemistry

from napari_medrefine._resample import area_mean

FINE = immunohistochemistry()[:480, :480].astype(np.float32)


@pytest.mark.parametrize("ratio", [1, 2, 2.5, 3, 9.83])
def test_area_averaging_does_not_move_the_picture(ratio: float) -> None:
    side = round(300 / ratio)
    ramp = np.broadcast_to(np.arange(300, dtype=np.float32), (300, 300))
    centres = (np.arange(side) + 0.5) * 300 / side - 0.5
    off = area_mean(ramp, (side, side))[0] - centres
    assert np.abs(off).max() < 0.06  # a pixel that is shared out is of one value
    assert abs(off.mean()) < 1e-3


@given(st.integers(1, 90), st.integers(1, 90))
def test_area_averaging_keeps_the_mean(height: int, width: int) -> None:
    fine = FINE[:90, :90]
    small = area_mean(fine, (height, width))
    assert small.shape == (height, width, 3)
    np.testing.assert_allclose(small.mean((0, 1)), fine.mean((0, 1)), rtol=1e-4)


@pytest.mark.parametrize("ratio", [2, 4, 10])
def test_at_whole_ratios_it_is_the_mean_of_blocks(ratio: int) -> None:
    side = 480 // ratio
    blocks = FINE.reshape(side, ratio, side, ratio, 3).mean((1, 3))
    np.testing.assert_allclose(area_mean(FINE, (side, side)), blocks, atol=1e-4)
