"""The rules of the house: who may import whom, and what an import costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
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


def test_everything_but_the_widgets_works_without_a_display() -> None:
    modules = [
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "src").rglob("*.py")
        if "widgets" not in path.parts and path.stem != "__main__"
    ]
    code = (
        "import importlib, sys\n"
        f"for name in {modules}: importlib.import_module(name)\n"
        "assert not {'napari', 'qtpy'} & set(sys.modules)\n"
        "from napari_medrefine.cli import main\n"
        "main(['--help'])"
    )
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "XDG_RUNTIME_DIR")
    bare = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "usage: medrefine" in done.stdout


def test_everything_public_is_there_and_nothing_else() -> None:
    import napari_medrefine

    assert all(hasattr(napari_medrefine, name) for name in napari_medrefine.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = napari_medrefine.nonsense


def other_tools() -> list[str]:
    """Return the checkers, and what mypy reads, that are other versions than we write for."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    wanted = dict(line.split("==") for line in lines if "==" in line)
    names = ("ruff", "mypy", "numpy", "pydantic")
    return [f"{name} {version(name)}" for name in names if version(name) != wanted[name]]


@pytest.mark.skipif(bool(other_tools()), reason=f"NOT THOSE OF constraints.txt: {other_tools()}")
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
