"""Names, links and folders that lead elsewhere or cannot be written to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from fuzzing import records
from fuzzing.amount import examples
from fuzzing.outcome import CASES, check_sentence, judge, judge_command
from fuzzing.photos import photo_files, picture
from fuzzing.slides import write_slides
from hypothesis import given
from hypothesis import strategies as st

from napari_medrefine import Placement
from napari_medrefine._hashing import sha256_of_file
from napari_medrefine.atlas import atlas_steps
from napari_medrefine.dataset import open_dataset, prepare_steps
from napari_medrefine.io.layer_reader import read_images
from napari_medrefine.io.reader import get_reader, read_dataset
from napari_medrefine.io.slide_layers import get_slide_reader
from napari_medrefine.io.slides import open_slide
from napari_medrefine.io.writer import write_dataset
from napari_medrefine.photos import find_photos, read_photo, write_image
from napari_medrefine.superres.foreign_files import container_of
from napari_medrefine.superres.model_files import read_card

OUTSIDE = [
    "../outside.png",
    "../../etc/passwd",
    "/etc/passwd",
    "tiles/../../outside.png",
    "C:/x.png",
    "tiles\\..\\x.png",
    "tiles/\0.png",
    "~/x.png/..",
    "file:///etc/passwd",
]


@pytest.mark.parametrize("file", OUTSIDE)
def test_no_tile_is_read_from_elsewhere(tmp_path, file):
    folder = records.write_dataset(tmp_path)
    write_image(tmp_path / "outside.png", np.ascontiguousarray(picture(96, 160)[:32, :32]))
    manifest = folder / "medrefine-dataset.json"
    content = json.loads(manifest.read_bytes())
    content["tiles"][0]["file"] = file
    manifest.write_text(json.dumps(content))
    verdict = judge(lambda: open_dataset(folder), folder, kind="path that leads elsewhere")
    assert "must lie inside" in verdict.sentence


def test_no_placement_of_an_atlas_is_read_from_elsewhere(tmp_path):
    from napari_medrefine.atlas import load_atlas

    folder = records.write_atlas(tmp_path)
    record = folder / "medrefine-atlas.json"
    for file in OUTSIDE:
        content = json.loads(record.read_bytes())
        content["photos"][1]["placement"] = file
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        (copy / record.name).write_text(json.dumps(content))
        assert judge(lambda c=copy: load_atlas(c), copy, kind="path that leads elsewhere").refused


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    "path",
    [
        "../other/s0",
        "../../other/s0",
        "/other/s0",
        "s0/../../other/s0",
        "file:///etc",
        "http://127.0.0.1:9/s0",
        "..",
        "",
        "/",
    ],
)
def test_no_level_of_ome_zarr_is_read_from_elsewhere(tmp_path, version, path):
    slide = write_slides(tmp_path / "slides")[f"zarr {version}"]
    secret = np.full((3, 24, 32), 77, np.uint8)
    other = zarr.create_array(
        slide.parent / "other" / "s0",
        shape=secret.shape,
        dtype="u1",
        zarr_format=3 if version == "0.5" else 2,
    )
    other[:] = secret
    mark = slide / ("zarr.json" if version == "0.5" else ".zattrs")
    about = json.loads(mark.read_bytes())
    inner = about["attributes"]["ome"] if version == "0.5" else about
    inner["multiscales"][0]["datasets"][0]["path"] = path
    mark.write_text(json.dumps(about))
    verdict = judge(
        lambda: np.asarray(open_slide(slide).levels[0]), slide, kind="path that leads elsewhere"
    )
    assert verdict.refused or not (verdict.value == 77).any()


def test_links_are_followed_and_rings_of_links_are_told(tmp_path):
    (tmp_path / "a.png").write_bytes(photo_files()["rgb.png"])
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "ring.png").symlink_to("ring.png")
    (tmp_path / "gone.png").symlink_to("nothing.png")
    (tmp_path / "up").symlink_to(tmp_path)
    assert not judge(lambda: read_photo(tmp_path / "link.png"), tmp_path, kind="link").refused
    for name in ("ring.png", "gone.png"):
        for use in (read_photo, open_slide, Placement.load, open_dataset):
            path = tmp_path / name
            assert judge(lambda u=use, p=path: u(p), kind="link", named=path).refused
    found = judge(lambda: find_photos(tmp_path, recursive=True), tmp_path, kind="link").value
    assert {path.name for path in found} == {"a.png", "link.png", "ring.png", "gone.png"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a Unix system has pipes with a name")
def test_what_is_called_a_file_and_never_answers_or_ends_is_told(tmp_path):
    pipe, device = tmp_path / "slide1_40x.png", tmp_path / "slide2_40x.png"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    for path in (pipe, device):
        for use in (read_photo, open_slide, read_images, sha256_of_file, container_of, read_card):
            said = judge(lambda u=use, p=path: u(p), path, kind="pipe or device").sentence
            assert said.endswith(f"{path}: it is a pipe, a socket or a device, not a file.")


names = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="/\0"), min_size=1, max_size=40
)


@examples(40, 600)
@given(
    name=st.one_of(
        names,
        st.sampled_from(
            [
                "-rf",
                "--help",
                " ",
                "\n",
                "é" * 120,
                "x" * 251,
                "CON",
                "%s",
                "{0}",
                "$HOME",
                "a\tb",
                "\u202egnp",
                "'",
                '"',
            ]
        ),
    )
)
def test_any_name(bench, name):
    folder = bench / "names"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / f"{name}.png"
    made = judge(lambda: write_image(path, picture()), kind="name")
    if made.refused:
        assert len(path.name.encode()) > 255
        return
    assert [entry.name for entry in folder.iterdir()] == [path.name]
    np.testing.assert_array_equal(
        judge(lambda: read_photo(path), path, kind="name").value.image, picture()
    )
    records.placement().save(folder / f"{name[:40]}.json")
    judge(lambda: Placement.load(folder / f"{name[:40]}.json"), kind="name")


@examples(60, 800)
@given(
    path=st.one_of(
        st.text(max_size=30),
        st.sampled_from(
            [
                "",
                "/",
                ".",
                "a.svs",
                "a.SVS",
                "x/medrefine-dataset.json",
                "a.medrefine.json/",
                "a\0.svs",
                "é.ndpi" * 60,
            ]
        ),
        st.lists(st.text(max_size=8), max_size=3),
    )
)
def test_readers_claim_or_leave_any_path(path):
    for get in (get_reader, get_slide_reader):
        reader = judge(lambda get=get: get(path), kind="reader asked").value
        if reader is not None:
            judge(lambda reader=reader: reader(path), kind="reader used")


odd_attributes = st.dictionaries(
    st.sampled_from(
        [
            "name",
            "scale",
            "translate",
            "rotate",
            "shear",
            "affine",
            "units",
            "opacity",
            "metadata",
            "rgb",
            "colormap",
            "contrast_limits",
            "gamma",
            "visible",
            "multiscale",
            "blending",
            "axis_labels",
        ]
    ),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 3),
        st.floats(),
        st.text(max_size=5),
        st.lists(st.floats(), max_size=4),
        st.dictionaries(st.text(max_size=3), st.floats(), max_size=2),
    ),
    max_size=4,
)


@examples(60, 800)
@given(
    attributes=odd_attributes,
    shape=st.sampled_from([(24, 32), (24, 32, 3), (0, 3), (1, 1), (2, 3, 4, 5), (5,), ()]),
    dtype=st.sampled_from(["uint8", "float32", "int64", "bool", "complex64"]),
)
def test_writer_of_odd_layers(bench, attributes, shape, dtype):
    folder = bench / "written"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    layer = (np.zeros(shape, dtype), attributes, "image")
    path = folder / "a.medrefine.json"
    made = judge(lambda: write_dataset(str(path), [layer]), kind="writer")
    assert path.exists() != made.refused
    if not made.refused:
        judge(lambda: read_dataset(str(path)), path, kind="writer, read again")
    else:
        assert list(folder.iterdir()) == []


ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
LOCKS = hasattr(os, "geteuid") and (not ROOT or shutil.which("setpriv") is not None)


@pytest.mark.skipif(not LOCKS, reason="folders are locked by Unix permissions, for root by setpriv")
def test_folders_that_cannot_be_written_to_or_read(tmp_path):
    """Without root's right to write anywhere."""
    locked, secret = tmp_path / "locked", tmp_path / "secret.png"
    locked.mkdir()
    photo = tmp_path / "a.png"
    for path in (photo, secret):
        path.write_bytes(photo_files()["rgb.png"])
    records.write_photos(tmp_path / "photos")
    secret.chmod(0)
    locked.chmod(0o555)
    argvs = [
        ["magnify", str(photo), "--scale", "0.5", "-o", str(locked / "b.png")],
        ["magnify", str(photo), "--scale", "2", "-o", str(locked / "b.zarr")],
        ["magnify", str(secret), "--scale", "0.5", "-o", str(tmp_path / "b.png")],
        ["prepare", str(tmp_path / "photos"), "-o", str(locked / "d"), "--tile=32", "--reduce=1"],
        ["register", str(photo), str(photo), "-o", str(locked / "new")],
        ["atlas", str(tmp_path / "photos"), "-o", str(locked / "atlas")],
        ["evaluate", str(locked), "-o", str(locked / "report")],
        ["demo", "--no-napari", "-o", str(locked / "demo")],
    ]
    code = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from fuzzing.outcome import judge_command
