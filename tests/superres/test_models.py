"""Weight files: what ships, what is refused, and how realism mixes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres import ModelCard, list_models, load_model, save_model
from napari_medrefine.superres.generator import Trunk, UNet
from napari_medrefine.superres.models import describe, model_for


def card_for(generator: Trunk | UNet, name: str = "mine") -> ModelCard:
    task = "magnify" if isinstance(generator, Trunk) else "sharpen"
    return ModelCard(name=name, task=task, **describe(generator))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "mine.safetensors"
    generator = Trunk(16, 1, (2, 4))
    save_model(path, generator, card_for(generator))
    return path


def test_shipped_models_say_what_they_are() -> None:
    kinds = {"magnify": "magnify", "photo": "magnify", "sharpen": "sharpen"}
    names = tuple(f"{kind}-{weights}" for kind in kinds for weights in ("faithful", "gan"))
    assert list_models() == names
    for name in names:
        card = load_model(name).card
        assert card.name == name
        assert name.split("-") == [name.split("-")[0], card.weights]
        assert card.task == kinds[name.split("-")[0]]
        assert "zenodo.6382734" in card.attribution
        assert "not for diagnosis" in card.caution
        assert set(card.held_out_slides) == {"giardia", "keloid-scar"}
        assert not set(card.held_out_slides) & set(card.training_slides)
        assert card.metrics


def test_shipped_files_are_small() -> None:
    folder = Path(__import__("napari_medrefine").__file__).parent / "superres" / "weights"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 6e6


@pytest.mark.parametrize("half", [False, True])
def test_weights_and_card_come_back(tmp_path: Path, *, half: bool) -> None:
    generator = UNet(16, 1)
    save_model(tmp_path / "u.safetensors", generator, card_for(generator, "own"), half=half)
    model = load_model(tmp_path / "u.safetensors")
    assert model.card.name == "own"
    assert (model.card.architecture, model.card.blocks) == ("unet", 1)
    for name, tensor in model.generator.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(
            tensor, generator.state_dict()[name], rtol=1e-3 if half else 0, atol=1e-6 if half else 0
        )


def test_loading_leaves_the_random_seed_alone(saved: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load_model(saved)
    assert torch.rand(1) == expected


def rewritten(path: Path, **changes: object) -> None:
    card = json.loads(load_model(path).card.model_dump_json()) | changes
    save_file(load_file(path), path, {"card": json.dumps(card)})


def test_damaged_files_are_refused_by_name(saved: Path) -> None:
    content = saved.read_bytes()
    half_way = len(content) // 2
    flipped = bytearray(content)
    flipped[-100] ^= 1
    for bad in (content[:half_way], content[:5], b"", b"\x80\x02}q\x00.", b"\xff" * 50, flipped):
        saved.write_bytes(bad)
        with pytest.raises(MedRefineError, match=r"mine\.safetensors"):
            load_model(saved)


def test_weights_that_do_not_fit_are_refused(saved: Path) -> None:
    rewritten(saved, channels=32)
    with pytest.raises(MedRefineError, match=r"mine\.safetensors.*do not fit"):
        load_model(saved)


def test_weights_without_card_or_with_another_are_refused(saved: Path) -> None:
    state = load_file(saved)
    save_file(state, saved)
    with pytest.raises(MedRefineError, match="no model card"):
        load_model(saved)
    save_file(state, saved, {"card": '{"name": "x"}'})
    with pytest.raises(MedRefineError, match="card is damaged"):
        load_model(saved)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    generator = Trunk(16, 1)
    with torch.no_grad():
        next(generator.parameters())[0, 0, 0, 0] = float("nan")
    save_model(tmp_path / "nan.safetensors", generator, card_for(generator))
    with pytest.raises(MedRefineError, match=r"nan\.safetensors.*finite"):
        load_model(tmp_path / "nan.safetensors")


def test_missing_file_or_folder_is_refused(tmp_path: Path) -> None:
    for name in ("no-such-model", tmp_path / "missing.safetensors"):
        with pytest.raises(MedRefineError, match="magnify-faithful"):
            load_model(name)
    with pytest.raises(MedRefineError, match="no weights in"):
        load_model(tmp_path)


def test_the_folder_of_a_run_stands_for_its_weights(tmp_path: Path) -> None:
    own = load_model("photo-faithful")
    save_model(tmp_path / "best.safetensors", own.generator, own.card, half=True)
    assert load_model(tmp_path).card.sha256 == own.card.sha256


def test_realism_mixes_linearly() -> None:
    ends = [model_for("magnify", r).generator.state_dict() for r in (0.0, 1.0)]
    middle = model_for("magnify", 0.25).generator.state_dict()
    assert any(not torch.equal(ends[0][name], ends[1][name]) for name in middle)
    for name, tensor in middle.items():
        torch.testing.assert_close(tensor, 0.75 * ends[0][name] + 0.25 * ends[1][name])


def test_own_weights_need_a_partner_for_realism(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(MedRefineError, match="realism must be 0"):
        model_for("magnify", 0.5, saved)
    generator = Trunk(16, 1)
    for name in ("best", "gan"):
        save_model(tmp_path / f"{name}.safetensors", generator, card_for(generator, name))
    assert model_for("magnify", 1.0, tmp_path / "best.safetensors").card.name == "gan"


def test_partner_of_another_network_is_refused(tmp_path: Path) -> None:
    for name, channels in (("best", 16), ("gan", 32)):
        generator = Trunk(channels, 1)
        save_model(tmp_path / f"{name}.safetensors", generator, card_for(generator, name))
    with pytest.raises(MedRefineError, match="cannot be mixed"):
        model_for("magnify", 1.0, tmp_path / "best.safetensors")


def test_failed_writing_keeps_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    generator = Trunk(16, 2)
    with pytest.raises(MedRefineError, match="the disk is full"):
        save_model(saved, generator, card_for(generator))
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]
