"""Which photos go where: whole slides, every part, the study's proportions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medrefine.dataset import Recipe
from napari_medrefine.dataset.split import slide_of, split_photos


@pytest.mark.parametrize(
    ("source", "slide"),
    [
        ("slide1_4x.jpg", "slide1"),
        ("slide1_40x_3.jpg", "slide1"),
        ("slide1 (10X) 2.png", "slide1"),
        ("liver/IMG_0001.tif", "liver"),
        ("liver/s2_40x_1.tif", "liver/s2"),
        ("IMG_0001.tif", "img_0001"),
        ("40x.jpg", "40x"),
        ("2x2/a.jpg", "2x2"),
    ],
)
def test_the_slide_is_read_from_the_name(source: str, slide: str) -> None:
    assert slide_of(source) == slide


LAYOUTS = {
    "one folder": "slide1_4x.jpg slide1_40x_1.jpg Slide1_40X_2.jpg | slide2_40x_1.jpg",
    "one sub-folder": "photos/slide1_4x.jpg photos/slide1_40x_1.jpg | photos/slide2_40x_1.jpg",
    "a folder per slide": "slide1/IMG_0001.jpg slide1/IMG_0002.jpg | slide2/IMG_0001.jpg",
    "objectives in names only": "s1/4x.jpg s1/40x_1.jpg s1/40x_2.jpg | s2/40x_1.jpg",
    "a folder per slide, its name again": "slide1_4x.jpg slide1/slide1_40x_1.jpg | slide2/4x.jpg",
    "a folder per objective": "4x/s1.jpg 40x/s1_1.jpg 40x/s1 (2).jpg 40x/S1-3.jpg | 40x/s2_1.jpg",
    "the objective in front": "4x_s1.jpg 40x_s1_1.jpg 40x_s1_2.jpg | 40x_s2_1.jpg",
    "objectives in slides": "a/4x/1.jpg a/40x/1.jpg a/40x/b_2.jpg a/40x/c.jpg | b/40x/1.jpg",
    "slides in objectives": "4x/a/1.jpg 40x/a/1.jpg 40x/a/2.jpg | 40x/b/1.jpg",
    "a folder per slide and objective": "A_4x/x.jpg a_40x/x.jpg a_40x/y_2.jpg | b_40x/x.jpg",
    "the same, the other way round": "4x_s1/x.jpg 40x_s1/y.jpg | 40x_s2/x.jpg",
    "objectives and words": "4x all/s1.jpg 40x fields/s1_1.jpg 40x fields/s1_2.jpg | 4x all/s2.jpg",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whatever_the_layout_photos_of_one_slide_are_kept_together(layout: str) -> None:
    first, second = (
        {slide_of(f"{name.strip()}.jpg") for name in part.split(".jpg") if name.strip()}
        for part in LAYOUTS[layout].split("|")
    )
    assert (len(first), len(second)) == (1, 1)
    assert first != second


photo_sets = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 60)), min_size=1, max_size=40)


@given(photo_sets, st.integers(0, 5))
def test_no_slide_is_ever_divided_where_slides_are_kept(
    photos: list[tuple[int, int]], seed: int
) -> None:
    slides = {f"p{i}": f"s{slide}" for i, (slide, _) in enumerate(photos)}
    tiles = {f"p{i}": count for i, (_, count) in enumerate(photos)}
    by, part = split_photos(slides, tiles, Recipe(seed=seed))
    enough = len(set(slides.values())) >= 3
    assert by == ("slide" if enough else "photo")
    assert set(part) == set(slides)
    if enough:
        assert len({(slides[p], part[p]) for p in part}) == len(set(slides.values()))
    if enough or len(photos) >= 3:
        assert set(part.values()) == {"train", "validation", "test"}
    assert split_photos(slides, tiles, Recipe(seed=seed)) == (by, part)


def test_many_equal_photos_come_close_to_the_studys_proportions() -> None:
    slides = {f"p{i}": f"p{i}" for i in range(136)}
    _, part = split_photos(slides, dict.fromkeys(slides, 35), Recipe())
    counts = [list(part.values()).count(split) for split in ("train", "validation", "test")]
    assert counts == [56, 24, 56]


def test_a_part_of_no_share_stays_empty() -> None:
    slides = {f"p{i}": f"p{i}" for i in range(10)}
    _, part = split_photos(slides, dict.fromkeys(slides, 1), Recipe(proportions=(80, 20, 0)))
    assert sorted(part.values()) == ["train"] * 8 + ["validation"] * 2


def test_another_seed_deals_differently() -> None:
    slides = {f"p{i}": f"p{i}" for i in range(20)}
    deals = {
        str(split_photos(slides, dict.fromkeys(slides, 1), Recipe(seed=seed))) for seed in range(4)
    }
    assert len(deals) > 1
