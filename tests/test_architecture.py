"""The rules of the house: who may import whom, and what an import costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_who_may_import_whom() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "import napari_medrefine",
        "from napari_medrefine import register, Overview, Placement",
        "from napari_medrefine import magnify, sharpen",
        "import napari_medrefine.cli",
        "import napari_medrefine.io.reader",
    ],
)
def test_imports_load_neither_torch_nor_qt_nor_napari(statement: str) -> None:
    code = f"{statement}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(out.stdout)}
    assert not loaded & {"torch", "napari", "qtpy", "magicgui", "PyQt6", "PySide6", "vispy"}


def test_everything_public_is_there_and_nothing_else() -> None:
    import napari_medrefine

    assert all(hasattr(napari_medrefine, name) for name in napari_medrefine.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = napari_medrefine.nonsense


@pytest.mark.parametrize("tool", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]])
def test_code_is_clean(tool: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_manifest_is_valid() -> None:
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution("napari-medrefine")
    manifest.validate_imports()
    assert manifest.display_name
