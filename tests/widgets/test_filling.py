"""What is shown of a picture that is being written is what its pyramid will hold there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_medrefine.io.ome_zarr import part_of, write_ome_zarr
from napari_medrefine.io.zarr_pyramid import ZarrPyramid
from napari_medrefine.progress import finish
from napari_medrefine.widgets import _filling
from napari_medrefine.widgets._filling import Filling

BLOCK = 512


class Picture:
    """Odd sizes, and the same wherever one begins."""

    dtype = np.dtype(np.uint8)

    def __init__(self, *channels: int) -> None:
        self.shape = (1301, 1703, *channels)
        self.pixels = np.random.default_rng(1).integers(1, 256, self.shape, np.uint8)

    def render(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        return self.pixels[top : top + height, left : left + width]


@pytest.fixture(params=[2**24, 2**20])
def kept(request, monkeypatch) -> int:
    """Bytes that may be kept: enough for all of it, or for a coarse level."""
    monkeypatch.setattr(_filling, "KEPT", request.param)
    return request.param


def level_on_disk(folder: Path, filling: Filling) -> np.ndarray:
    """Return the level of a finished picture that is kept, colours last."""
    return np.moveaxis(zarr.open_array(folder / str(filling.level), mode="r")[:], 0, -1)


@pytest.mark.parametrize("channels", [(), (3,), (4,), (5,)])
def test_in_the_end_it_is_the_pyramids_own_level(tmp_path, kept, channels):
    filling = Filling(Picture(*channels))
    out = finish(write_ome_zarr(tmp_path / "a.ome.zarr", filling, pixel_um=None, block=BLOCK))
    whole, *coarser = filling.levels()
    colours = channels[0] if channels else 1
    np.testing.assert_array_equal(whole[..., :colours], level_on_disk(out, filling))
    if channels == (3,):
        assert (whole[..., 3] == 255).all()
    else:
        assert whole.shape[2] == colours
    for finer, level in zip([whole, *coarser], coarser, strict=False):
        assert level.shape[:2] == tuple(-(-n // 2) for n in finer.shape[:2])


def test_little_is_kept_however_many_planes_there_are():
    picture = Picture(16)
    picture.dtype = np.dtype(np.float32)
    assert Filling(picture).levels()[0].nbytes <= 2**24


def test_planes_that_are_no_colours_have_no_transparency():
    assert Filling(Picture(3), colours=False).levels()[0].shape[2] == 3


def test_what_an_earlier_job_wrote_is_there_again(tmp_path, kept):
    path, first = tmp_path / "a.ome.zarr", Filling(Picture(3))
    job = write_ome_zarr(path, first, pixel_um=None, block=BLOCK, resume=True)
    for _ in range(8):  # seven blocks, one of them coarser
        next(job)
    job.close()
    again = Filling(Picture(3))
    again.catch_up(ZarrPyramid(part_of(path), again.shape, BLOCK))
    there = again.levels()[0]
    assert 0 < np.count_nonzero(there[..., 3]) < there[..., 3].size
    np.testing.assert_array_equal(there, first.levels()[0])
