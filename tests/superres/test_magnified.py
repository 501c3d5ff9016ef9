"""Any part of a magnified picture is what the whole has there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import immunohistochemistry

from napari_medrefine import magnify, sharpen
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.chain import Chain
from napari_medrefine.superres.magnified import Magnified
from napari_medrefine.superres.ready import ready_generator
from napari_medrefine.superres.recipe import Recipe
from napari_medrefine.superres.rendering import Levels, Rendering

PHOTO = immunohistochemistry()[:150, :170]


class OnDisk:
    """An array of which one can only read parts, and that counts what is read."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels, self.shape, self.dtype, self.read = pixels, pixels.shape, pixels.dtype, 0

    def __getitem__(self, part: Any) -> np.ndarray:
        there = self._pixels[part]
        self.read += there.shape[0] * there.shape[1]
        return there


WHOLE = {
    Recipe("magnify", 2.0): magnify(PHOTO, 2),
    Recipe("magnify", 2.5, realism=0.5): magnify(PHOTO, 2.5, realism=0.5),
    Recipe("sharpen", 1.0): sharpen(PHOTO),
}


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_a_part_is_what_the_whole_has_there(data: st.DataObject) -> None:
    recipe = data.draw(st.sampled_from(list(WHOLE)))
    picture, whole = Magnified(PHOTO, recipe), WHOLE[recipe]
    assert picture.shape == whole.shape
    assert picture.dtype == whole.dtype
    top, left = (data.draw(st.integers(0, n - 1)) for n in whole.shape[:2])
    height = data.draw(st.integers(1, whole.shape[0] - top))
    width = data.draw(st.integers(1, whole.shape[1] - left))
    part = picture[top : top + height, left : left + width]
    np.testing.assert_array_equal(part, whole[top : top + height, left : left + width])


def test_only_what_is_needed_is_read() -> None:
    source = OnDisk(np.tile(immunohistochemistry(), (4, 4, 1)))
    picture = Magnified(source, Recipe("magnify", 4.0))
    assert source.read < 0.15 * 2048 * 2048
    source.read = 0
    part = picture.render(4000, 4100, 256, 256)
    assert source.read < 160 * 160
    assert part.shape == (256, 256, 3)


def test_what_was_told_once_serves_elsewhere() -> None:
    source = OnDisk(PHOTO)
    first = Magnified(source, Recipe("magnify", 2.0))
    source.read = 0
    second = Magnified(source, Recipe("magnify", 2.0), told=first.told)
    assert source.read == 0
    np.testing.assert_array_equal(second[40:90, 50:200], first[40:90, 50:200])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_channels_that_are_no_colours_are_magnified_one_by_one(dtype: type) -> None:
    stack = np.dstack([PHOTO, PHOTO[::-1, :, :2]]).astype(dtype)
    picture = Magnified(stack, Recipe("magnify", 2.0), rgb=False)
    assert picture.shape == (300, 340, 5)
    assert picture.dtype == dtype
    made = picture[0:300, 0:340]
    for channel in (0, 4):
        np.testing.assert_array_equal(made[..., channel], magnify(stack[..., channel], 2))


def test_bright_places_that_were_not_looked_at_are_not_cut_off() -> None:
    pixels = np.full((900, 900), 1000, np.uint16)
    pixels[130:152, 130:152] = 60_000  # between the windows that are looked at
    picture = Magnified(OnDisk(pixels), Recipe("magnify", 2.0))
    assert picture.told[0].levels.white == 4095
    assert picture[270:295, 270:295].mean() > 50_000


def test_a_part_of_a_12_bit_photo_is_no_brighter_than_its_white() -> None:
    light = np.clip(np.tile(PHOTO, (6, 6, 1)) * (4095 / 220), 0, 4095)  # the glass is saturated
    photo = np.rint(light).astype(np.uint16)
    picture = Magnified(OnDisk(photo), Recipe("magnify", 2.0))
    part = picture.render(0, 0, 300, 300)
    assert part.max() == 4095
    whole = Magnified(photo, Recipe("magnify", 2.0), told=picture.told)
    np.testing.assert_array_equal(part, whole.render(0, 0, 300, 300))


def test_a_hot_pixel_changes_nothing_far_from_it() -> None:
    photo = np.rint(PHOTO * (4000 / 255)).astype(np.uint16)
    hot = photo.copy()
    hot[80, 80] = 20_000
    clean, marked = (magnify(image, 2) for image in (photo, hot))
    far = clean[:90].astype(int) - marked[:90]
    assert np.abs(far).max() <= 1
    assert marked[160:162, 160:162].min() > 10_000  # kept as what it is


def test_opacity_says_nothing_of_the_colours() -> None:
    photo = np.rint(PHOTO * (4000 / 255)).astype(np.uint16)
    opaque = np.full((*photo.shape[:2], 1), 65535, np.uint16)
    made = magnify(np.concatenate([photo, opaque], axis=2), 2)
    np.testing.assert_array_equal(made[..., :3], magnify(photo, 2))
    assert (made[..., 3] == 65535).all()


@pytest.mark.parametrize(
    ("pixels", "words"),
    [(np.zeros((4, 4, 3), np.int32), "int32"), (np.zeros((5,), np.uint8), "shape")],
)
def test_what_is_no_picture_is_refused(pixels: np.ndarray, words: str) -> None:
    with pytest.raises(MedRefineError, match=words):
        Magnified(pixels, Recipe())


class SmallCard(Chain):
    """A chain on a graphics card that holds only tiles of so many pixels."""

    __slots__ = ()
    most = 0
    device = torch.device("cuda")

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        if image.shape[-2] * image.shape[-1] > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().__call__(image)

    def on(self, _: torch.device) -> Chain:
        return Chain(self.generator, self.heads)


@pytest.mark.parametrize(
    ("most", "words"), [(300 * 300, "smaller tiles"), (10, "on the processor")]
)
def test_a_small_graphics_card_gets_smaller_tiles_then_none(
    most: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = np.tile(PHOTO, (3, 3, 1))
    generator = ready_generator("magnify")
    shape = (photo.shape[0] * 2, photo.shape[1] * 2)
    whole = Rendering(photo, shape, Chain(generator, (2,)), Levels.of(photo))
    monkeypatch.setattr(SmallCard, "most", most)
    move = torch.Tensor.to
    monkeypatch.setattr(  # there is no such card
        torch.Tensor, "to", lambda one, *how: one if how == (SmallCard.device,) else move(one, *how)
    )
    small = Rendering(photo, shape, SmallCard(generator, (2,)), Levels.of(photo))
    parts = ((0, shape[0]), (0, shape[1]))
    np.testing.assert_array_equal(small.part(*parts), whole.part(*parts))
    assert words in small.note
    assert not whole.note
