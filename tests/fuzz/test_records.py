"""The files the plugin writes itself: damaged, strange, newer, or leading elsewhere."""

from __future__ import annotations

import json
import shutil
import warnings

import numpy as np
import pytest
from fuzzing import records
from fuzzing.amount import examples
from fuzzing.damage import broken_json, damages
from fuzzing.outcome import judge
from hypothesis import given
from hypothesis import strategies as st

from napari_medrefine import Placement
from napari_medrefine._records import read_record
from napari_medrefine.atlas import load_atlas
from napari_medrefine.atlas.folder import rows_of
from napari_medrefine.atlas.layers import layers_steps
from napari_medrefine.dataset import load_manifest, open_dataset
from napari_medrefine.dataset._journal import JOURNAL, look, start
from napari_medrefine.io.reader import read_dataset
from napari_medrefine.superres.run_folder import keep_log, read_log, read_run
from napari_medrefine.superres.trust_model import TRUST_FILES, TrustModel


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """One of each, made once."""
    top = tmp_path_factory.mktemp("made")
    records.placement().save(top / "p.placement.json")
    dataset = records.write_dataset(top / "d")
    journal = top / "j"
    journal.mkdir()
    manifest = load_manifest(dataset)
    start(journal, manifest.recipe, list(look(dataset).done.values()), frozenset())
    return {
        "placement": top / "p.placement.json",
        "dataset": dataset,
        "journal": journal,
        "atlas": records.write_atlas(top / "a"),
        "training": records.write_training(top / "run"),
    }


def fresh(made, what, bench):
    """Return a copy to break."""
    target = bench / made[what].name
    shutil.rmtree(bench, ignore_errors=True)
    bench.mkdir()
    if made[what].is_dir():
        shutil.copytree(made[what], target)
    else:
        shutil.copy(made[what], target)
    return target


def use_placement(path):
    """Load a placement, ask for all it can tell, and save it again."""
    place = Placement.load(path)
    place.corners(), place.outline(), place.overlap, place.ratio, place.angle
    place.to_field([[0.0, 0.0]])
    place.save(path.with_name("again.json"))


def use_dataset(path):
    dataset = open_dataset(path)
    dataset.differences()
    for tile in dataset.tiles():
        dataset.read_tile(tile)


def show_dataset(path):
    for data, _, _ in read_dataset(str(path), outlines=True):
        if not isinstance(data, list):
            np.asarray(data[:8, :8])


def use_atlas(path):
    rows_of(path, load_atlas(path))


USES = {
    "placement": ("", use_placement),
    "dataset": ("medrefine-dataset.json", use_dataset),
    "atlas": ("medrefine-atlas.json", use_atlas),
    "training": ("medrefine-training.json", lambda file: read_run(file.parent)),
}


@pytest.mark.parametrize("what", sorted(USES))
def test_they_are_read_as_they_are(made, bench, what):
    name, use = USES[what]
    target = fresh(made, what, bench / "records")
    file = target / name if name else target
    assert not judge(lambda: use(file), file, kind=f"{what} as it is").refused


@pytest.mark.parametrize("what", sorted(USES))
@examples(40, 900)
@given(data=st.data())
def test_strange_values(made, bench, what, data):
    name, use = USES[what]
    target = fresh(made, what, bench / "records")
    file = target / name if name else target
    file.write_bytes(data.draw(broken_json(json.loads(file.read_bytes()))))
    judge(lambda: use(file), file, kind=f"{what} with strange values", named=file.parent)


@pytest.mark.parametrize("what", sorted(USES))
@examples(15, 300)
@given(damage=damages)
def test_damage(made, bench, what, damage):
    name, use = USES[what]
    target = fresh(made, what, bench / "records")
    file = target / name if name else target
    file.write_bytes(damage(file.read_bytes()))
    judge(lambda: use(file), file, kind=f"{what} damaged", named=file.parent)


