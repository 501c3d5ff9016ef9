"""Models given to bioimage.io: its own tool runs them, no network is needed, refusals."""

from __future__ import annotations

import importlib
import json
import socket
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_medrefine import MedRefineError, __version__, magnify, sharpen
from napari_medrefine.cli import main
from napari_medrefine.superres import ModelCard, load_model, save_model
from napari_medrefine.superres.bioimage_card import citations_of, documentation_of, licence_of
from napari_medrefine.superres.bioimage_export import export_model
from napari_medrefine.superres.generator import Trunk
from napari_medrefine.superres.models import describe
from napari_medrefine.superres.precision import Precision
from napari_medrefine.superres.recording import record


@pytest.fixture
def tool() -> Any:
    """bioimage.io's own."""
    if tuple(map(int, version("pydantic").split(".")[:2])) >= (2, 14):
        pytest.skip("BIOIMAGEIO.CORE is not tested: it does not work with this pydantic")
    try:
        return importlib.import_module("bioimageio.core")
    except ImportError as error:
        pytest.skip(f"BIOIMAGEIO.CORE MISSING: exported models are not tested ({error})")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail at any attempt to reach another machine."""

    def refused(*words: object) -> None:
        raise AssertionError(f"asked the network for {words}")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)


def test_a_folder_passes_the_test_of_bioimage_io(tool: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    assert main(["export-model", "magnify-faithful", "--scale", "2", "-o", str(folder)]) == 0
    summary = tool.test_description(folder, devices=["cpu"])
    assert summary.status == "passed"
    described = tool.load_description(folder)
    assert described.format_version.startswith("0.5")
    assert (described.license, str(described.version)) == ("MIT", __version__)
    assert any("zenodo.6382734" in str(one.doi) for one in described.cite)
    assert "not for diagnosis" in described.description
    given, made = (np.load(folder / f"test-{name}.npy") for name in ("input", "output"))
    assert made.shape == (1, 3, 2 * given.shape[2], 2 * given.shape[3])
    card = json.loads((folder / "model-card.json").read_text())
    assert card["sha256"] == load_model("magnify-faithful").card.sha256
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_test_compares_numbers(tool: Any, tmp_path: Path) -> None:
    """It can fail: other numbers in the file are noticed, and nothing is written then."""
    export_model(small_one(tmp_path), tmp_path / "model.zip", authors=("Ada Lovelace",))
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        archive.extractall(tmp_path / "model")
    numbers = tmp_path / "model" / "test-output.npy"
    np.save(numbers, np.load(numbers) + 3)
    rdf = next((tmp_path / "model").glob("*.yaml"))
    lines = rdf.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if numbers.name in line)
    rdf.write_text("\n".join(lines[: at + 1] + lines[at + 2 :]))  # without its hash
    assert tool.test_description(tmp_path / "model", devices=["cpu"]).status != "passed"
    described = tool.load_description(tmp_path / "model.zip")
    assert [author.name for author in described.authors] == ["Ada Lovelace"]
    assert described.license is None


def small_one(folder: Path) -> Path:
    """Weights of one's own, whose licence is no known one."""
    generator, path = Trunk(16, 1, (2,)), folder / "mine.safetensors"
    card = ModelCard(name="m: 1", task="magnify", licence="ask", **describe(generator))
    save_model(path, generator, card)
    return path


@pytest.mark.parametrize(
    ("name", "scale"), [("magnify-gan", 3), ("magnify-faithful", 4), ("sharpen-gan", 1)]
)
def test_the_recorded_network_is_ours_at_any_size(
    tissue: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, scale: int
) -> None:
    monkeypatch.setattr(
        "napari_medrefine.superres.ready.inference_precision", lambda: Precision("cpu")
    )
    image = (tissue(72, 104) / 255).astype(np.float32)
    record(load_model(name).generator, scale, tmp_path / "program.pt")
    program = torch.jit.load(tmp_path / "program.pt")
    with torch.inference_mode():
        made = program(torch.from_numpy(image).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    ours = (
        sharpen(image, consistency=False, model=name)
        if scale == 1
        else magnify(image, scale, consistency=False, model=name)
    )
    np.testing.assert_allclose(made, np.clip(ours, 0, 1), atol=1e-5)


def test_what_is_there_is_kept_and_nothing_else_is_left(tool: Any, tmp_path: Path) -> None:
    mine = small_one(tmp_path)
    (tmp_path / "there.zip").write_text("mine")
    for words, said in [
        (("magnify-faithful", "-o", str(tmp_path / "there.zip")), "already there"),
        (("magnify-faithful", "--scale", "7", "-o", str(tmp_path / "a")), "no scale 7"),
        ((str(mine), "-o", str(tmp_path / "a")), "author"),
        (("magnify-faithful", "-o", str(tmp_path / "no" / "a")), "Cannot write"),
    ]:
        with pytest.raises(MedRefineError, match=said):
            export_from(words)
    assert (tmp_path / "there.zip").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.safetensors", "there.zip"]


def export_from(words: tuple[str, ...]) -> None:
    from napari_medrefine.cli import build_parser

    arguments = build_parser().parse_args(["export-model", *words])
    arguments.run(arguments)


def test_without_the_tool_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bioimageio", None)
    monkeypatch.setitem(sys.modules, "bioimageio.core", None)
    with pytest.raises(MedRefineError, match=r"pip install 'napari-medrefine\[bioimageio\]'"):
        export_model("magnify-faithful", tmp_path / "a")


def test_words_come_from_the_card() -> None:
    card = load_model("magnify-faithful").card
    assert isinstance(card, ModelCard)
    text = documentation_of(card, 4)
    assert "## Validation" in text
    for part in (card.training, card.data, card.attribution, card.caution, card.sha256):
        assert " ".join(part.split()) in " ".join(text.split())
    assert licence_of(card) == "MIT"
    assert citations_of(card)[0][1] == "10.5281/zenodo.6382734"
