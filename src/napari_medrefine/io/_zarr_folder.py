"""Which folders a picture may take the place of: a Zarr, or an empty one, and no other."""

from __future__ import annotations

from pathlib import Path

from napari_medrefine._atomic import cannot
from napari_medrefine._paths import is_zarr
from napari_medrefine.errors import MedRefineError


def check_replaceable(path: Path) -> None:
    """Raise a `MedRefineError` where `path` is a folder that somebody may keep other things in.

    Who lets a picture be replaced does not mean whatever else has its name.
    """
    try:
        if path.is_dir() and any(path.iterdir()) and not is_zarr(path):
            raise MedRefineError(
                f"{path} is a folder with something in it, and no Zarr; it is not replaced: move "
                "it away, or choose another name."
            )
    except OSError as error:
        raise MedRefineError(cannot("look into", path, error)) from error
