"""How much memory a reading takes at its peak, measured in a process of its own (Linux)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CODE = """
import json, sys
from pathlib import Path
import numpy as np
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import read_photo
from napari_medrefine.io.slides import open_slide

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) * 1024 for x in lines if x.startswith(name + ":"))

def photo(path):
    return [read_photo(path).image]

def slide(path):
    with open_slide(path) as opened:
        return [np.asarray(level[:64, :64]) for level in opened.levels]

use = {"photo": photo, "slide": slide}[sys.argv[1]]
told = []
for path in sys.argv[2:]:
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts anew
    try:
        decoded, sentence = sum(image.nbytes for image in use(path)), None
    except MedRefineError as error:
        decoded, sentence = 0, str(error)
    told.append((status("VmHWM") - before, decoded, sentence))
print(json.dumps(told[1:]))
"""


def peaks(how: str, small: Path, *paths: Path) -> list[tuple[int, int, str | None]]:
    """Return for each file the peak in bytes, the decoded bytes, and the sentence if refused.

    `small` is read first, so that imports do not count.
    """
    done = subprocess.run(
        [sys.executable, "-c", CODE, how, str(small), *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return [tuple(one) for one in json.loads(done.stdout)]
