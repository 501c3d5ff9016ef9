"""A level on disk as napari shows it: colours last, and what is not written yet transparent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_medrefine.widgets._disk_level import photo_level


@pytest.fixture
def stored(tmp_path):
    """Return an array of some channels, of which only the first 16 rows are written."""

    def of(channels, dtype):
        rng = np.random.default_rng(0)
        array = zarr.create_array(
            tmp_path / "0", shape=(channels, 40, 50), chunks=(channels, 16, 16), dtype=dtype
        )
        pixels = rng.integers(1, 200, (channels, 16, 50)).astype(dtype)
        array[:, :16] = pixels
        return array, np.moveaxis(pixels, 0, -1)

    return of


@pytest.mark.parametrize(("dtype", "opaque"), [("u1", 255), ("u2", 65535), ("f4", 1)])
def test_of_colours_what_is_not_written_is_transparent(stored, dtype, opaque):
    array, pixels = stored(3, dtype)
    level = photo_level(array, Path(), whole=False)
    assert (level.shape, level.dtype) == ((40, 50, 4), np.dtype(dtype))
    part = level[4:30, 7:]
    assert part.dtype == level.dtype
    np.testing.assert_array_equal(part[:12, :, :3], pixels[4:, 7:])
    assert (part[:12, :, 3] == opaque).all()
    assert not part[12:].any()


def test_of_a_complete_picture_black_is_black(stored):
    level = photo_level(stored(3, "u1")[0], Path(), whole=True)
    assert (level[:, :][..., 3] == 255).all()


@pytest.mark.parametrize(("channels", "shape"), [(1, (40, 50)), (2, (40, 50, 2)), (4, (40, 50, 4))])
def test_what_are_no_three_colours_stay_as_they_are(stored, channels, shape):
    array, pixels = stored(channels, "u1")
    level = photo_level(array, Path(), whole=False)
    assert level.shape == shape
    np.testing.assert_array_equal(np.asarray(level)[:16], pixels.reshape(16, *shape[1:]))
