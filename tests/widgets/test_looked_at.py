"""What is looked at while it is written: answered at once, read again by the job."""

from __future__ import annotations

import threading
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image

from napari_medrefine.io.slides import Level
from napari_medrefine.widgets import _looked_at
from napari_medrefine.widgets._looked_at import LookedAt

PART = (slice(2, 7, 1), slice(3, 9, 1), slice(None))


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 255, (12, 16, 4), dtype=np.uint8)


@pytest.fixture
def level(pixels):
    return LookedAt(Level(Path(), pixels.shape, pixels.dtype, (4, 4, 4), read_from(pixels)))


def read_from(pixels):
    return lambda rows, cols: pixels[rows, cols].copy()


def test_the_same_part_is_as_it_was_until_the_job_looks_again(level, pixels):
    before = pixels[PART].copy()
    np.testing.assert_array_equal(level[PART], before)
    pixels[:] = 9
    np.testing.assert_array_equal(level[PART], before)
    level.look_again()
    assert (level[PART] == 9).all()


def test_another_part_is_read_at_once_and_after_forget_the_same(level, pixels):
    assert level[PART].shape == (5, 6, 4)
    pixels[:] = 9
    other = (slice(0, 3), slice(0, 3), slice(None))
    assert (level[other] == 9).all()
    pixels[:] = 5
    level.forget()
    assert (level[other] == 5).all()


def test_what_is_looked_at_meanwhile_is_not_replaced(level, pixels, monkeypatch):
    read, other = level._read, (slice(0, 3), slice(0, 3), slice(None))
    level[PART]

    def slowly(part):
        monkeypatch.setattr(level, "_read", read)
        level[other]  # the window, in the middle of it
        return read(part)

    monkeypatch.setattr(level, "_read", slowly)
    level.look_again()
    assert level[other].shape == (3, 3, 4)
    np.testing.assert_array_equal(level[PART], pixels[PART])


def test_large_parts_and_single_values_are_not_remembered(level, pixels, monkeypatch):
    monkeypatch.setattr(_looked_at, "MOST", 100)
    assert level[PART].shape == (5, 6, 4)
    np.testing.assert_array_equal(level[3, 4], pixels[3, 4])
    pixels[:] = 9
    assert (level[PART] == 9).all()
    assert (level[3, 4] == 9).all()


def test_when_it_becomes_another_nobody_waits_for_the_part_that_is_looked_at(
    level, pixels, monkeypatch
):
    level[PART]
    other = np.full_like(pixels, 7)
    level.become(Level(Path(), other.shape, other.dtype, (4, 4, 4), read_from(other)))
    monkeypatch.setattr(level, "_read", None)  # the window must not
    assert (level[PART] == 7).all()


def test_what_is_in_memory_is_seen_as_it_changes_and_may_become_a_file(pixels):
    filling = np.zeros_like(pixels)
    level = LookedAt(filling)
    assert not level[PART].any()
    filling[:] = 3
    assert (level[PART] == 3).all()
    level.become(Level(Path(), pixels.shape, pixels.dtype, (4, 4, 4), read_from(pixels)))
    np.testing.assert_array_equal(level[PART], pixels[PART])
    np.testing.assert_array_equal(np.asarray(level), pixels)


@pytest.mark.parametrize("part", [np.s_[::3, 4:2:-1], np.s_[[1, 5, 2]], np.s_[..., 3], np.s_[-1]])
def test_steps_and_lists_give_what_an_array_gives(level, pixels, part):
    np.testing.assert_array_equal(level[part], pixels[part])


@pytest.mark.parametrize("part", [np.s_[0, 0, 0, 0], np.s_[99]])
def test_what_is_no_index_is_refused(level, pixels, part):
    for one in (level, LookedAt(pixels)):
        with pytest.raises(IndexError):
            one[part]


def test_napari_takes_it_for_a_level(level, pixels):
    layer = Image([level, pixels[::2, ::2]], multiscale=True, rgb=True)
    assert layer.data.shape == (12, 16, 4)
    np.testing.assert_array_equal(np.asarray(level), pixels)
    np.testing.assert_array_equal(da.from_array(level, chunks=5).compute(), pixels)


def test_it_reads_in_the_thread_that_asks(level, monkeypatch):
    threads, read = [], level._read
    monkeypatch.setattr(
        level, "_read", lambda part: (threads.append(threading.get_ident()), read(part))[1]
    )
    level[PART]
    job = threading.Thread(target=level.look_again)
    job.start()
    job.join()
    level[PART]
    assert threads == [threading.get_ident(), job.ident]
