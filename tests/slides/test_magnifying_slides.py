"""A slide magnified block by block is the slide magnified at once, whatever happens meanwhile."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from skimage.data import immunohistochemistry

from napari_medrefine import magnify
from napari_medrefine.cli import main
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.ome_zarr import write_ome_zarr
from napari_medrefine.io.pyramid_writer import halved
from napari_medrefine.io.slide_layers import read_slides
from napari_medrefine.io.slides import open_slide
from napari_medrefine.photos import read_photo, write_image
from napari_medrefine.progress import finish
from napari_medrefine.slides import block_job, magnify_slide_steps
from napari_medrefine.superres import save_model
from napari_medrefine.superres.magnified import Magnified
from napari_medrefine.superres.models import load_model
from napari_medrefine.superres.recipe import Recipe

PHOTO = immunohistochemistry()[:400, :470]
TWICE = Recipe("magnify", 2.0)


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    path = tmp_path / "slide_10x.png"
    write_image(path, PHOTO, pixel_um=1.0)
    return path


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_medrefine.slides.magnify.BLOCK", 512)


def levels_of(path: Path) -> list[np.ndarray]:
    group = zarr.open_group(path, mode="r")
    return [np.moveaxis(group[key][:], 0, -1) for key in sorted(group.array_keys())]


def digests(path: Path) -> dict[str, str]:
    files = (file for file in path.rglob("*") if file.is_file())
    return {
        str(f.relative_to(path)): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(files)
    }


def test_the_result_is_that_of_the_whole_photo(slide: Path, tmp_path: Path) -> None:
    out = finish(magnify_slide_steps(slide, tmp_path / "out.ome.zarr", TWICE))
    first, *coarser = levels_of(out)
    np.testing.assert_array_equal(first, magnify(PHOTO, 2))
    for level in coarser:
        first = halved(first)
        np.testing.assert_array_equal(level, first)
    attributes = dict(zarr.open_group(out, mode="r").attrs)
    scales = attributes["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert scales[0]["scale"] == pytest.approx([1.0, 0.5, 0.5], rel=1e-3)
    told = attributes["napari-medrefine"]
    assert told["made_from_sha256"] == hashlib.sha256(slide.read_bytes()).hexdigest()
    assert told["weights"][0]["name"] == "magnify-faithful"
    assert "not for diagnosis" in told["warning"]
    assert not (tmp_path / "out.ome.zarr.part").exists()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_from_and_to_ome_zarr(version: Any, tmp_path: Path) -> None:
    class Held:
        shape, dtype = (400, 470), np.dtype(np.uint16)

        def render(self, top: int, left: int, height: int, width: int) -> np.ndarray:
            return GREY[top : top + height, left : left + width]

    GREY = PHOTO[..., 0].astype(np.uint16) * 16  # noqa: N806
    source = tmp_path / "grey.ome.zarr"
    finish(write_ome_zarr(source, Held(), pixel_um=2.0, version=version))
    out = finish(magnify_slide_steps(source, tmp_path / "out.ome.zarr", TWICE, version=version))
    made = levels_of(out)[0]
    assert made.shape == (800, 940, 1)
    assert made.dtype == np.uint16
    difference = np.abs(made[..., 0].astype(int) - magnify(GREY, 2))
    assert (difference > 0).mean() < 0.02  # where `magnify` clips to the camera's 12 bits


def test_stopped_and_gone_on_with(slide: Path, tmp_path: Path) -> None:
    out, part = tmp_path / "out.ome.zarr", tmp_path / "out.ome.zarr.part"
    whole = finish(magnify_slide_steps(slide, tmp_path / "whole.ome.zarr", TWICE))
    job = magnify_slide_steps(slide, out, TWICE)
    for step in job:
        if step.text == "magnifying" and step.done == 1:
            break
    job.close()
    assert part.exists()
    assert not out.exists()
    (part / "0" / "c" / "x.partial").parent.mkdir(parents=True, exist_ok=True)
    (part / "0" / "c" / "x.partial").write_bytes(b"half")
    kept = {
        file: file.stat().st_mtime_ns for file in (part / "0" / "c").rglob("*") if file.is_file()
    }
    with pytest.raises(MedRefineError, match="unfinished result of another job"):
        finish(magnify_slide_steps(slide, out, Recipe("magnify", 2.0, realism=1.0)))
    finish(magnify_slide_steps(slide, out, TWICE))
    assert not part.exists()
    for file, written in kept.items():
        if file.suffix != ".partial":
            assert (out / file.relative_to(part)).stat().st_mtime_ns == written
    strip = {"zarr.json"}  # the picture's name
    made, right = ({k: v for k, v in digests(p).items() if k not in strip} for p in (out, whole))
    assert made == right


def test_killed_and_gone_on_with(slide: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ome.zarr"
    code = f"""
        import os
        from napari_medrefine.slides import magnify, magnify_slide_steps
        from napari_medrefine.superres.recipe import Recipe

        magnify.BLOCK = 512
        for step in magnify_slide_steps({str(slide)!r}, {str(out)!r}, Recipe("magnify", 2.0)):
            if step.text == "magnifying" and step.done:
                os.kill(os.getpid(), 9)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert ended.returncode == -9
    assert not out.exists()
    finish(magnify_slide_steps(slide, out, TWICE))
    np.testing.assert_array_equal(levels_of(out)[0], magnify(PHOTO, 2))


