"""Photos that are truncated, corrupt, or no photos at all."""

from __future__ import annotations

import numpy as np
import pytest
from fuzzing.amount import examples
from fuzzing.damage import damages
from fuzzing.outcome import judge
from fuzzing.photos import photo_files
from hypothesis import given
from hypothesis import strategies as st

from napari_medrefine.io.slides import open_slide
from napari_medrefine.photos import read_header, read_photo

KINDS = sorted(photo_files())


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_themselves_are_read(bench, kind):
    path = bench / kind
    path.write_bytes(photo_files()[kind])
    photo = judge(lambda: read_photo(path), path, kind="photo as it is")
    header = judge(lambda: read_header(path), path, kind="photo as it is")
    assert photo.value.image.shape == header.value.shape
    assert photo.value.image.dtype == header.value.dtype
    assert sorted(photo.value.image.shape[:2]) == [24, 32]


def read_slide(path):
    with open_slide(path) as slide:
        return [np.asarray(level) for level in slide.levels]


@pytest.mark.parametrize("kind", KINDS)
@examples(12, 150)
@given(damage=damages)
def test_damaged_photos(bench, kind, damage):
    path = bench / f"damaged_{kind}"
    path.write_bytes(damage(photo_files()[kind]))
    header = judge(lambda: read_header(path), path, kind="photo header")
    photo = judge(lambda: read_photo(path), path, kind="photo")
    judge(lambda: read_slide(path), path, kind="photo as a slide")
    if header.refused:
        assert photo.refused
    elif not photo.refused:
        assert photo.value.image.shape == header.value.shape


@examples(30, 500)
@given(
    start=st.sampled_from(
        [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0"]
    ),
    rest=st.binary(max_size=400),
    suffix=st.sampled_from([".jpg", ".png", ".tif", ".svs", ".dzi", ""]),
)
def test_noise(bench, start, rest, suffix):
    path = bench / f"noise{suffix}"
    path.write_bytes(start + rest)
    judge(lambda: read_header(path), path, kind="noise")
    judge(lambda: read_photo(path), path, kind="noise")
    judge(lambda: read_slide(path), path, kind="noise")
