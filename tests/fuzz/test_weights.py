"""Weight files and checkpoints: damaged, of other networks, and with programs inside."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings

import pytest
import torch
from fuzzing import records
from fuzzing.amount import examples
from fuzzing.damage import broken_json, damages
from fuzzing.outcome import judge
from fuzzing.photos import picture
from hypothesis import given
from hypothesis import strategies as st

from napari_medrefine import magnify
from napari_medrefine.progress import finish
from napari_medrefine.superres import checkpoints
from napari_medrefine.superres.learning_checkpoint import load_state, save_state
from napari_medrefine.superres.model_files import read_card, weights_in
from napari_medrefine.superres.models import load_model
from napari_medrefine.superres.training import train_steps


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    return records.write_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def training(tmp_path_factory):
    return records.write_training(tmp_path_factory.mktemp("training") / "run")


def split(content):
    """Return the header of a safetensors file as JSON, and the rest."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header, rest):
    return len(header).to_bytes(8, "little") + header + rest


@examples(60, 800)
@given(damage=damages)
def test_damaged_weights(weights, bench, damage):
    path = bench / "broken.safetensors"
    path.write_bytes(damage(weights.read_bytes()))
    card = judge(lambda: read_card(path), path, kind="card damaged")
    loaded = judge(lambda: load_model(path), path, kind="weights damaged")
    if card.refused:
        assert loaded.refused


@examples(60, 800)
@given(data=st.data())
def test_strange_headers(weights, bench, data):
    path = bench / "strange.safetensors"
    header, rest = split(weights.read_bytes())
    path.write_bytes(joined(data.draw(broken_json(header)), rest))
    judge(lambda: read_card(path), path, kind="card with strange header")
    judge(lambda: load_model(path), path, kind="weights with strange header")


@examples(80, 1200)
@given(data=st.data())
def test_strange_cards(weights, bench, data):
    path = bench / "strange.safetensors"
    header, rest = split(weights.read_bytes())
    card = data.draw(broken_json(json.loads(header["__metadata__"]["card"])))
    header["__metadata__"]["card"] = card.decode()
    path.write_bytes(joined(json.dumps(header).encode(), rest))
    read = judge(lambda: read_card(path), path, kind="card with strange values")
    used = judge(
        lambda: magnify(picture(8, 8), 2, model=path), kind="strange card at work", named=path
    )
    if read.refused:
        assert used.refused


def test_a_card_of_a_newer_version(weights, bench):
    path = bench / "newer.safetensors"
    header, rest = split(weights.read_bytes())
    card = json.loads(header["__metadata__"]["card"])
    header["__metadata__"]["card"] = json.dumps(card | {"version": 2, "wings": True})
    path.write_bytes(joined(json.dumps(header).encode(), rest))
    for use in (read_card, load_model):
        sentence = judge(lambda use=use: use(path), path, kind="card of a newer version").sentence
        assert "newer" in sentence
        assert "update napari-medrefine" in sentence


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "no such model",
        "-x",
        "a\0b",
        "é" * 300,
        "~",
        "/dev/null",
        "https://127.0.0.1:9/model.safetensors",
    ],
)
def test_names_of_models(name):
    judge(lambda: load_model(name), kind="name of a model")
    judge(lambda: magnify(picture(8, 8), 2, model=name), kind="name of a model")


def test_folders_of_trainings(training, bench):
    judge(lambda: weights_in(training), training, kind="folder of a training")
    assert judge(lambda: weights_in(bench), kind="folder of a training").refused


def resume(folder):
    finish(train_steps(*records.sides(), records.CONFIG, folder, resume=True))


def copy_of(training, bench):
    folder = bench / "broken-run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(training, folder)
    return folder


@examples(30, 500)
@given(damage=damages)
def test_damaged_checkpoints(training, bench, damage):
    folder = copy_of(training, bench)
    path = folder / checkpoints.CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    judge(
        lambda: checkpoints.load_checkpoint(folder), folder, kind="checkpoint damaged", named=path
    )


@examples(30, 500)
@given(data=st.data())
def test_strange_checkpoints(training, bench, data):
    folder = copy_of(training, bench)
    path = folder / checkpoints.CHECKPOINT
    content = torch.load(path, weights_only=True)
    inner = [
        (part, name) for part in ("progress", "precision", "networks") for name in content[part]
    ]
    part, key = data.draw(st.sampled_from([*(("", name) for name in content), *inner]))
    holder = content[part] if part else content
    value = st.sampled_from([None, 0, -1, 10**30, "x", [], {}, float("nan"), torch.zeros(2), True])
    holder[key] = data.draw(value)
    torch.save(content, path)
    judge(lambda: resume(folder), kind="checkpoint with strange values", named=folder)


@pytest.mark.parametrize("value", [torch.zeros(2), torch.zeros(()), [], "x", 0, True])
@pytest.mark.parametrize("entry", ["networks", "best"])
def test_a_checkpoint_whose_networks_are_none_is_one_sentence(training, bench, entry, value):
    folder = copy_of(training, bench)
    path = folder / checkpoints.CHECKPOINT
    torch.save({**torch.load(path, weights_only=True), entry: value}, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns of how it looks into a tensor
        verdict = judge(lambda: resume(folder), folder, kind="networks that are none", named=path)
    assert verdict.sentence.endswith("parts of it are missing or wrong.")


@pytest.mark.parametrize("value", [torch.zeros(2), 1.5, [], "x", {}, True, None])
def test_strange_states_of_a_fine_tuning(bench, value):
    path = bench / "state.pt"
    whole = {"pairs": "a", "config": "{}", "fold": 0, "looks": [], "best": None, "tuning": None}
    save_state(path, whole)
    assert load_state(path)["fold"] == 0
    for name, right in whole.items():
        if type(value) is type(right) or (right is None and value == {}):
            continue
        save_state(path, {**whole, name: value})
        assert judge(lambda: load_state(path), path, kind="strange fine-tuning").refused


class Program:
    """What a pickle runs when it is read."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


@pytest.mark.parametrize("how", ["torch", "pickle", "legacy"])
def test_no_program_in_a_checkpoint_or_weights_is_run(training, bench, how):
    folder, mark = copy_of(training, bench), bench / f"was run by {how}"
    path = folder / checkpoints.CHECKPOINT
    content = {"format": "medrefine-checkpoint", "version": 1, "config": Program(mark)}
    if how == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    assert judge(lambda: resume(folder), folder, kind="program inside", named=path).refused
    weights = bench / "evil.safetensors"
    shutil.copy(path, weights)
    assert judge(lambda: load_model(weights), weights, kind="program inside").refused
    assert not mark.exists()
