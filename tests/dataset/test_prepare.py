"""Photos in, dataset out: what a user gets, and what is left when something goes wrong."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from napari_medrefine.dataset import (
    MANIFEST,
    Manifest,
    Recipe,
    load_manifest,
    open_dataset,
    prepare_steps,
    save_manifest,
)
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import read_photo, write_image
from napari_medrefine.progress import finish

JOURNAL = "medrefine-dataset.journal"


def prepare(photos: Path, output: Path, recipe: Recipe, *, overwrite: bool = False) -> Manifest:
    return finish(prepare_steps(photos, output, recipe, overwrite=overwrite))


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*.png")}


def test_a_folder_of_photos_becomes_tiles_and_a_manifest(
    photos: Path, tmp_path: Path, small: Recipe
) -> None:
    manifest = prepare(photos, tmp_path / "out", small)
    assert len(manifest.photos) == 8
    assert len(manifest.tiles) == 8 * 2 * 3
    assert not manifest.left_out
    field = next(photo for photo in manifest.photos if photo.name == "slide3_40x_1")
    assert (field.slide, field.objective, field.pixel_um) == ("slide3", 40.0, 0.25)
    assert (field.crop_origin, field.crop_shape, field.shape) == ((12, 8), (256, 384), (128, 192))
    pages = {"contact-sheet.jpg", "summary.html"}
    assert set(contents(tmp_path / "out")) == {MANIFEST, *pages, *(t.file for t in manifest.tiles)}


def test_tiles_hold_the_block_means_of_the_photo(
    photos: Path, tmp_path: Path, small: Recipe
) -> None:
    prepare(photos, tmp_path / "out", small)
    dataset = open_dataset(tmp_path / "out")
    image = read_photo(photos / "slide2_4x.png").image[12:268, 8:392].astype(float)
    expected = image.reshape(128, 2, 192, 2, 3).mean(axis=(1, 3))
    for tile in dataset.manifest.tiles_of("slide2_4x"):
        part = expected[tile.y : tile.y + 64, tile.x : tile.x + 64]
        assert np.abs(dataset.read_tile(tile) - part).max() <= 0.5


def test_slides_are_kept_together_and_every_part_has_some(
    photos: Path, tmp_path: Path, small: Recipe
) -> None:
    manifest = prepare(photos, tmp_path / "out", small)
    assert manifest.split_by == "slide"
    parts = {(photo.slide, photo.split) for photo in manifest.photos}
    assert len(parts) == 4
    assert {split for _, split in parts} == {"train", "validation", "test"}


def test_the_same_photos_give_the_same_bytes(photos: Path, tmp_path: Path, small: Recipe) -> None:
    prepare(photos, tmp_path / "one", small)
    shutil.copytree(photos, tmp_path / "elsewhere")
    finish(prepare_steps(tmp_path / "elsewhere", tmp_path / "two", small, workers=1))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_run_again_it_writes_nothing(photos: Path, tmp_path: Path, small: Recipe) -> None:
    first = prepare(photos, tmp_path / "out", small)
    before = times(tmp_path / "out"), (tmp_path / "out" / MANIFEST).stat().st_mtime_ns
    assert prepare(photos, tmp_path / "out", small) == first
    assert (times(tmp_path / "out"), (tmp_path / "out" / MANIFEST).stat().st_mtime_ns) == before


def test_slides_that_an_earlier_version_told_apart_stay_until_the_split_is_dealt_anew(
    photos: Path, prepared: Path, small: Recipe, photo: Callable[..., np.ndarray]
) -> None:
    before = load_manifest(prepared)
    apart = tuple(p.model_copy(update={"slide": p.name}) for p in before.photos)
    recorded = before.model_copy(update={"photos": apart})
    save_manifest(prepared, recorded)
    assert prepare(photos, prepared, small) == recorded
    write_image(photos / "slide1_40x_2.png", photo(70))
    slides = {p.source: p.slide for p in prepare(photos, prepared, small).photos}
    assert slides == {source: source.partition("_")[0] for source in slides}


def test_run_again_it_makes_only_what_is_gone_or_damaged(
    photos: Path, tmp_path: Path, small: Recipe
) -> None:
    out = tmp_path / "out"
    prepare(photos, out, small)
    whole, written = contents(out), times(out)
    (out / "tiles/slide1_4x/r00c00.png").unlink()
    (out / "tiles/slide2_4x/r01c02.png").write_bytes(b"scratched")
    prepare(photos, out, small)
    assert contents(out) == whole
    touched = {Path(file).parent.name for file, when in times(out).items() if written[file] != when}
    assert touched == {"slide1_4x", "slide2_4x"}


def test_stopped_in_the_middle_it_is_no_dataset_and_goes_on_later(
    photos: Path, tmp_path: Path, small: Recipe
) -> None:
    prepare(photos, tmp_path / "whole", small)
    out = tmp_path / "out"
    job = prepare_steps(photos, out, small, workers=1)
    while not (out / "tiles" / "slide1_4x").exists():
        next(job)
    job.close()
    assert not (out / MANIFEST).exists()
    with pytest.raises(MedRefineError, match=MANIFEST):
        open_dataset(out)
    prepare(photos, out, small)
    assert contents(out) == contents(tmp_path / "whole")


def test_killed_in_the_middle_it_goes_on_to_the_same_bytes(
    photos: Path, tmp_path: Path, small: Recipe
) -> None:
    prepare(photos, tmp_path / "whole", small)
    out = tmp_path / "out"
    code = (
        "import sys, time; from pathlib import Path\n"
        "from napari_medrefine.dataset import Recipe, prepare_steps\n"
        "for step in prepare_steps(*sys.argv[1:], Recipe(tile=64, reduce=2), workers=1):\n"
        "    if len(list(Path(sys.argv[2]).rglob('*.png'))) >= 10:\n"
        "        time.sleep(600)"  # until it is killed
    )
    job = subprocess.Popen([sys.executable, "-c", code, str(photos), str(out)])
    deadline = time.monotonic() + 120
    while not (out / JOURNAL).exists() or len(list(out.rglob("*.png"))) < 10:
        assert job.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    assert not (out / MANIFEST).exists()
    (out / "tiles/slide1_4x/.medrefine-0123.part").write_bytes(b"half a tile")
    prepare(photos, out, small)
    assert contents(out) == contents(tmp_path / "whole")


def test_two_jobs_do_not_make_one_dataset(photos: Path, tmp_path: Path, small: Recipe) -> None:
    out = tmp_path / "new" / "data"
    first = prepare_steps(photos, out, small)
    next(first)
    with pytest.raises(MedRefineError, match="data is being written already"):
        finish(prepare_steps(photos, out, small))
    first.close()
    assert not (tmp_path / "new").exists()  # nothing had been made: as it was
    finish(prepare_steps(photos, out, small))
    assert [path.name for path in out.parent.iterdir()] == ["data"]  # no lock is left


def test_a_dataset_of_another_recipe_is_not_touched_unless_told(
    photos: Path, tmp_path: Path, small: Recipe
) -> None:
    out = tmp_path / "out"
    prepare(photos, out, small)
    before = contents(out)
    with pytest.raises(MedRefineError, match="another recipe"):
        prepare(photos, out, Recipe(tile=128, reduce=1))
    assert contents(out) == before
    prepare(photos, out, Recipe(tile=128, reduce=1), overwrite=True)
    prepare(photos, tmp_path / "fresh", Recipe(tile=128, reduce=1))
    assert contents(out) == contents(tmp_path / "fresh")


def test_a_dataset_of_other_photos_is_not_touched_unless_told(
    photos: Path, tmp_path: Path, small: Recipe
) -> None:
    out = tmp_path / "out"
    prepare(photos, out, small)
    before = contents(out)
    (photos / "slide4_4x.png").unlink()
    shutil.copy(photos / "slide1_4x.png", photos / "slide5_4x.png")
    with pytest.raises(MedRefineError, match=r"1 new, 0 changed, 1 gone"):
        prepare(photos, out, small)
    assert contents(out) == before
    prepare(photos, out, small, overwrite=True)
    prepare(photos, tmp_path / "fresh", small)
    assert contents(out) == contents(tmp_path / "fresh")


def test_a_folder_with_other_files_is_refused_and_they_survive_overwriting(
    photos: Path, tmp_path: Path, small: Recipe
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(MedRefineError, match="not empty"):
        prepare(photos, out, small)
    prepare(photos, out, small, overwrite=True)
    prepare(photos, out, Recipe(tile=128, reduce=1), overwrite=True)
    assert (out / "thesis.txt").read_text() == "years of work"


def test_photos_of_no_use_are_left_out_with_their_reason(
    photos: Path, tmp_path: Path, small: Recipe, photo: Callable[..., np.ndarray]
) -> None:
    good = photo(1)
    noise = np.random.default_rng(0).normal(0, 3, good.shape)
    write_image(photos / "a_blank.png", np.clip(235 + noise, 0, 255).astype(np.uint8))
    write_image(photos / "b_blurred.png", gaussian_filter(photo(50), (8, 8, 0)))
    bright = np.clip(photo(51).astype(float) * 1.6, 0, 255).astype(np.uint8)
    write_image(photos / "c_bright.png", bright)
    shutil.copy(photos / "slide1_4x.png", photos / "z_same_file.png")
    Image.fromarray(photo(2)).save(photos / "z_saved_again.jpg", quality=60)
    (photos / "d_cut_off.png").write_bytes((photos / "slide1_4x.png").read_bytes()[:5000])
    (photos / "e_text.jpg").write_text("no photo")
    write_image(photos / "f_small.png", photo(52, 100, 100))
    (photos / "g_device.png").symlink_to(os.devnull)
    before = contents(photos)
    manifest = prepare(photos, tmp_path / "out", small)
    reasons = {entry.source: entry.reason for entry in manifest.left_out}
    assert {source: reason.split()[0] for source, reason in reasons.items()} == {
        "a_blank.png": "blank:",
        "b_blurred.png": "out",
        "c_bright.png": "over-exposed:",
        "d_cut_off.png": "it",
        "e_text.jpg": "it",
        "f_small.png": "it",
        "g_device.png": "it",
        "z_same_file.png": "a",
        "z_saved_again.jpg": "a",
    }
    assert reasons["z_saved_again.jpg"] == "a copy of slide2_4x.png"
    assert "damaged or incomplete" in reasons["d_cut_off.png"]
    assert "a device, not a file" in reasons["g_device.png"]
    assert reasons["f_small.png"].endswith("100 x 100 pixels, smaller than the 128 x 128 needed")
    assert len(manifest.photos) == 8
    assert contents(photos) == before
    assert prepare(photos, tmp_path / "out", small) == manifest


def test_folders_are_slides_and_names_stay_apart(
    tmp_path: Path, small: Recipe, photo: Callable[..., np.ndarray]
) -> None:
    for number, source in enumerate(["liver/a.png", "liver/a.jpg", "liver/b.png", "Niere ä/a.png"]):
        path = tmp_path / "photos" / source
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, photo(number))
    manifest = prepare(tmp_path / "photos", tmp_path / "out", small)
    assert Counter(photo.slide for photo in manifest.photos) == {"liver": 3, "niere ä": 1}
    assert len({photo.name for photo in manifest.photos}) == 4
    assert manifest.split_by == "photo"  # two slides do not make three parts
    assert not open_dataset(tmp_path / "out").differences()


def test_objective_and_pixel_size_can_be_given(
    photos: Path, tmp_path: Path, photo: Callable[..., np.ndarray]
) -> None:
    write_image(photos / "unnamed.png", photo(60))
    recipe = Recipe(tile=64, reduce=2, objective=20, pixel_um={4: 1.25, 20: 0.25, 40: 9})
    manifest = prepare(photos, tmp_path / "out", recipe)
    known = {photo.name: (photo.objective, photo.pixel_um) for photo in manifest.photos}
    assert known["unnamed"] == (20, 0.5)
    assert known["slide1_4x"] == (4, 2.5)
    assert known["slide1_40x_1"] == (40, 0.25)  # the file knows better


def test_sixteen_bits_grey_and_alpha_become_rgb_tiles(
    tmp_path: Path, small: Recipe, photo: Callable[..., np.ndarray]
) -> None:
    (tmp_path / "photos").mkdir()
    colour = photo(1)
    write_image(tmp_path / "photos/deep.tif", (photo(2).astype(np.uint16) * 257))
    write_image(tmp_path / "photos/grey.png", photo(3)[..., 1])
    alpha = np.full((*colour.shape[:2], 1), 255, np.uint8)
    write_image(tmp_path / "photos/seen_through.png", np.concatenate([colour, alpha], axis=2))
    manifest = prepare(tmp_path / "photos", tmp_path / "out", small)
    assert [photo.name for photo in manifest.photos] == ["deep", "grey", "seen_through"]
    tile = open_dataset(tmp_path / "out").read_tile(manifest.tiles_of("grey")[0])
    assert (tile[..., 0] == tile[..., 2]).all()


@pytest.mark.parametrize("reduce", [1, 2, 3])
def test_the_file_format_does_not_change_the_tiles(
    tmp_path: Path, photo: Callable[..., np.ndarray], reduce: int
) -> None:
    recipe, tiles = Recipe(tile=64, reduce=reduce), {}
    for suffix in (".png", ".tif"):  # PNG is reduced by Pillow, TIFF by NumPy
        (tmp_path / suffix).mkdir()
        write_image(tmp_path / suffix / f"a{suffix}", photo(1))
        prepare(tmp_path / suffix, tmp_path / f"out{suffix}", recipe)
        tiles[suffix] = contents(tmp_path / f"out{suffix}" / "tiles")
    assert tiles[".png"] == tiles[".tif"]
    assert tiles[".png"]


@pytest.mark.parametrize("which", ["missing", "empty", "same"])
def test_nothing_to_prepare_is_said(tmp_path: Path, small: Recipe, which: str) -> None:
    (tmp_path / "empty").mkdir()
    folder = tmp_path / ("empty" if which == "same" else which)
    output = tmp_path / ("empty" if which == "same" else "out")
    with pytest.raises(MedRefineError, match=folder.name):
        prepare(folder, output, small)
    assert not (tmp_path / "out").exists()


def test_no_usable_photo_is_said(tmp_path: Path, small: Recipe) -> None:
    (tmp_path / "photos").mkdir()
    write_image(tmp_path / "photos/a.png", np.full((300, 300, 3), 128, np.uint8))
    with pytest.raises(MedRefineError, match=r"No photo can be used \(a.png: blank"):
        prepare(tmp_path / "photos", tmp_path / "out", small)


def test_a_full_disk_is_one_sentence_and_nothing_half_written(
    photos: Path, tmp_path: Path, small: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    written = []

    def full(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) > 12:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_medrefine._atomic.os.fsync", full)
    with pytest.raises(MedRefineError, match=r"disk is full.*it goes on where it was"):
        prepare(photos, out, small)
    monkeypatch.undo()
    assert not (out / MANIFEST).exists()
    assert not list(out.rglob("*.part"))
    prepare(photos, out, small)
    prepare(photos, tmp_path / "fresh", small)
    assert contents(out) == contents(tmp_path / "fresh")


@pytest.mark.photos
def test_the_studys_photos_give_its_35_tiles_each(photos44: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for slide in (1, 2, 3):
        name = f"slide{slide}_40x_8.jpg"  # the softest of each slide
        (tmp_path / "photos" / name).symlink_to(photos44.resolve() / name)
    manifest = prepare(tmp_path / "photos", tmp_path / "out", Recipe())
    assert len(manifest.tiles) == 3 * 35
    assert {(p.crop_shape, p.shape) for p in manifest.photos} == {((2560, 3584), (1280, 1792))}
    assert {photo.split for photo in manifest.photos} == {"train", "validation", "test"}
