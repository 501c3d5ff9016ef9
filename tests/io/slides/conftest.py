"""A picture of our own, and the one check all formats share: any window has its very pixels."""

from __future__ import annotations

import numpy as np
import pytest


def make_picture(height, width, channels=3, dtype=np.uint8, seed=0):
    """Return random values over the whole range of a dtype; floats from -1 to 2."""
    rng = np.random.default_rng(seed)
    shape = (height, width, channels) if channels else (height, width)
    if np.dtype(dtype).kind == "f":
        return rng.uniform(-1, 2, shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def assert_same_windows(level, expected, count=40):
    """Check random windows, the four corners, single pixels at the borders, and the whole."""
    assert level.shape == expected.shape
    assert level.dtype == expected.dtype
    height, width = expected.shape[:2]
    rng = np.random.default_rng(height)
    windows = [(slice(None), slice(None)), (slice(-1, None), slice(-1, None))]
    windows += [(slice(r, r + 9), slice(c, c + 9)) for r in (0, height - 9) for c in (0, width - 9)]
    for _ in range(count):
        top, bottom = sorted(rng.integers(0, height + 1, 2))
        left, right = sorted(rng.integers(0, width + 1, 2))
        windows.append((slice(top, bottom), slice(left, right)))
    for window in windows:
        part = level[window]
        assert isinstance(part, np.ndarray)
        assert part.dtype == expected.dtype
        np.testing.assert_array_equal(part, expected[window])


@pytest.fixture
def same_windows():
    return assert_same_windows


@pytest.fixture
def random_picture():
    return make_picture
