"""Stacks given to `magnify` and `sharpen`: each plane is what it is by itself."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import immunohistochemistry

from napari_medrefine import MedRefineError, magnify, sharpen
from napari_medrefine.progress import Step, finish
from napari_medrefine.superres.planes import Stack, stack_steps

PHOTO = immunohistochemistry()[100:130, 100:140]
CHANNELS = (np.moveaxis(PHOTO, -1, 0) * [[[256]], [[3]], [[90]]]).astype(np.uint16)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_each_channel_is_what_it_is_alone(axis: int) -> None:
    stack = np.moveaxis(CHANNELS, 0, axis)
    made = magnify(stack, 2.5, channel_axis=axis)
    alone = [magnify(channel, 2.5) for channel in CHANNELS]
    np.testing.assert_array_equal(np.moveaxis(made, axis, 0), np.stack(alone))


def test_several_axes_and_colours_lazily() -> None:
    movie = np.stack([PHOTO, PHOTO[::-1], PHOTO[:, ::-1], PHOTO]).reshape(2, 2, 30, 40, 3)
    lazy = da.from_array(movie, chunks=(1, 1, 30, 40, 3))
    made = sharpen(lazy, channel_axis=(0, 1), realism=0.5)
    assert made.shape == movie.shape
    np.testing.assert_array_equal(made[1, 0], sharpen(movie[1, 0], realism=0.5))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_planes_are_taken_out_and_put_back_where_they_were(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=3, max_size=5))
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1, max_size=len(shape) - 2))
    array = np.arange(np.prod(shape)).reshape(shape)
    stack = Stack.of(array, [axis - len(shape) for axis in axes])

    def doubled(plane: np.ndarray):
        yield Step(0, 2, "half")
        yield Step(1, 2, "half")
        return np.repeat(plane, 2, axis=0)

    steps: list[Step] = []
    made = finish(stack_steps(stack, doubled), steps.append)
    rows = min(set(range(len(shape))) - axes)
    np.testing.assert_array_equal(made, np.repeat(array, 2, axis=rows))
    assert [step.done for step in steps] == list(range(2 * stack.count))
    assert {step.total for step in steps} == {2 * stack.count}
    assert steps[-1].text == f"half, plane {stack.count} of {stack.count}"


@pytest.mark.parametrize(
    ("shape", "axis", "says"),
    [
        ((5, 20, 30), None, "or its channel_axis be given"),
        ((5, 20, 30), 3, "no channel_axis 3"),
        ((5, 20, 30), (0, -3), "no channel_axis"),
        ((0, 20, 30), 0, "is empty"),
        ((2, 5, 20, 30), 0, "plane of the image has shape"),
    ],
)
def test_what_is_no_stack_is_said(shape: tuple[int, ...], axis: int | None, says: str) -> None:
    with pytest.raises(MedRefineError, match=says):
        magnify(np.zeros(shape, np.uint8), 2, channel_axis=axis)


def test_too_many_planes_for_the_memory_are_refused_first() -> None:
    plane = da.zeros((1, 2000, 2000), np.uint8, chunks=-1)
    many = da.broadcast_to(plane, (100, 2000, 2000))
    with pytest.raises(MedRefineError, match="too many for this computer"):
        magnify(many, 64, channel_axis=0)
