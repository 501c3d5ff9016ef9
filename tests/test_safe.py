"""Nothing in a file is run, nothing is sent or fetched, and everything shipped says whose it is."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "napari_medrefine"
FILES = sorted(SOURCE.rglob("*.py"))
# Modules that read programs out of files, or talk to the network.
BANNED = {
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "yaml",
    "socket",
    "ssl",
    "urllib",
    "http",
    "requests",
    "httpx",
    "aiohttp",
    "ftplib",
    "smtplib",
    "fsspec",
    "huggingface_hub",
    "pooch",
    "telnetlib",
    "xmlrpc",
}


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_no_module_runs_files_or_opens_connections(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.partition(".")[0] for name in names} & BANNED
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {name for name in used if name.startswith("pickle.")} <= {"pickle.UnpicklingError"}
    for call, name in calls(tree):
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert name not in (
            "eval",
            "exec",
            "compile",
            "__import__",
            "os.system",
        )
        assert given.get("allow_pickle", "False") == "False"
        if name in ("np.load", "numpy.load"):
            assert given["allow_pickle"] == "False"
        assert given.get("shell", "False") == "False"
        if name == "torch.load":
            assert given["weights_only"] == "True"
        if name in ("zarr.open", "zarr.open_group", "zarr.open_array"):
            assert "storage_options" not in given


GUARDED = """
import os, sys, tempfile
from pathlib import Path

def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
                 "urllib.Request", "ftplib.connect", "http.client.connect"):
        local = event == "socket.connect" and isinstance(arguments[1], str | bytes)  # a Unix socket
        if not local:
            print("NETWORK", event, arguments, file=sys.stderr, flush=True)
            os._exit(9)

sys.addaudithook(guard)
top = Path(sys.argv[1])
os.chdir(top)
sys.path.insert(0, sys.argv[2])
from fuzzing import records
from fuzzing.photos import photo_files, picture
from fuzzing.slides import write_slides
import numpy as np
import napari_medrefine
from napari_medrefine.cli import main
from napari_medrefine.io.slides import open_slide
from napari_medrefine.io.reader import read_dataset
from napari_medrefine.superres import load_model

for name, content in photo_files().items():
    (top / name).write_bytes(content)
for path in write_slides(top / "slides").values():
    np.asarray(open_slide(path).levels[0])
dataset = records.write_dataset(top / "made")
read_dataset(str(dataset / "medrefine-dataset.json"))
records.write_training(top / "run")
napari_medrefine.magnify(picture(16, 16), 2)
napari_medrefine.sharpen(picture(16, 16))
napari_medrefine.trust_map(picture(16, 16), 2)
napari_medrefine.register(picture(96, 160), picture(60, 64), ratio=2)
assert main(["magnify", "rgb.png", "--scale", "2", "-o", "a.png"]) == 0
assert main(["magnify", "rgb.png", "--scale", "2", "-o", "a.zarr"]) == 0
for url in ("https://127.0.0.1:9/x.png", "http://localhost:9/a.zarr", "s3://bucket/a.zarr",
            "file:///etc/passwd",
            "ftp://localhost/x.tif", "//localhost/share/x.png", "github://a:b@/c.zarr"):
    assert main(["magnify", url, "-o", "b.png"]) == 1
    assert main(["magnify", "rgb.png", "-o", "c.png", "--model", url]) == 1
    for use in (open_slide, load_model, read_dataset, napari_medrefine.Placement.load):
        try:
            use(url)
        except napari_medrefine.MedRefineError:
            continue
        raise SystemExit(f"{use} took {url}")
print("QUIET")
"""


def test_nothing_is_sent_or_fetched(tmp_path):
    """Python's audit hook sees each connection and each name looked up; any of them ends it."""
    helpers = Path(__file__).parent / "fuzz"
    done = subprocess.run(
        [sys.executable, "-c", GUARDED, str(tmp_path), str(helpers)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "QUIET" in done.stdout


def test_no_codec_of_zarr_runs_what_it_reads(tmp_path):
    """numcodecs knows pickle as a codec; a file may name it."""
    import json
    import pickle

    sys.path.insert(0, str(Path(__file__).parent / "fuzz"))
    from fuzzing.slides import write_ome_zarr

    from napari_medrefine.errors import MedRefineError
    from napari_medrefine.io.slides import open_slide

    mark = tmp_path / "was run"

    class Program:
        def __reduce__(self):
            return (open, (str(mark), "w"))

    pickled = {"id": "pickle"}
    for number, change in enumerate(
        (
            {"compressor": pickled},
            {"filters": [pickled], "compressor": None},
            {"filters": [{"id": "delta", "dtype": "|u1"}, pickled]},
            {"dtype": "|O", "filters": [pickled]},
            {"dtype": "|O", "filters": [{"id": "json2"}]},
            {"filters": [{"id": "base64"}]},
        )
    ):
        path = tmp_path / f"{number}.zarr"
        write_ome_zarr(path, "0.4")
        about = json.loads((path / "s0" / ".zarray").read_bytes())
        (path / "s0" / ".zarray").write_text(json.dumps(about | change))
        for chunk in (path / "s0").glob("[0-9]*"):
            chunk.write_bytes(pickle.dumps(Program()))
        with pytest.raises(MedRefineError):
            open_slide(path)
        assert not mark.exists()
