"""What a pyramid that we wrote says of where it comes from."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import tifffile
import zarr

from napari_medrefine._paths import open_file
from napari_medrefine.io.ome_zarr_attributes import FACTS_KEY

_DESCRIPTION = re.compile(r"<Description>(.*?)</Description>", re.DOTALL)


def facts_of(path: str | Path) -> dict[str, Any] | None:
    """Return the `facts` that `write_ome_zarr` or `write_ome_tiff` were given; None if none are.

    Also if the file cannot be read, or somebody else wrote it.
    """
    path = Path(path)
    try:
        facts = _of_zarr(path) if path.is_dir() else _of_tiff(path)
    except (OSError, ValueError, KeyError, tifffile.TiffFileError):
        return None
    return facts if isinstance(facts, dict) else None


def _of_zarr(path: Path) -> Any:
    return zarr.open_group(path, mode="r").attrs.get(FACTS_KEY)


def _of_tiff(path: Path) -> Any:
    with open_file(path) as file, tifffile.TiffFile(file) as tiff:
        found = _DESCRIPTION.search(tiff.ome_metadata or "")
    return json.loads(html.unescape(found[1])) if found else None