def test_a_cluster_that_loses_a_worker_makes_the_same(
    client: Any, slide: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()  # weights that the workers do not have
    own = load_model("magnify-faithful")
    save_model(tmp_path / "mine" / "own.safetensors", own.generator, own.card)
    recipe = Recipe("magnify", 4.0, model=tmp_path / "mine" / "own.safetensors")
    here = finish(magnify_slide_steps(slide, tmp_path / "here.ome.zarr", recipe))
    victim, killed = next(iter(client.run(os.getpid).values())), False
    for step in magnify_slide_steps(slide, tmp_path / "there.ome.zarr", recipe, client=client):
        if step.text == "magnifying" and step.done and not killed:
            os.kill(victim, signal.SIGKILL)
            killed = True
    assert killed
    made, right = levels_of(tmp_path / "there.ome.zarr"), levels_of(here)
    assert all(np.array_equal(a, b) for a, b in zip(made, right, strict=True))


def test_a_photo_and_weights_that_were_replaced_are_read_again(tmp_path: Path) -> None:
    photo, weights = tmp_path / "photo.png", tmp_path / "best.safetensors"
    out = tmp_path / "out.ome.zarr"
    for part, name in ((PHOTO, "magnify-faithful"), (PHOTO[::-1], "magnify-gan")):
        own = load_model(name)
        save_model(weights, own.generator, own.card)
        write_image(photo, np.ascontiguousarray(part))
        recipe = Recipe("magnify", 2.0, model=weights)
        finish(magnify_slide_steps(photo, out, recipe, overwrite=True))
        right = magnify(np.ascontiguousarray(part), 2, model=weights)
        np.testing.assert_array_equal(levels_of(out)[0], right)


def test_of_a_job_that_is_over_nothing_stays_open(slide: Path, tmp_path: Path) -> None:
    finish(magnify_slide_steps(slide, tmp_path / "out.ome.zarr", TWICE))
    assert not block_job._OPEN


def test_weights_replaced_in_the_middle_are_told(slide: Path, tmp_path: Path) -> None:
    weights = tmp_path / "best.safetensors"
    first, second = (load_model(f"magnify-{name}") for name in ("faithful", "gan"))
    save_model(weights, first.generator, first.card)
    recipe = Recipe("magnify", 2.0, model=weights)
    job = magnify_slide_steps(slide, tmp_path / "out.ome.zarr", recipe)
    while next(job).text != "magnifying":
        pass
    save_model(weights, second.generator, second.card)
    with pytest.raises(MedRefineError, match="not those that the job began with"):
        finish(job)


def test_two_jobs_at_a_time_on_a_cluster_are_two(client: Any, tmp_path: Path) -> None:
    parts = {"a": PHOTO[:300], "b": PHOTO[100:]}
    jobs = []
    for name, part in parts.items():
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / "photo.png", part)
        one = tmp_path / name / "out.ome.zarr"  # of the same name
        jobs.append(magnify_slide_steps(one.parent / "photo.png", one, TWICE, client=client))
    for steps in zip_longest(*jobs):
        assert any(steps)
    for name, part in parts.items():
        made = levels_of(tmp_path / name / "out.ome.zarr")[0]
        np.testing.assert_array_equal(made, magnify(part, 2))


