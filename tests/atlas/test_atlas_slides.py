"""Every slide as one pyramid that other programs open."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import tifffile
import zarr

from napari_medrefine import MedRefineError, Placement
from napari_medrefine.atlas import RECORD, load_atlas
from napari_medrefine.atlas.record import save_atlas
from napari_medrefine.atlas.slides import save_slides_steps
from napari_medrefine.cli import main
from napari_medrefine.photos import read_photo
from napari_medrefine.progress import Step, finish


@pytest.fixture
def one_slide(made):
    """Return the atlas with k.png and its 10x fields only, which is enough."""
    atlas = load_atlas(made)
    photos = tuple(x for x in atlas.photos if x.source in ("k.png", "c.png", "m.png"))
    return atlas.model_copy(update={"photos": photos})


def middle_of(made, name, zoom):
    """Return where a field's middle lies on the saved slide, (row, col)."""
    place = Placement.load(made / "placements" / f"{name}.placement.json")
    height, width = place.field_shape
    there = place.to_overview([[(height - 1) / 2, (width - 1) / 2]])[0]
    return np.rint((there + 0.5) * zoom - 0.5).astype(int)


@pytest.mark.parametrize("kind", ["ome-zarr", "ome-tiff"])
def test_the_saved_slide_shows_its_fields_at_their_own_resolution(made, photos, one_slide, kind):
    steps: list[Step] = []
    (path,) = finish(save_slides_steps(made, one_slide, kind), steps.append)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    if kind == "ome-zarr":
        assert path.name == "k.ome.zarr"
        levels = [np.moveaxis(level[:], 0, -1) for _, level in sorted(zarr.open(path).arrays())]
    else:
        assert path.name == "k.ome.tif"
        with tifffile.TiffFile(path) as tiff:
            levels = [level.asarray() for level in tiff.series[0].levels]
    overview = read_photo(photos / "k.png").image
    zoom = levels[0].shape[0] / overview.shape[0]
    assert zoom == 3  # 2.5, rounded up
    for name in ("c", "m"):
        row, col = middle_of(made, name, zoom)
        field = read_photo(photos / f"{name}.png").image
        shown = levels[0][row - 20 : row + 20, col - 20 : col + 20].mean((0, 1))
        own = field[field.shape[0] // 2 - 17 :][:33, field.shape[1] // 2 - 17 :][:, :33]
        assert shown == pytest.approx(own.mean((0, 1)), abs=4)
    assert levels[0][:60, :60].mean() == pytest.approx(overview[:20, :20].mean(), abs=1)
    for finer, coarser in pairwise(levels):
        assert coarser.shape[0] == -(-finer.shape[0] // 2)
    with pytest.raises(MedRefineError, match="already there"):
        next(save_slides_steps(made, one_slide, kind))


def test_a_stopped_job_leaves_no_file(made, one_slide):
    before = sorted(path.name for path in made.iterdir())
    job = save_slides_steps(made, one_slide, "ome-zarr")
    for _ in range(5):
        next(job)
    job.close()
    assert sorted(path.name for path in made.iterdir()) == before


def test_a_slide_that_is_taken_away_meanwhile_does_not_pass_for_written(made, one_slide):
    atlas = load_atlas(made)
    few = tuple(x for x in atlas.photos if x.objective in (4, 10))
    both = atlas.model_copy(update={"photos": few})
    taken = made / "d.ome.zarr"

    def take(step: Step) -> None:
        if step.text.startswith("k:") and taken.exists():
            taken.rename(made / "elsewhere")

    with pytest.raises(MedRefineError, match=r"d\.ome\.zarr was taken away .* start again"):
        finish(save_slides_steps(made, both, "ome-zarr"), take)
    assert (made / "k.ome.zarr").is_dir()
    finish(save_slides_steps(made, both, "ome-zarr"))
    assert taken.is_dir()


def test_the_same_call_goes_on_with_the_slides_that_are_missing(
    made, photos, one_slide, tmp_path, capsys
):
    atlas = load_atlas(made)
    few = tuple(x for x in atlas.photos if x.objective in (4, 10))
    save_atlas(made, atlas.model_copy(update={"photos": few}))
    for photo in set(atlas.photos) - set(few):
        (photos / photo.source).unlink()
    finish(save_slides_steps(made, one_slide, "ome-zarr"))
    there = [made / RECORD, made / "k.ome.zarr" / "zarr.json"]
    before = [path.stat().st_mtime_ns for path in there]
    (table := tmp_path / "objectives.csv").write_text(
        "\n".join(f"{photo.source},{photo.objective:g}" for photo in few)
    )
    words = ["atlas", str(photos), "-o", str(made), "--objectives", str(table)]
    words += ["--save-as", "ome-zarr"]
    assert main(words) == 0
    assert "there already" in capsys.readouterr().out
    assert (made / "d.ome.zarr").is_dir()
    assert [path.stat().st_mtime_ns for path in there] == before
    (photos / "k.png").write_bytes((photos / "d.png").read_bytes())
    assert main(words) == 1
    assert "is not empty" in (said := capsys.readouterr().err)
    assert "--overwrite" in said
