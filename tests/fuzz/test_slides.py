"""Slides of several files, one of them damaged, gone, or something else."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise

import numpy as np
import pytest
from fuzzing.amount import examples
from fuzzing.damage import broken_json, damages
from fuzzing.outcome import judge
from fuzzing.slides import write_slides
from hypothesis import given
from hypothesis import strategies as st

from napari_medrefine.io.slide_layers import read_slides
from napari_medrefine.io.slides import open_slide

FORMATS = ["zarr 0.4", "zarr 0.5", "deep zoom", "ome tiff", "jpeg tiff"]
ZARR = [name for name in FORMATS if name.startswith("zarr")]


@pytest.fixture(scope="session")
def slides(tmp_path_factory):
    return write_slides(tmp_path_factory.mktemp("slides"))


def read_all(path):
    with open_slide(path) as slide:
        for finer, level in pairwise(slide.levels):
            check_proportions(finer.shape[:2], level.shape[:2])
        return [np.asarray(level[:64, :64]) for level in slide.levels]


def check_proportions(finer, level):
    """Fail on a level that is no smaller picture of the one before: it would lie elsewhere."""
    assert all(after <= before for before, after in zip(finer, level, strict=True))
    if min(level) > 3:  # else what was rounded off may be most of it
        rows, cols = (before / after for before, after in zip(finer, level, strict=True))
        assert 1 / 16 < rows / cols < 16


def copy_of(path, bench):
    """Return a copy of a slide, alone in a folder of its own."""
    folder = bench / "slide"
    shutil.rmtree(folder, ignore_errors=True)
    if path.is_dir():
        shutil.copytree(path, folder / path.name)
    else:
        shutil.copytree(path.parent, folder)
    return folder / path.name


@pytest.mark.parametrize("name", FORMATS)
def test_the_slides_themselves_are_read(slides, name):
    levels = judge(lambda: read_all(slides[name]), slides[name], kind="slide as it is").value
    assert [level.shape for level in levels] == [(24, 32, 3), (12, 16, 3)]


@pytest.mark.parametrize("name", FORMATS)
@examples(14, 250)
@given(data=st.data(), damage=damages)
def test_damaged_slides(slides, bench, name, data, damage):
    path = copy_of(slides[name], bench)
    files = sorted(p for p in path.parent.rglob("*") if p.is_file())
    broken = data.draw(st.sampled_from(files))
    how = data.draw(st.sampled_from(["damage", "damage", "damage", "gone", "folder"]))
    if how == "damage":
        broken.write_bytes(damage(broken.read_bytes()))
    else:
        broken.unlink()
        if how == "folder":
            broken.mkdir()
    judge(lambda: read_all(path), path.parent, kind=f"{name} damaged", named=path.parent)
    judge(lambda: shown(path), path.parent, kind=f"{name} in napari", named=path.parent)


def shown(path):
    """Read it as napari does, a part of each level."""
    for data, _, _ in read_slides(str(path)):
        for level in data if isinstance(data, list) else [data]:
            np.asarray(level[:8, :8])


@pytest.mark.parametrize("name", ZARR)
@examples(60, 1200)
@given(data=st.data())
def test_strange_metadata_of_ome_zarr(slides, bench, name, data):
    path = copy_of(slides[name], bench)
    marks = (".zattrs", ".zgroup", ".zarray", "zarr.json")
    files = sorted(p for p in path.rglob("*") if p.name in marks)
    broken = data.draw(st.sampled_from(files))
    broken.write_bytes(data.draw(broken_json(json.loads(broken.read_bytes()))))
    judge(lambda: read_all(path), path, kind=f"{name} metadata")
    judge(lambda: shown(path), path, kind=f"{name} metadata in napari")


@examples(60, 800)
@given(
    attribute=st.sampled_from(["Format", "Overlap", "TileSize", "Height", "Width", "xmlns"]),
    value=st.one_of(
        st.sampled_from(
            [
                "",
                "0",
                "-1",
                "1e9",
                "99999999999",
                "2147483647",
                "../../x",
                "png/../../x",
                "png\0",
                "NaN",
                "１",
                "16.0",
                " 16 ",
                "+16",
                "&lt;",
                "JPG",
                "x" * 5000,
            ]
        ),
        st.integers(-3, 70).map(str),
        st.text(max_size=6),
    ),
)
def test_strange_descriptions_of_deep_zoom(slides, bench, attribute, value):
    path = copy_of(slides["deep zoom"], bench)
    text = path.read_text()
    start = text.index(f'{attribute}="') + len(attribute) + 2
    text = text[:start] + value + text[text.index('"', start) :]
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    judge(lambda: read_all(path), path.parent, kind="deep zoom description", named=path.parent)
