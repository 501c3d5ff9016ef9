"""A plain photo as a slide of one level, in memory."""

from __future__ import annotations

from pathlib import Path

from napari_medrefine.images import Image
from napari_medrefine.io.slides._level import Level
from napari_medrefine.io.slides._slide import Slide
from napari_medrefine.photos import read_photo


def open_photo_file(path: Path, kind: str) -> Slide:
    """Read a photo as `napari_medrefine.photos.read_photo` does.

    Parameters
    ----------
    path : Path
        A JPEG, PNG, TIFF or BMP file.
    kind : str
        The format, for provenance.

    Raises
    ------
    MedRefineError
        As `read_photo` does.
    """
    photo = read_photo(path)
    image = photo.image

    def pixels(rows: slice, columns: slice) -> Image:
        return image[rows, columns].copy()  # a view would keep all of it, and could change it

    return Slide(
        path=path,
        name=photo.name,
        kind=kind,
        levels=(Level(path, image.shape, image.dtype, image.shape, pixels),),
        rgb=image.ndim == 3,
        pixel_um=photo.pixel_um,
        objective=photo.objective,
    )
