"""The `medrefine` command as a person types it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from napari_medrefine.cli import main
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import read_photo, write_image
from napari_medrefine.registration import Placement
from napari_medrefine.samples import SlidePhoto, demo_photos, field_to_overview


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SlidePhoto, SlidePhoto]:
    """A folder with a 4x and a 40x photo of one slide, and the photos with their truth."""
    folder = tmp_path_factory.mktemp("photos")
    overview, fields = demo_photos(3)
    write_image(folder / "one_4x.png", overview.image)
    write_image(folder / "one_40x_1.png", fields[-1].image)
    return folder, overview, fields[-1]


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "register",
        "export",
        "import",
        "atlas",
        "magnify",
        "sharpen",
        "prepare",
        "train",
        "evaluate",
    ],
)
def test_every_command_explains_itself_with_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"medrefine {command}" in capsys.readouterr().out.split("examples:")[1]


def test_register_takes_the_ratio_from_the_names_and_saves_where_the_field_lies(
    session: tuple[Path, SlidePhoto, SlidePhoto], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, overview, field = session
    words = [str(folder / "one_4x.png"), str(folder / "one_40x_1.png"), "-o", str(tmp_path)]
    assert main(["register", *words]) == 0
    placement = Placement.load(tmp_path / "one_40x_1.placement.json")
    corner = np.array([[0.0, 0.0], [1023.0, 1343.0]])
    truth = field_to_overview(field, overview)
    right = corner @ truth[:2, :2].T + truth[:2, 2]
    assert np.abs(placement.to_overview(corner) - right).max() < 0.5
    assert "placed. Its top left pixel lies at row" in capsys.readouterr().out

    # A second time: nothing is overwritten without asking.
    before = (tmp_path / "one_40x_1.placement.json").read_bytes()
    assert main(["register", *words]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "one_40x_1.placement.json").read_bytes() == before


def test_register_says_no_with_its_own_exit_status(
    session: tuple[Path, SlidePhoto, SlidePhoto], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _, field = session
    write_image(tmp_path / "mirrored_40x.png", np.ascontiguousarray(field.image[:, ::-1]))
    words = [str(folder / "one_4x.png"), str(tmp_path / "mirrored_40x.png")]
    assert main(["register", *words, "-o", str(tmp_path)]) == 3
    said = capsys.readouterr().out
    assert "REFUSED. The best guess puts its top left pixel at row" in said
    assert "lies at" not in said


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_photo_that_is_cut_off_does_not_keep_the_others_from_being_registered(
    session: tuple[Path, SlidePhoto, SlidePhoto],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    elsewhere: bool,
) -> None:
    folder, _, field = session
    write_image(tmp_path / "a_40x.png", field.image)
    whole = (tmp_path / "a_40x.png").read_bytes()
    (tmp_path / "a_40x.png").write_bytes(whole[: len(whole) // 2])  # its header is sound
    words = [str(folder / "one_4x.png"), str(tmp_path / "a_40x.png"), str(folder / "one_40x_1.png")]
    with ThreadPoolExecutor(1) as pool:
        client = SimpleNamespace(get_executor=lambda **_: pool)
        monkeypatch.setattr(
            "napari_medrefine.cli.register.cluster_of", lambda _: nullcontext(client)
        )
        scheduler = ["--scheduler", "any"] if elsewhere else []
        assert main(["register", *words, "-o", str(tmp_path), *scheduler]) == 1
    told = capsys.readouterr()
    assert "a_40x.png is left out: " in told.err
    assert "Traceback" not in told.err
    assert "one_40x_1.png: placed" in told.out
    assert [path.name for path in tmp_path.glob("*.json")] == ["one_40x_1.placement.json"]


def test_magnify_and_sharpen_write_pictures_of_the_right_size(
    session: tuple[Path, SlidePhoto, SlidePhoto], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = session[1].image[:40, :50]
    write_image(tmp_path / "small.tif", small, pixel_um=1.25)
    source, large, sharp = (str(tmp_path / name) for name in ("small.tif", "large.tif", "s.png"))
    assert main(["magnify", source, "--scale", "2.5", "-o", large]) == 0
    assert read_photo(large).image.shape == (100, 125, 3)
    assert read_photo(large).pixel_um == pytest.approx(0.5)
    assert main(["sharpen", source, "--strength", "0", "-o", sharp]) == 0
    np.testing.assert_array_equal(read_photo(sharp).image, small)
    assert "not for diagnosis" in capsys.readouterr().out


@pytest.mark.parametrize("output", ["out.png", "out.zarr"])
@pytest.mark.parametrize(
    ("words", "generated"),
    [
        ("magnify --scale 2", True),
        ("magnify --scale 1", False),
        ("magnify --scale 0.5", False),
        ("sharpen", True),
        ("sharpen --strength 0", False),
    ],
)
def test_what_no_network_made_is_not_called_generated(
    words: str,
    generated: bool,
    output: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    write_image(Path("in.png"), rng.integers(0, 255, (32, 32, 3), np.uint8))
    command, *options = words.split()
    assert main([command, "in.png", *options, "-o", output]) == 0
    said = capsys.readouterr().out
    assert ("Generated from the photo by a network" in said) == generated
    assert ("No network" in said) != generated


@pytest.mark.parametrize(
    ("command", "model", "other"),
    [("magnify", "sharpen-faithful", "sharpen"), ("sharpen", "photo-faithful", "magnify")],
)
@pytest.mark.parametrize("output", ["out.png", "out.zarr"])
def test_a_model_is_used_for_what_it_was_trained_for(
    command: str,
    model: str,
    other: str,
    output: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(Path("in.png"), np.zeros((32, 32, 3), np.uint8))
    assert main([command, "in.png", "--model", model, "-o", output]) == 1
    assert f"is for {other}ing; it cannot {command}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_evaluate_measures_networks_and_filters(
    session: tuple[Path, SlidePhoto, SlidePhoto], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slide = tmp_path / "photos" / "slide"
    slide.mkdir(parents=True)
    write_image(slide / "a.png", session[2].image[:192, :192])
    report = tmp_path / "report"
    words = ["evaluate", str(tmp_path / "photos"), "-o", str(report), "--protocol", "x4"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert all(method in out for method in ("bicubic", "back-projection", "faithful", "GAN"))
    assert (report / "report.html").exists()
    assert main(words) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_the_demo_does_the_main_job_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "-o", str(tmp_path), "--no-napari"]) == 0
    out = capsys.readouterr().out
    assert out.count("placed") == 4
    assert str(tmp_path) in out
    assert "the faithful and the GAN weights for photos" in out
    assert read_photo(tmp_path / "registered.png").image.shape == (1024, 1344, 3)
    assert read_photo(tmp_path / "magnified.png").image.std() > 10
    saved = json.loads((tmp_path / "slide_40x_1.placement.json").read_text())
    assert saved["accepted"] is True

    # A second time it replaces what it made; not what has been changed since.
    begun = "napari_medrefine.cli.demo.photograph"
    monkeypatch.setattr(begun, Mock(side_effect=MedRefineError("it begins")))
    assert main(["demo", "-o", str(tmp_path), "--no-napari"]) == 1
    assert "it begins" in capsys.readouterr().err
    (tmp_path / "registered.png").write_bytes(b"mine")
    assert main(["demo", "-o", str(tmp_path), "--no-napari"]) == 1
    assert "registered.png is already there" in capsys.readouterr().err
    assert main(["demo", "-o", str(tmp_path), "--no-napari", "--overwrite"]) == 1
    assert "it begins" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["register", "missing.png", "missing.png"], "missing.png"),
        (["magnify", "broken.jpg", "-o", "out.png"], "broken.jpg"),
        (["magnify", "good.png", "-o", "out.gif"], "out.gif"),
        (["magnify", "good.png", "--scale", "-2", "-o", "out.png"], "scale"),
        (["magnify", "good.png", "--scale", "nan", "-o", "out.png"], "scale"),
        (["sharpen", "good.png", "--model", "broken.jpg", "-o", "out.png"], "broken.jpg"),
        (["register", "good.png", "flat.png"], "constant"),
        (["prepare", "missing", "-o", "dataset"], "missing"),
        (["prepare", ".", "-o", "dataset", "--tile", "0"], "tile"),
        (["prepare", ".", "-o", "dataset", "--tile", "8"], "--tile is 8; it must be at least 32"),
        (["prepare", ".", "-o", "d", "--reduce", "99"], "--reduce is 99; it must be at most 64"),
        (
            ["prepare", ".", "-o", "d", "--pixel-um", "40=5000"],
            "--pixel-um is 5000; it must be at most 1000",
        ),
        (["train", "missing", "-o", "run"], "missing"),
        (["evaluate", "missing", "-o", "report"], "missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_gets_one_sentence_and_changes_nothing(
    words: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    write_image(Path("good.png"), rng.integers(0, 255, (64, 64, 3), np.uint8))
    write_image(Path("flat.png"), np.full((64, 64, 3), 200, np.uint8))
    Path("broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and then nothing")
    before = sorted(Path().rglob("*"))
    assert main(words) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("medrefine: ")
    assert reason in error
    assert len(error.splitlines()) == 1
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("atlas P -o O --objective b.png=0", "'b.png=0' is not a file and its objective"),
        ("atlas P -o O --objective b.png=nan", "'b.png=nan' is not a file and its objective"),
        ("prepare P -o O --objective=-4", "'-4' is not an objective"),
        ("prepare P -o O --pixel-um 40=inf", "'40=inf' is not an objective and a size"),
        ("prepare P -o O --crop 40", "'40' is not a height and a width"),
        ("register P F --ratio ten", "'ten' is not a number, LOW:HIGH"),
        ("learn P F -o O --angle 5", "'5' is not LOW:HIGH in degrees"),
    ],
)
def test_a_wrong_value_is_told_with_what_is_wanted(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words.split())
    assert said in capsys.readouterr().err


def test_equal_pixel_sizes_are_what_a_camera_writes_that_knows_no_objective(
    session: tuple[Path, SlidePhoto, SlidePhoto], tmp_path: Path
) -> None:
    _, overview, field = session
    write_image(tmp_path / "a_4x.tif", overview.image, pixel_um=1.0)
    write_image(tmp_path / "a_40x.tif", field.image, pixel_um=1.0)
    words = ["register", str(tmp_path / "a_4x.tif"), str(tmp_path / "a_40x.tif")]
    assert main([*words, "-o", str(tmp_path)]) == 0
    assert Placement.load(tmp_path / "a_40x.placement.json").ratio == pytest.approx(10, 0.05)
