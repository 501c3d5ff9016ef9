"""Large pictures as OME-Zarr and OME-TIFF: what other programs read, and nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from skimage.data import immunohistochemistry

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.ome_tiff import write_ome_tiff
from napari_medrefine.io.ome_zarr import write_ome_zarr
from napari_medrefine.io.pyramid_writer import halved, level_sizes
from napari_medrefine.progress import finish

FACTS = {"software": "napari-medrefine", "sources": [{"name": "Präparat.jpg", "sha256": "0a"}]}
SIZES = [(1301, 1537), (651, 769), (326, 385)]
WRITERS = {"zarr": write_ome_zarr, "tiff": write_ome_tiff}


class Held:
    """A picture in memory that counts what is asked of it."""

    def __init__(self, pixels):
        self.pixels, self.largest, self.asked = pixels, 0, 0
        self.shape, self.dtype = pixels.shape, pixels.dtype

    def render(self, top, left, height, width):
        self.largest = max(self.largest, height * width)
        self.asked += height * width
        return self.pixels[top : top + height, left : left + width]


@pytest.fixture(scope="module")
def picture():
    return np.tile(immunohistochemistry(), (3, 4, 1))[:1301, :1537]


@pytest.fixture(scope="module", params=["0.5", "0.4"])
def ome_zarr(request, picture, tmp_path_factory):
    path = tmp_path_factory.mktemp("zarr") / f"slide-{request.param}.ome.zarr"
    job = write_ome_zarr(
        path, Held(picture), pixel_um=0.125, name="Slide 1", version=request.param, facts=FACTS
    )
    assert finish(job) == path
    return request.param, zarr.open_group(path, mode="r")


@pytest.fixture(scope="module")
def ome_tiff(picture, tmp_path_factory):
    path = tmp_path_factory.mktemp("tiff") / "slide.ome.tif"
    job = write_ome_tiff(path, Held(picture), pixel_um=0.125, name="Slide 1", facts=FACTS)
    assert finish(job) == path
    with tifffile.TiffFile(path) as file:
        yield file


def means(pixels, factor):
    """Return block means, edges repeated, by another way than the writers'."""
    pad = [(0, -length % factor) for length in pixels.shape[:2]]
    padded = np.pad(pixels, [*pad, (0, 0)], mode="edge").astype(float)
    height, width = padded.shape[:2]
    return padded.reshape(height // factor, factor, width // factor, factor, 3).mean((1, 3))


def near(level, pixels, factor):
    """Whether a level is the block means, but for one rounding at each of its steps."""
    inner = tuple(slice(0, length // factor) for length in pixels.shape[:2])
    apart = (level - means(pixels, factor))[inner]
    return np.abs(apart).max() <= np.log2(factor) * 0.5 + 1e-9 and abs(apart.mean()) < 0.02


def test_zarr_holds_the_pixels_and_their_means(ome_zarr, picture):
    _, group = ome_zarr
    assert sorted(group.array_keys()) == ["0", "1", "2"]
    assert (np.moveaxis(group["0"][:], 0, -1) == picture).all()
    for level in (1, 2):
        pixels = np.moveaxis(group[str(level)][:], 0, -1)
        assert pixels.shape[:2] == SIZES[level]
        assert near(pixels, picture, 2**level)


def test_zarr_says_where_and_how_large_every_level_is(ome_zarr):
    version, group = ome_zarr
    attributes = group.attrs.asdict()
    ome = attributes["ome"] if version == "0.5" else attributes
    (image,) = ome["multiscales"]
    assert (ome if version == "0.5" else image)["version"] == version
    assert group.metadata.zarr_format == (3 if version == "0.5" else 2)
    assert image["axes"] == [
        {"name": "c", "type": "channel"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    for level, entry in enumerate(image["datasets"]):
        scale, shift = entry["coordinateTransformations"]
        step = 0.125 * 2**level
        assert scale == {"type": "scale", "scale": [1, step, step]}
        # The middle of a mean of 1, 2, 4 pixels lies 0, 0.5, 1.5 pixels further.
        place = 0.125 * (0, 0.5, 1.5)[level]
        assert shift == {"type": "translation", "translation": [0, place, place]}
    colours = [channel["color"] for channel in ome["omero"]["channels"]]
    assert colours == ["FF0000", "00FF00", "0000FF"]
    assert attributes["napari-medrefine"] == FACTS
    if version == "0.5":
        assert group["0"].metadata.dimension_names == ("c", "y", "x")
    else:
        assert (
            json.loads((Path(group.store.root) / "0" / ".zarray").read_text())[
                "dimension_separator"
            ]
            == "/"
        )


def test_tiff_holds_the_pixels_and_the_same_means_as_zarr(ome_tiff, ome_zarr, picture):
    (series,) = ome_tiff.series
    assert (series.kind, series.axes) == ("ome", "YXS")
    assert [level.shape[:2] for level in series.levels] == SIZES
    assert (series.asarray() == picture).all()
    for level in (1, 2):
        same = np.moveaxis(ome_zarr[1][str(level)][:], 0, -1)
        assert (series.levels[level].asarray() == same).all()


def test_tiff_says_how_large_its_pixels_are_and_where_they_come_from(ome_tiff):
    image = tifffile.xml2dict(ome_tiff.ome_metadata)["OME"]["Image"]
    pixels = image["Pixels"]
    assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeY"]) == (0.125, 0.125)
    assert (pixels["PhysicalSizeXUnit"], pixels["SizeC"]) == ("µm", 3)
    assert image["Name"] == "Slide 1"
    assert json.loads(image["Description"]) == FACTS
    for level, page in enumerate(ome_tiff.series[0].levels):
        first = page.pages[0]
        assert first.is_tiled
        assert first.tile[:2] == (512, 512)
        across, unit = first.tags["XResolution"].value, first.tags["ResolutionUnit"].value
        assert (across[0] / across[1], unit) == (pytest.approx(80_000 / 2**level), 3)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_picture_is_asked_for_once_and_tile_by_tile(kind, picture, tmp_path):
    source = Held(picture)
    steps = []
    finish(WRITERS[kind](tmp_path / "x", source, pixel_um=None), steps.append)
    assert source.asked == picture.shape[0] * picture.shape[1]
    assert source.largest == 512 * 512
    assert steps[-1].done == steps[-1].total == 12 + 4 + 1
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_black_parts_are_written_too(version, tmp_path):
    source = Held(np.zeros((600, 520), np.uint8))
    finish(write_ome_zarr(tmp_path / "x", source, pixel_um=None, version=version))
    assert not np.asarray(zarr.open_group(tmp_path / "x")["0"]).any()


@pytest.mark.parametrize("at_once", [1, 2, 7])
def test_however_many_chunks_are_compressed_at_once_the_files_are_the_same(
    at_once, picture, tmp_path
):
    files = []
    for name, how in (("a", {}), ("b", {"at_once": at_once})):
        job = write_ome_zarr(
            tmp_path / name, Held(picture), pixel_um=0.125, name="Slide 1", block=1024, **how
        )
        written = [p for p in finish(job).rglob("*") if p.is_file()]
        files.append({p.relative_to(tmp_path / name): p.read_bytes() for p in written})
    assert files[0] == files[1]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("after", [0, 1, 9, 14])
def test_a_job_that_is_closed_leaves_what_was_there(kind, after, picture, tmp_path):
    path = tmp_path / "x"
    path.write_text("older")
    job = WRITERS[kind](path, Held(picture), pixel_um=0.5, overwrite=True)
    for _ in range(after + 1):
        next(job)
    job.close()
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_source_that_fails_leaves_nothing(kind, picture, tmp_path):
    class Torn(Held):
        def render(self, top, left, height, width):
            if top:
                raise MedRefineError("This photo cannot be read.")
            return super().render(top, left, height, width)

    with pytest.raises(MedRefineError, match="cannot be read"):
        finish(WRITERS[kind](tmp_path / "x", Torn(picture), pixel_um=0.5))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", WRITERS)
def test_a_killed_process_leaves_nothing_that_looks_whole(kind, tmp_path):
    code = f"""
        import os, numpy as np
        from pathlib import Path
        from napari_medrefine.io.ome_{kind} import write_ome_{kind}

        class Source:
            shape, dtype = (2000, 2000, 3), np.dtype(np.uint8)
            def render(self, top, left, height, width):
                return np.full((height, width, 3), 7, np.uint8)

        for step in write_ome_{kind}(Path({str(tmp_path / "x")!r}), Source(), pixel_um=1):
            if step.done == 14:
                os.kill(os.getpid(), 9)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert ended.returncode == -9
    left = [entry.name for entry in tmp_path.iterdir()]
    assert left
    assert all(name.startswith(".medrefine-") and name.endswith(".part") for name in left)


@pytest.mark.parametrize("kind", WRITERS)
def test_what_exists_is_replaced_only_when_asked(kind, picture, tmp_path):
    path, small = tmp_path / "x", Held(picture[:300, :200])
    finish(WRITERS[kind](path, small, pixel_um=1))
    with pytest.raises(MedRefineError, match="exists already"):
        next(WRITERS[kind](path, small, pixel_um=1))
    finish(WRITERS[kind](path, Held(picture[:100, :100]), pixel_um=1, overwrite=True))
    shape = zarr.open_group(path)["0"].shape[1:] if kind == "zarr" else tifffile.imread(path).shape
    assert shape[:2] == (100, 100)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("count", range(8))
def test_killed_while_the_old_one_is_removed_it_is_replaced_again(
    count, picture, tmp_path, monkeypatch
):
    path, old, new = tmp_path / "x", Held(picture[:300, :200]), Held(picture[:100, :100])
    finish(write_ome_zarr(path, old, pixel_um=1))
    unlink, left = os.unlink, [count]

    def killed(*args, **keywords):
        left[0] -= "dir_fd" in keywords  # of rmtree, and not of Zarr's thread
        if left[0] < 0:
            raise KeyboardInterrupt
        unlink(*args, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", killed)
        with suppress(KeyboardInterrupt):
            finish(write_ome_zarr(path, new, pixel_um=1, overwrite=True))
    for _ in range(2):
        assert zarr.open_group(path)["0"].shape[1:] == (100, 100)
        others = {entry.name for entry in tmp_path.iterdir()} - {"x"}
        assert all(name.startswith(".medrefine-") for name in others), others
        finish(write_ome_zarr(path, new, pixel_um=1, overwrite=True))


@pytest.mark.parametrize("kind", WRITERS)
def test_what_cannot_be_written_is_said_before_any_work(kind, picture, tmp_path):
    source = Held(picture)
    for path, facts, words in (
        (tmp_path / "no" / "x", {"pixel_um": 1}, "does not exist"),
        (tmp_path / "x", {"pixel_um": 0.0}, "pixel size"),
        (tmp_path / "x", {"pixel_um": float("nan")}, "pixel size"),
    ):
        with pytest.raises(MedRefineError, match=words):
            next(WRITERS[kind](path, source, **facts))
    flat = picture[..., :2] if kind == "tiff" else picture[0, :, 0]
    with pytest.raises(MedRefineError, match="must be"):
        next(WRITERS[kind](tmp_path / "x", Held(flat), pixel_um=1))
    assert source.asked == 0


def test_halving_does_not_brighten():
    pixels = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    level = pixels
    for _ in range(7):
        level = halved(level)
    assert abs(level.mean() - pixels.mean()) < 0.1
    assert (halved(np.full((3, 5, 3), 255, np.uint8)) == 255).all()


def test_levels_end_at_a_screenful():
    assert level_sizes(27480, 35840)[-1] == (215, 280)
    assert len(level_sizes(27480, 35840)) == 8
    assert level_sizes(512, 300) == [(512, 300)]
    assert level_sizes(1, 513) == [(1, 513), (1, 257)]