def test_what_only_says_that_it_is_huge_is_not_written_for_ever(tmp_path: Path) -> None:
    path, side = tmp_path / "huge.zarr", 2**40
    group = zarr.create_group(path)
    group.create_array("0", shape=(side, side), chunks=(512, 512), dtype="u1")
    axes = [{"name": name, "type": "space"} for name in "yx"]
    group.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    with pytest.raises(MedRefineError, match=rf"{side**2:,} values, more than"):
        finish(magnify_slide_steps(path, tmp_path / "out.zarr", Recipe("sharpen", 1.0)))
    assert [one.name for one in tmp_path.iterdir()] == ["huge.zarr"]


def test_from_the_command_line(
    slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x2.ome.zarr"
    assert main(["magnify", str(slide), "--scale", "2", "-o", str(out)]) == 0
    assert "not for diagnosis" in capsys.readouterr().out
    assert main(["magnify", str(slide), "--scale", "2", "-o", str(out)]) != 0
    assert "already there" in capsys.readouterr().err
    no_zarr = ["magnify", str(slide), "-o", str(tmp_path / "x.png"), "--scheduler", "tcp://here:1"]
    assert main(no_zarr) != 0
    assert ".zarr" in capsys.readouterr().err


def test_a_scheduler_that_does_not_answer_is_told(
    slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    monkeypatch.setattr("napari_medrefine._cluster._PATIENCE_S", 0.5)
    asked = ["magnify", str(slide), "-o", str(tmp_path / "x.zarr"), "--scheduler", "127.0.0.1:9"]
    assert main(asked) != 0
    assert "No Dask scheduler answers at 127.0.0.1:9" in capsys.readouterr().err


def test_where_a_slide_lies_and_how_large_its_pixels_are_is_kept(tmp_path: Path) -> None:
    class Held:
        shape, dtype = (*PHOTO.shape[:2], 3), np.dtype(np.uint8)

        def render(self, top: int, left: int, height: int, width: int) -> np.ndarray:
            return PHOTO[top : top + height, left : left + width]

    source = tmp_path / "source.ome.zarr"
    finish(write_ome_zarr(source, Held(), pixel_um=(2.5, 1.25), origin=(100.0, 200.0)))
    scale = 2.31
    out = finish(magnify_slide_steps(source, tmp_path / "out.ome.zarr", Recipe("magnify", scale)))
    with open_slide(source) as before, open_slide(out) as after:
        assert before.sides_um == pytest.approx((2.5, 1.25))
        assert before.origin_um == pytest.approx((100, 200))
        assert before.pixel_um is None
        for axis in range(2):  # both edges are where they were
            for end in (0, 1):
                old, new = (
                    one.origin_um[axis]
                    + (end * one.levels[0].shape[axis] - 0.5) * one.sides_um[axis]
                    for one in (before, after)
                )
                assert new == pytest.approx(old)
    ((_, attributes, _),) = read_slides(out)
    assert attributes["scale"] == pytest.approx(after.sides_um)
    assert attributes["translate"] == pytest.approx(after.origin_um)


def test_the_pixel_size_of_a_photo_is_that_of_the_pixels_it_became(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.ascontiguousarray(PHOTO[:101, :101]), pixel_um=1.25)
    words = ["magnify", str(tmp_path / "a.png"), "--scale", "2.5", "-o", str(tmp_path / "b.tif")]
    assert main(words) == 0
    made = read_photo(tmp_path / "b.tif")
    assert made.pixel_um * made.image.shape[0] == pytest.approx(1.25 * 101, rel=1e-4)


def test_a_photo_that_is_taken_away_before_it_is_hashed_leaves_nothing_of_another_job(
    slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noted as a folder's, without a hash, the unfinished result could not be gone on with."""
    real = Magnified.fingerprint

    def taken_away(picture: Magnified) -> str:
        print_ = real(picture)
        slide.rename(tmp_path / "elsewhere.png")
        return print_

    monkeypatch.setattr(Magnified, "fingerprint", taken_away)
    with pytest.raises(MedRefineError, match=slide.name):
        finish(magnify_slide_steps(slide, tmp_path / "out.ome.zarr", TWICE))
    assert not list(tmp_path.glob("out*"))
