"""The command line with every kind of file, name and number; in this process, and in real ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from fuzzing import records
from fuzzing.amount import examples
from fuzzing.damage import ODD_PATHS, damages
from fuzzing.outcome import CASES, check_sentence, judge_command
from fuzzing.photos import photo_files
from fuzzing.slides import write_slides
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = [
    "0",
    "1",
    "2",
    "4",
    "-1",
    "0.5",
    "1e9",
    "1e-9",
    "nan",
    "inf",
    "-inf",
    "x",
    "",
    "1:2",
    "2:1",
    ":",
    "1:2:3",
    "1x1",
    "0x0",
    "99999999999999999999",
    "１",
    "any",
    "40=1",
    "=",
    "a=b",
]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """Files good and bad, by what they are."""
    top = tmp_path_factory.mktemp("shelf")
    for name, content in photo_files().items():
        (top / name).write_bytes(content)
    (top / "short.jpg").write_bytes(photo_files()["rgb.jpg"][:300])
    (top / "empty.png").write_bytes(b"")
    (top / "text.tif").write_text("no photo\n")
    (top / "-dash.png").write_bytes(photo_files()["rgb.png"])
    (top / "größe 切片 🔬_40x.png").write_bytes(photo_files()["rgb.png"])
    (top / ("long" * 60 + ".png")).write_bytes(photo_files()["rgb.png"])
    (top / "link.png").symlink_to(top / "rgb.png")
    (top / "loop.png").symlink_to(top / "loop.png")
    (top / "gone.png").symlink_to(top / "nothing")
    write_slides(top / "slides")
    records.write_photos(top / "photos")
    records.write_dataset(top / "made")
    records.write_atlas(top / "atlas")
    records.write_weights(top)
    (top / "nothing inside").mkdir()
    return top


def places(shelf, folders=False):
    every = sorted(str(path) for path in shelf.rglob("*") if folders or not path.is_dir())
    return st.one_of(
        st.sampled_from(every),
        st.sampled_from([str(shelf / "missing.jpg"), str(shelf / "rgb.jpg" / "inside"), "-", "-x"]),
        st.sampled_from([*ODD_PATHS, str(shelf)]),
    )


def output(bench):
    """Return a free place for results; what was there is gone."""
    shutil.rmtree(bench / "out", ignore_errors=True)
    (bench / "out").mkdir()
    return bench / "out"


def safe(argv):
    """Return argv without what the shell or the system could not hand over at all."""
    return [word.replace("\0", "?") for word in argv]


@examples(60, 700)
@given(data=st.data())
def test_magnify_and_sharpen(shelf, bench, data):
    task = data.draw(st.sampled_from(["magnify", "sharpen"]))
    photo = data.draw(places(shelf, folders=True))
    name = data.draw(
        st.sampled_from(
            [
                "a.png",
                "a.jpg",
                "a.tif",
                "a.zarr",
                "a",
                "no/such/a.png",
                "",
                "é" * 150 + ".png",
                "a.ome.zarr",
                "-a.png",
            ]
        )
    )
    argv = [task, photo, "-o", str(output(bench) / name)]
    options = ["--realism", "--model"] + (["--scale"] if task == "magnify" else ["--strength"])
    for option in data.draw(st.lists(st.sampled_from(options), max_size=2, unique=True)):
        odd = places(shelf) if option == "--model" else st.sampled_from(NUMBERS)
        argv += [option, data.draw(odd)]
    judge_command(safe(argv), shelf)


@examples(40, 500)
@given(data=st.data())
def test_register(shelf, bench, data):
    overview, photos = data.draw(places(shelf)), places(shelf)
    if "contact-sheet" in overview:
        # Two photos of some size are no bad input: a search with nothing known takes its time, says
        # how far it is, and can be stopped.
        photos = photos.filter(lambda place: "contact-sheet" not in place)
    fields = data.draw(st.lists(photos, min_size=1, max_size=2))
    argv = ["register", overview, *fields, "-o", str(output(bench))]
    options = data.draw(st.lists(st.sampled_from(["--ratio", "--angle"]), unique=True))
    argv += [f"{option}={data.draw(st.sampled_from(NUMBERS))}" for option in options]
    judge_command(safe(argv), shelf)


@examples(30, 400)
@given(data=st.data())
def test_prepare(shelf, bench, data):
    folder = data.draw(
        st.sampled_from(
            [
                "photos",
                "made",
                "atlas",
                "nothing inside",
                "rgb.png",
                "gone.png",
                "loop.png",
                "missing",
            ]
        )
    )
    argv = ["prepare", str(shelf / folder), "-o", str(output(bench) / "d")]
    names = ["--tile", "--reduce", "--crop", "--proportions", "--seed", "--objective", "--pixel-um"]
    values = st.sampled_from([*NUMBERS, "32", "32x32", "1:1:1"])
    options = data.draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
    argv += [f"{option}={data.draw(values)}" for option in options]
    judge_command(argv, shelf)


@examples(20, 200)
@given(data=st.data())
def test_evaluate_train_and_atlas_of_what_is_none(shelf, bench, data):
    command = data.draw(st.sampled_from(["evaluate", "train", "atlas"]))
    kinds = ["nothing inside", "rgb.png", "missing", "gone.png", "loop.png", "short.jpg"]
    argv = [command, str(shelf / data.draw(st.sampled_from(kinds))), "-o", str(output(bench) / "d")]
    options = {"evaluate": "--limit", "train": "--epochs", "atlas": "--objective"}
    argv.append(f"{options[command]}={data.draw(st.sampled_from(NUMBERS))}")
    judge_command(argv, shelf)


@examples(15, 150)
@given(damage=damages)
def test_evaluate_and_train_on_a_damaged_dataset(shelf, bench, damage):
    folder = output(bench) / "dataset"
    shutil.copytree(shelf / "made" / "dataset", folder)
    (folder / "medrefine-dataset.json").write_bytes(
        damage((folder / "medrefine-dataset.json").read_bytes())[:-1]
    )
    judge_command(["train", str(folder), "-o", str(bench / "out" / "run"), "--epochs=1"], folder)
    judge_command(["train", str(folder), "-o", str(folder), "--resume"], folder)


@examples(25, 300)
@given(
    table=st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(str.encode),
        st.sampled_from([b"rgb.jpg,4", b"file,objective\nx.jpg,40x\n", b"a\0,4"]),
    )
)
def test_tables_of_objectives(shelf, bench, table):
    path = output(bench) / "table.csv"
    path.write_bytes(table)
    argv = ["atlas", str(shelf / "nothing inside"), "-o", str(bench / "out" / "a")]
    judge_command([*argv, "--objectives", str(path)], shelf, path)


@examples(40, 500)
@given(
    words=st.lists(
        st.sampled_from(
            [
                "register",
                "magnify",
                "-o",
                "--scale",
                "--",
                "-",
                "",
                "x",
                "--overwrite",
                "--help",
                "--version",
                "é",
                "atlas",
                "--no-such",
            ]
        ),
        max_size=5,
    )
)
def test_words(bench, words, monkeypatch):
    os.makedirs(bench / "words", exist_ok=True)  # noqa: PTH103
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(bench / "words")
        judge_command(words)


REAL = {
    "damaged": ["magnify", "short.jpg", "-o", "OUT/a.png"],
    "none": ["register", "missing.jpg", "rgb.jpg", "-o", "OUT"],
    "dash": ["magnify", "--scale", "0.5", "-o", "OUT/a.png", "--", "-dash.png"],
    "letters": ["magnify", "--scale", "0.5", "größe 切片 🔬_40x.png", "-o", "OUT/ö 切.png"],
    "loop": ["sharpen", "loop.png", "-o", "OUT/a.png"],
}


@pytest.mark.parametrize(
    ("name", "locale"),
    [("damaged", "C"), ("none", "C.UTF-8"), ("dash", "C.UTF-8"), ("letters", "C"), ("loop", "C")],
)
def test_real_processes(shelf, bench, name, locale):
    out = output(bench)
    argv = [word.replace("OUT", str(out)) for word in REAL[name]]
    CASES["real process"] += 1
    done = subprocess.run(
        [sys.executable, "-m", "napari_medrefine.cli", *argv],
        cwd=shelf,
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )
    told = done.stderr.decode(errors="replace")
    assert "Traceback" not in told
    if name in ("dash", "letters"):
        assert done.returncode == 0, told
        assert len(list(out.iterdir())) == 1
    else:
        assert done.returncode == 1, told
        check_sentence(told.strip().splitlines()[-1])
        assert list(out.iterdir()) == []
