"""The pages: they build without a warning, and show what the package has."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from napari_medrefine.compare.columns import COLUMNS

DOCS = Path(__file__).parents[1] / "docs"
DOCUMENTED = (
    "registration",
    "superres",
    "dataset",
    "compare",
    "atlas",
    "slides",
    "samples",
    "learning",
    "verify",
)


# What the signatures of all that is public name, from other modules.
NEEDED = {
    "compare": ("contenders.filters_for", "rows.Summary"),
    "registration": ("trace.Trace",),
    "superres": (
        "background.BackgroundTraining",
        "events.TrainingConfig",
        "events.TrainingResult",
        "learning_events.LearningConfig",
        "learning_events.LearningResult",
        "recipe.Recipe",
    ),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-E", DOCS, folder]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert done.returncode == 0, done.stderr
    # What other libraries will drop (old numcodecs says so) is no fault of a page.
    assert not [line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line]
    return folder


@pytest.mark.parametrize("name", DOCUMENTED)
def test_all_that_is_public_is_in_the_reference(site, name):
    module = importlib.import_module(f"napari_medrefine.{name}")
    page = (site / "api" / f"{name}.html").read_text(encoding="utf-8")
    public = {name: getattr(module, name) for name in module.__all__}
    wanted = [n for n, each in public.items() if inspect.isclass(each) or inspect.isroutine(each)]
    assert [n for n in wanted if f".{n}" not in page] == []


@pytest.mark.parametrize("name", NEEDED)
def test_what_a_signature_names_is_in_the_reference(site, name):
    page = (site / "api" / f"{name}.html").read_text(encoding="utf-8")
    wanted = [f"napari_medrefine.{name}.{one}" for one in NEEDED[name]]
    assert [one for one in wanted if f'id="{one}"' not in page] == []


def test_every_column_that_evaluate_prints_is_explained():
    page = (DOCS / "measuring.md").read_text(encoding="utf-8")
    table = page.split("## The measures")[1].split("##")[0]
    names = [line[1:].partition("|")[0] for line in table.splitlines()]
    explained = {name.strip() for several in names for name in several.split(",")}
    heads = {column.head.removesuffix(" dB") for column in COLUMNS} - {"method"}
    assert heads <= explained


@pytest.mark.parametrize("page", ["dataset", "learning", "measuring", "training"])
def test_snippets_make_all_that_they_use(page, tmp_path):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    (tmp_path / "snippet.py").write_text("\n".join(blocks), encoding="utf-8")
    check = ["ruff", "check", "--isolated", "--select", "F821", tmp_path]
    done = subprocess.run(
        [sys.executable, "-m", *check], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_glossary_is_in_order_and_says_which_way_a_ratio_goes():
    lines = (DOCS / "glossary.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").split(" | ", 1) for line in lines if line.startswith("| ")][2:]
    words = [word.casefold() for word, _ in rows]
    assert words == sorted(set(words))
    assert "field pixels make one overview pixel" in dict(rows)["ratio"]


def test_every_page_is_reached_from_the_first(site):
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    contents = (site / "index.html").read_text(encoding="utf-8")
    assert [page for page in sorted(pages) if f'href="{page}.html"' not in contents] == []