print(json.dumps([judge_command(argv).sentence for argv in json.loads(sys.argv[1])]))
"""
    drop = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--"] if ROOT else []
    done = subprocess.run(
        [*drop, sys.executable, "-c", code, json.dumps(argvs)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for argv, sentence in zip(argvs, json.loads(done.stdout.splitlines()[-1]), strict=True):
        CASES["locked folder"] += 1
        assert sentence is not None, argv
        check_sentence(sentence)
    assert list(locked.iterdir()) == []


def test_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "a.png").write_bytes(photo_files()["rgb.png"])
    for argv in (
        ["magnify", "a.png", "--scale=0.5", "-o", "a.png/b.png"],
        ["prepare", "a.png", "-o", "d"],
        ["atlas", "a.png", "-o", "a.png"],
        ["evaluate", "a.png", "-o", "a.png/r"],
    ):
        words = [str(tmp_path / word) if "a.png" in word or word == "d" else word for word in argv]
        assert judge_command(words, tmp_path).refused


@pytest.mark.parametrize("job", [prepare_steps, atlas_steps])
@pytest.mark.parametrize("output", ["a\0b", "a\0b/c", "x" * 300, "x" * 300 + "/c"])
def test_a_folder_that_cannot_be_is_told_before_the_work(tmp_path, job, output):
    (tmp_path / "photos").mkdir()
    write_image(tmp_path / "photos" / "a.png", picture(96, 160))
    for above in (tmp_path, tmp_path / "new" / "er", tmp_path / "photos" / "a.png"):
        place = above / output
        verdict = judge(lambda to=place: next(job(tmp_path / "photos", to)), kind="no folder")
        assert verdict.sentence
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