@examples(30, 400)
@given(
    entries=st.lists(
        st.sampled_from([0, 1, -1, 1e-9, 1e9, 1e-200, 1e200, float("inf"), float("nan")]),
        min_size=9,
        max_size=9,
    ),
    which=st.sampled_from(["matrix", "core"]),
)
def test_matrices_of_placements(made, bench, entries, which):
    file = fresh(made, "placement", bench / "records")
    content = json.loads(file.read_bytes())
    holder = content if which == "matrix" else content["distortion"]
    holder[which] = [entries[:3], entries[3:6], [0, 0, 1]]
    file.write_text(json.dumps(content))
    judge(lambda: use_placement(file), file, kind="placement with a strange matrix")


@pytest.mark.parametrize("what", sorted(USES))
def test_of_a_newer_version(made, bench, what):
    name, use = USES[what]
    target = fresh(made, what, bench / "records")
    file = target / name if name else target
    content = json.loads(file.read_bytes())
    content["format" if what == "placement" else "version"] = 99
    file.write_text(json.dumps(content | {"new": ["things"]}))
    verdict = judge(lambda: use(file), file, kind=f"{what} of a newer version")
    assert "newer" in verdict.sentence
    assert "update napari-medrefine" in verdict.sentence


@examples(20, 300)
@given(damage=damages, which=st.integers(0, 9))
def test_damaged_tiles(made, bench, damage, which):
    folder = fresh(made, "dataset", bench / "records")
    tiles = sorted((folder / "tiles").rglob("*.png"))
    broken = tiles[which % len(tiles)]
    broken.write_bytes(damage(broken.read_bytes()))
    judge(lambda: use_dataset(folder), folder, kind="tile damaged")
    with warnings.catch_warnings():
        judge(
            lambda: show_dataset(folder / "medrefine-dataset.json"),
            folder,
            kind="tile damaged, in napari",
        )


@examples(30, 400)
@given(damage=damages)
def test_damaged_journals(made, bench, damage):
    folder = fresh(made, "journal", bench / "records")
    file = folder / JOURNAL
    file.write_bytes(damage(file.read_bytes()))
    judge(lambda: look(folder), folder, kind="journal damaged")


@examples(40, 600)
@given(damage=damages)
def test_damaged_logs_of_trainings(made, bench, damage):
    folder = fresh(made, "training", bench / "records")
    file = folder / "log.jsonl"
    file.write_bytes(damage(file.read_bytes()))
    judge(lambda: read_log(folder), folder, kind="log damaged", named=file)
    judge(lambda: keep_log(folder, 1), kind="log damaged, gone on with", named=file)


@examples(40, 600)
@given(data=st.data())
def test_strange_events_of_trainings(made, bench, data):
    folder = fresh(made, "training", bench / "records")
    file = folder / "log.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    broken = json.loads(data.draw(broken_json(lines)))
    file.write_text("".join(json.dumps(line) + "\n" for line in broken))
    judge(lambda: read_log(folder), folder, kind="log with strange events", named=file)


@examples(25, 400)
@given(data=st.data())
def test_a_strange_calibration(bench, data):
    path = bench / "trust.json"
    path.write_bytes(data.draw(broken_json(json.loads(TRUST_FILES["shipped"].read_bytes()))))
    judge(lambda: read_record(path, TrustModel, "a calibration"), path, kind="calibration")


@examples(15, 200)
@given(data=st.data())
def test_an_atlas_that_is_shown(made, bench, data):
    folder = fresh(made, "atlas", bench / "records")
    shutil.copytree(made["atlas"].parent / "photos", bench / "records" / "photos")
    files = sorted(p for p in (bench / "records").rglob("*") if p.suffix in (".json", ".png"))
    broken = data.draw(st.sampled_from(files))
    if broken.suffix == ".json":
        broken.write_bytes(data.draw(broken_json(json.loads(broken.read_bytes()))))
    else:
        broken.write_bytes(data.draw(damages)(broken.read_bytes()))
    judge(
        lambda: list(layers_steps(folder, load_atlas(folder))),
        bench / "records",
        kind="atlas shown",
    )
