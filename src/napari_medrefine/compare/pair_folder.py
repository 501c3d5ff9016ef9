"""A folder of pairs: ``input/`` and ``sharp/``, the same file names in both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_medrefine._resample import area_mean
from napari_medrefine.compare.filters import Floats
from napari_medrefine.compare.protocols import Protocol
from napari_medrefine.dataset.split import slide_of
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.photos import find_photos

INPUT, SHARP = "input", "sharp"


@dataclass(frozen=True, slots=True)
class PairFiles:
    """Two files that show the same, and the slide they are of."""

    name: str
    slide: str
    given: Path
    sharp: Path


def is_pair_folder(folder: Path) -> bool:
    """Return whether a folder is laid out as pairs."""
    return (folder / INPUT).is_dir() and (folder / SHARP).is_dir()


def find_pairs(folder: Path) -> list[PairFiles]:
    """Return the pairs of a folder, by name.

    ``input/a.png`` belongs to ``sharp/a.tif``: the same name, whatever the suffix. Which slide they
    are of is told as in a dataset: ``input/slide1/a.png`` and ``sharp/slide1_40x_1.png`` are of
    slide1. A pair that says none counts as a slide of its own.

    Raises
    ------
    MedRefineError
        If there are none, a partner is missing, or a name is there twice.
    """
    sides = [_by_name(folder / side) for side in (INPUT, SHARP)]
    for k, (side, other) in enumerate(((INPUT, SHARP), (SHARP, INPUT))):
        lonely = sorted(sides[k].keys() - sides[1 - k].keys())
        if lonely:
            raise MedRefineError(
                f"{folder / side} holds {lonely[0]}, {folder / other} does not: every image needs "
                "its partner, of the same name."
            )
    if not sides[0]:
        raise MedRefineError(f"There are no pairs in {folder}: put images into input/ and sharp/.")
    return [
        PairFiles(name, slide_of(f"{name}{sharp.suffix}"), sides[0][name], sharp)
        for name, sharp in sorted(sides[1].items())
    ]


def pair_protocol(given: Image, sharp: Image) -> Protocol:
    """Return the protocol of pairs as large as these: the scale is that of their sizes.

    Raises
    ------
    MedRefineError
        If the two have no common scale of 1 or more, to within a pixel.
    """
    scale = sharp.shape[0] / given.shape[0]
    if scale < 1 or abs(given.shape[1] * scale - sharp.shape[1]) > 1:
        raise MedRefineError(
            f"An input of {given.shape[:2]} pixels does not belong to a sharp image of "
            f"{sharp.shape[:2]}: rows and columns must have one ratio, of 1 or more."
        )

    def reduce(unit: Floats) -> Floats:
        shape = (round(unit.shape[0] / scale), round(unit.shape[1] / scale))
        return area_mean(unit, shape)

    note = "Input and sharp image are pairs, taken as they are, pixel on pixel."
    return Protocol(f"pairs x{scale:.4g}", scale, reduce, 1, note)


def _by_name(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in find_photos(folder, recursive=True):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise MedRefineError(f"{folder} holds {name} twice, with different suffixes.")
        found[name] = path
    return found
