"""An atlas as napari layers, without napari: every slide assembled, its fields in their places.

The slides lie beside each other. Every photo has two levels, so that all of them are shown at once
and each in full resolution where one looks closely: the photo itself, read when it is needed, and a
small copy in memory.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from skimage.transform import resize_local_mean

from napari_medrefine._paths import is_folder, real
from napari_medrefine.atlas.covered import Placed, coverage_of, placed_on, rows_about
from napari_medrefine.atlas.record import Atlas, PhotoRecord, record_path
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.io.folder import lazy_photo
from napari_medrefine.photos import read_header, read_photo
from napari_medrefine.progress import Step
from napari_medrefine.registration import Placement, field_affine

KEY = "medrefine"
SMALLER = 4  # times that the small copy is smaller along a side
GAP = 0.08  # of a slide's side that is left free between two
COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7")  # Okabe and Ito: for every colour vision
DARK = "#000000"
LayerData = tuple[Any, dict[str, Any], str]


def photos_folder(path: str | Path, atlas: Atlas) -> Path:
    """Return the folder of the photos of the atlas at `path`.

    Raises
    ------
    MedRefineError
        If it is gone.
    """
    folder = real(record_path(path)).parent / atlas.folder
    if not is_folder(folder):
        raise MedRefineError(
            f"The photos of this atlas are not in {folder} any more; put them back, or "
            "make the atlas again from where they are."
        )
    return real(folder)


def layers_steps(path: str | Path, atlas: Atlas) -> Generator[Step | LayerData, None, None]:
    """Yield, between the steps of a job, every slide's overview, fields (finest last) and coverage.

    Parameters
    ----------
    path : path
        The atlas's file or folder.
    atlas : Atlas
        What `load_atlas` read from it.

    Raises
    ------
    MedRefineError
        If the photos are gone, or one that was placed cannot be read any more.
    """
    folder, slides = photos_folder(path, atlas), atlas.overviews
    in_microns = all(slide.pixel_um for slide in slides)
    total = sum(1 + len(atlas.fields_of(slide.source)) for slide in slides)
    done = 0
    for slide, corner in zip(slides, _corners(slides, in_microns), strict=True):
        yield Step(done, total, f"reading {slide.source}")
        ground = _ground(slide, corner, in_microns)
        placed = placed_on(path, atlas, slide)
        yield _photo_layer(folder, slide, ground, in_microns)
        for photo, place in placed:
            done += 1
            yield Step(done, total, f"reading {photo.source}")
            yield _field_layer(folder, photo, place, ground, in_microns)
        done += 1
        yield _coverage_layer(slide, placed, ground, in_microns)


def _pixel(photo: PhotoRecord, in_microns: bool) -> float:
    return photo.pixel_um or 1.0 if in_microns else 1.0


def _corners(slides: list[PhotoRecord], in_microns: bool) -> list[tuple[float, float]]:
    """Return where in the world each slide begins: row by row, in a grid about square."""
    across = int(np.ceil(np.sqrt(len(slides))))
    sizes = [np.multiply(s.shape or (1, 1), _pixel(s, in_microns)) for s in slides]
    cell = np.max(sizes, axis=0) + GAP * np.max(sizes)
    return [(float(n // across * cell[0]), float(n % across * cell[1])) for n in range(len(slides))]


def _ground(
    slide: PhotoRecord, corner: tuple[float, float], in_microns: bool
) -> npt.NDArray[np.float64]:
    """Return the 3x3 from the overview's pixels to the world."""
    ground = np.diag([_pixel(slide, in_microns)] * 2 + [1.0])
    ground[:2, 2] = corner
    return ground


def _field_layer(
    folder: Path,
    photo: PhotoRecord,
    place: Placement,
    ground: npt.NDArray[np.float64],
    in_microns: bool,
) -> LayerData:
    own = np.diag([_pixel(photo, in_microns)] * 2 + [1.0])
    data, attributes, kind = _photo_layer(folder, photo, own, in_microns)
    attributes["affine"] = field_affine(ground, place.matrix, own)
    attributes["metadata"][KEY] |= {
        "overview": photo.overview,
        "placement": place,
        "overview_sha256": place.overview_sha256,
        "field_sha256": place.field_sha256,
        "version": place.version,
    }
    return data, attributes, kind


def _photo_layer(
    folder: Path, photo: PhotoRecord, to_world: npt.NDArray[np.float64], in_microns: bool
) -> LayerData:
    path = folder / photo.source
    facts = {
        "photo": photo.source,
        "objective": photo.objective,
        "pixel_um": photo.pixel_um,
        "source": str(path),
        "sha256": photo.sha256,
    }
    small = _small(read_photo(path).image)
    attributes: dict[str, Any] = {
        "name": photo.name,
        "rgb": small.ndim == 3,
        "multiscale": True,
        "scale": tuple(np.diag(to_world)[:2]),
        "translate": tuple(to_world[:2, 2]),
        "units": ("um" if in_microns else "pixel",) * 2,
        "metadata": {KEY: facts},
    }
    return [lazy_photo(read_header(path)), small], attributes, "image"


def _small(image: Image) -> Image:
    """Return an image `SMALLER` times smaller: means over areas, its extent exactly the same."""
    shape = tuple(-(-n // SMALLER) for n in image.shape[:2])
    if image.dtype == np.uint8:
        small = Pillow.fromarray(image).resize(shape[::-1], Pillow.Resampling.BOX)
        return np.asarray(small)
    return np.asarray(resize_local_mean(image, shape, preserve_range=True), image.dtype)


def _coverage_layer(
    slide: PhotoRecord,
    placed: list[Placed],
    ground: npt.NDArray[np.float64],
    in_microns: bool,
) -> LayerData:
    found = coverage_of(slide, placed)
    # What is missing is what one looks for: it has a number, and so a colour, of its own.
    labels = np.where(found.labels == 0, len(found.names) + 1, found.labels).astype(np.uint8)
    rows = rows_about(slide, found)
    colours = [*(COLOURS[n % len(COLOURS)] for n in range(len(found.names))), DARK]
    shift = (found.factor - 1) / 2
    attributes: dict[str, Any] = {
        "name": f"{slide.name} · coverage",
        "scale": tuple(np.diag(ground)[:2] * found.factor),
        "translate": tuple((ground @ [shift, shift, 1.0])[:2]),
        "units": ("um" if in_microns else "pixel",) * 2,
        "opacity": 0.4,
        "visible": False,
        "colormap": {None: "transparent", **dict(enumerate(colours, 1))},
        "features": {
            "index": list(range(len(rows) + 1)),
            "photographed at": ["", *(row["photographed at"] for row in rows)],
            "share of the overview": [0.0, *(row["share"] for row in rows)],
        },
        "metadata": {KEY: {"coverage_of": slide.name, "shares": rows}},
    }
    return labels, attributes, "labels"
