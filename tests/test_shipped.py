"""What is in the wheel and in the source archive: what should be, and nothing else."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LARGEST = 10_000_000  # bytes
WHEEL = re.compile(
    r"napari_medrefine/([a-z_]+/)*[a-z0-9_]+\.py"
    r"|napari_medrefine/(napari\.yaml|py\.typed|(dataset/summary|compare/report)\.html\.jinja"
    r"|compare/tuned\.json)"
    r"|napari_medrefine/superres/weights/((magnify|photo|sharpen)-(faithful|gan)\.safetensors|(photo-)?trust\.json|reductions\.json)"
    r"|napari_medrefine-[\d.]+\.dist-info/(METADATA|WHEEL|RECORD|entry_points\.txt|licenses/(LICENSE|NOTICE))"
)
SDIST = re.compile(
    rf"src/({WHEEL.pattern})"
    r"|tests/([a-z_]+/)*[a-z0-9_]+\.py|docs/([a-z_]+/)*[a-z0-9_-]+\.(md|png|py)"
    r"|benchmarks/([a-z_]+/)*[a-z0-9_]+\.(py|md|json)"
    r"|(README|CHANGELOG|CONTRIBUTING)\.md|LICENSE|NOTICE|bootstrap\.py|tox\.ini"
    r"|constraints(-lowest)?\.txt|pyproject\.toml|PKG-INFO|\.gitignore"
)
# With these, whoever has the archive can set up and test as in a clone.
TOOLS = {"CONTRIBUTING.md", "bootstrap.py", "tox.ini", "constraints.txt", "constraints-lowest.txt"}
NEEDED = {
    "napari_medrefine/napari.yaml",
    "napari_medrefine/py.typed",
    "napari_medrefine/dataset/summary.html.jinja",
    "napari_medrefine/compare/report.html.jinja",
    "napari_medrefine/compare/tuned.json",
    "napari_medrefine/superres/weights/trust.json",
    "napari_medrefine/superres/weights/photo-trust.json",
    "napari_medrefine/superres/weights/reductions.json",
    *(
        f"napari_medrefine/superres/weights/{task}-{kind}.safetensors"
        for task in ("magnify", "photo", "sharpen")
        for kind in ("faithful", "gan")
    ),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip(
            "HATCHLING MISSING: it builds the wheel without the network; pip install hatchling"
        )
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def test_the_wheel_holds_the_package_and_nothing_else(built):
    wheel, _ = built
    assert wheel.stat().st_size < LARGEST
    with zipfile.ZipFile(wheel) as file:
        names = [info.filename for info in file.infolist()]
        size = sum(info.file_size for info in file.infolist())
    assert size < LARGEST
    assert [name for name in names if not WHEEL.fullmatch(name)] == []
    assert set(names) >= NEEDED
    sources = {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src").rglob("*.py")}
    assert sources <= set(names)
    assert {"LICENSE", "NOTICE"} <= {name.rpartition("/")[2] for name in names}


def test_the_source_archive_holds_what_is_needed_and_nothing_else(built):
    _, archive = built
    assert archive.stat().st_size < LARGEST
    with tarfile.open(archive) as file:
        members = [member for member in file.getmembers() if not member.isdir()]
    assert all(member.isreg() for member in members)
    assert sum(member.size for member in members) < 1.2 * LARGEST  # with its tests and pictures
    names = [member.name.partition("/")[2] for member in members]
    assert [name for name in names if not SDIST.fullmatch(name)] == []
    assert {f"src/{name}" for name in NEEDED} | TOOLS <= set(names)


def test_only_files_under_version_control_are_shipped(built):
    listed = subprocess.run(
        ["git", "ls-files", "src"],  # noqa: S607 - whichever git there is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: nothing to compare with")
    with zipfile.ZipFile(built[0]) as file:
        shipped = {f"src/{name}" for name in file.namelist() if ".dist-info/" not in name}
    assert shipped - set(listed.stdout.split()) == set()


def test_every_weight_says_whose_it_is():
    from napari_medrefine.superres import list_models, load_model

    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for name in list_models():
        card = load_model(name).card
        assert card.licence
        assert card.attribution
        assert "10.5281/zenodo.6382734" in card.attribution
    assert "10.5281/zenodo.6382734" in notice
    assert "CC BY 4.0" in notice
    assert "scikit-image" in notice
