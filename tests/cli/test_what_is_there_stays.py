"""No command destroys what is there: other people's folders, its own inputs, earlier results."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medrefine.cli import main
from napari_medrefine.photos import write_image
from napari_medrefine.registration import Placement


@pytest.fixture
def folder(tmp_path, tissue):
    """A small photo, and a placement of it on another."""
    write_image(tmp_path / "in.png", tissue(40, 40))
    write_image(tmp_path / "s_4x.png", tissue(60, 80, 1))
    Placement(
        np.diag([0.1, 0.1, 1.0]), (40, 40), (60, 80), True, "fits", 0.8,
        field_name="in.png", overview_name="s_4x.png",
    ).save(tmp_path / "in.placement.json")  # fmt: skip
    return tmp_path


def words_for(command, folder, target):
    words = {
        "magnify": ["magnify", folder / "in.png", "--scale", "0.5"],
        "export": ["export", folder / "in.placement.json", "--photos", folder],
    }[command]
    return [*map(str, words), "-o", str(target), "--overwrite"]


@pytest.mark.parametrize("command", ["magnify", "export"])
def test_overwrite_replaces_a_zarr_and_no_other_folder(command, folder, capsys):
    target = folder / "u.ome.zarr"
    target.mkdir()
    assert main(words_for(command, folder, target)) == 0  # an empty one is nobody's
    assert main(words_for(command, folder, target)) == 0  # and this is a Zarr now
    capsys.readouterr()
    other = folder / "mine.ome.zarr"
    other.mkdir()
    (other / "notes.txt").write_text("x")
    assert main(words_for(command, folder, other)) == 1
    said = capsys.readouterr().err
    assert "mine.ome.zarr" in said
    assert "no Zarr" in said
    assert (other / "notes.txt").read_text() == "x"
    # What a killed process may have left beside goes, but not a folder that only has that name.
    beside = folder / "u.ome.zarr.replaced"
    beside.mkdir()
    (beside / "notes.txt").write_text("y")
    assert main(words_for(command, folder, target)) == 1
    assert (beside / "notes.txt").read_text() == "y"
