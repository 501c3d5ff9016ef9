"""Photos put in order by a cluster, or by any other processes, lie where they always lie."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from napari_medrefine.atlas import atlas_steps, load_atlas
from napari_medrefine.cli import main
from napari_medrefine.photos import write_image
from napari_medrefine.progress import finish
from napari_medrefine.registration.atlas import FieldPhoto
from napari_medrefine.registration.atlas import atlas_steps as looks
from napari_medrefine.registration.atlas_elsewhere import atlas_elsewhere_steps
from napari_medrefine.registration.elsewhere import Overviews
from napari_medrefine.registration.overview import Overview


def placements(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.rglob("*.placement.json")}


def test_a_cluster_that_loses_a_worker_makes_the_same_atlas(made, photos, objectives, client):
    out = photos.parent / "there"
    victim, killed = next(iter(client.run(os.getpid).values())), False
    begun = None
    for step in atlas_steps(photos, out, objectives=objectives, client=client):
        if step.text != "a first look at every field" or killed:
            continue
        begun = step.done if begun is None else begun
        if step.done > begun:  # one field has been looked at
            os.kill(victim, signal.SIGKILL)
            killed = True
    assert killed
    assert placements(out) == placements(made)
    roles = [
        {photo.source: (photo.role, photo.overview) for photo in load_atlas(folder).photos}
        for folder in (out, made)
    ]
    assert roles[0] == roles[1]


def test_what_the_others_agree_on_counts_wherever_one_looks(shots):
    """Of unknown objectives: each look depends on those before it."""
    overviews = [shots[f"{name}.png"].photo.image for name in "kd"]
    fields = [FieldPhoto(lambda name=name: shots[f"{name}.png"].photo.image) for name in "cmx"]
    here = finish(looks([Overview(image) for image in overviews], fields))
    on = Overviews(tuple(lambda image=image: image for image in overviews))
    with ThreadPoolExecutor(2) as executor:
        there = finish(atlas_elsewhere_steps(on, fields, executor))
    assert [entry.overview for entry in there] == [entry.overview for entry in here]
    for a, b in zip(there, here, strict=True):
        assert a.placement.matrix.tolist() == b.placement.matrix.tolist()
        assert a.placement.reason == b.placement.reason


def test_fields_registered_by_a_cluster_from_the_command_line(shots, tmp_path, client, capsys):
    for name in ("k", "c", "q"):
        shot = shots[f"{name}.png"]
        write_image(tmp_path / f"{name}_{shot.photo.objective:g}x.png", shot.photo.image)
    overview, *fields = (str(path) for path in sorted(tmp_path.glob("*.png"), key=_objective))
    asked = ["register", overview, *fields, "-o"]
    assert main([*asked, str(tmp_path / "here")]) == 0
    said = capsys.readouterr().out.replace(str(tmp_path / "here"), str(tmp_path / "there"))
    address = ["--scheduler", client.scheduler.address]
    assert main([*asked, str(tmp_path / "there"), *address]) == 0
    assert capsys.readouterr().out == said
    assert len(placements(tmp_path / "here")) == 2
    assert placements(tmp_path / "there") == placements(tmp_path / "here")


def test_a_photo_that_the_cluster_cannot_place_is_told(tmp_path, shots, client, capsys):
    write_image(tmp_path / "o_4x.png", shots["k.png"].photo.image)
    write_image(tmp_path / "f_40x.png", shots["q.png"].photo.image[:64, :64])
    asked = ["register", str(tmp_path / "o_4x.png"), str(tmp_path / "f_40x.png")]
    assert main([*asked, "-o", str(tmp_path), "--scheduler", client.scheduler.address]) == 1
    assert "at least 24 are needed" in capsys.readouterr().err


def test_the_client_that_is_current_is_used(photos, objectives, client, monkeypatch):
    asked = []
    real = type(client).get_executor
    monkeypatch.setattr(
        type(client), "get_executor", lambda self, **how: (asked.append(self), real(self, **how))[1]
    )
    with client.as_current():
        for which in (None, False):
            job = atlas_steps(photos, photos.parent / "x", objectives=objectives, client=which)
            next(step for step in job if step.text == "a first look at every field")
            job.close()
            assert asked == [client]


def _objective(path: Path) -> float:
    return float(path.stem.rpartition("_")[2][:-1])
