"""The formats by name, and which one a file's name means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration import placement_file
from napari_medrefine.registration.exchange import itk, napari_layer, qupath
from napari_medrefine.registration.exchange.sides import UNKNOWN, Side, Sides
from napari_medrefine.registration.exchange.table import write_table
from napari_medrefine.registration.placement import Placement


@dataclass(frozen=True)
class Format:
    """A format: what it is called, how its files are named, how it is written and read.

    `write` returns a sentence that says what the file cannot hold, or nothing.
    """

    name: str
    title: str
    ending: str
    write: Callable[[Path, Placement, Sides], str]
    read: Callable[[Path, Sides], Placement] | None


def _write_own(path: Path, placement: Placement, _: Sides) -> str:
    placement_file.write(path, placement)
    return ""


def _read_own(path: Path, _: Sides) -> Placement:
    return placement_file.read(path)


def _write_row(path: Path, placement: Placement, sides: Sides) -> str:
    write_table(path, [(placement, sides)])
    return ""


# Longer endings first: the name decides.
FORMATS = {
    one.name: one
    for one in (
        Format("qupath", "QuPath, text for Interactive image alignment", ".qupath.txt",
               qupath.write_text, qupath.read_pasted),
        Format("qupath-json", "QuPath, JSON for scripts", ".qupath.json",
               qupath.write_json, qupath.read_transform),
        Format("napari", "napari's clipboard", ".napari.json",
               napari_layer.write, napari_layer.read),
        Format("itk", "ITK, SimpleITK, 3D Slicer", ".tfm", itk.write, itk.read),
        Format("csv", "Table of all", ".csv", _write_row, None),
        Format("medrefine", "MedRefine", ".json", _write_own, _read_own),
    )
}  # fmt: skip


def format_of(path: str | Path, name: str | None = None) -> Format:
    """Return the format called `name`, or else the one that a file is named after.

    Raises
    ------
    MedRefineError
        If there is none.
    """
    if name is not None:
        if name not in FORMATS:
            raise MedRefineError(f"There is no format {name}; there are {', '.join(FORMATS)}.")
        return FORMATS[name]
    file = Path(path).name.lower()
    found = next((one for one in FORMATS.values() if file.endswith(one.ending)), None)
    if found is None:
        endings = ", ".join(one.ending for one in FORMATS.values())
        raise MedRefineError(
            f"The name {Path(path).name} tells no format; let it end in {endings}."
        )
    return found


def write_placement(
    path: str | Path,
    placement: Placement,
    format: str | None = None,  # noqa: A002 - what users of other libraries expect
    *,
    field: Side = UNKNOWN,
    overview: Side = UNKNOWN,
) -> str:
    """Write a placement in another program's terms.

    Parameters
    ----------
    path : str or Path
        The file to write, replaced if it is there.
    placement : Placement
        Where the field lies.
    format : str, optional
        One of `FORMATS`; default: what the file's name ends in.
    field, overview : Side
        Pixel sizes (without both, ITK and napari get pixels for lengths), and names for the table.

    Returns
    -------
    str
        What the format cannot hold, in one sentence with its size; empty where nothing is lost.

    Raises
    ------
    MedRefineError
        If there is no such format, or the file cannot be written.
    """
    return format_of(path, format).write(Path(path), placement, Sides(field, overview))


def read_placement(
    path: str | Path,
    format: str | None = None,  # noqa: A002
    *,
    field: Side = UNKNOWN,
    overview: Side = UNKNOWN,
) -> Placement:
    """Read a placement that another program wrote, or we did for it.

    Parameters
    ----------
    path : str or Path
        The file.
    format : str, optional
        One of `FORMATS`; default: what the file's name ends in.
    field, overview : Side
        Shapes, where the file does not say them; pixel sizes, where it is in millimetres or
        micrometres. What we wrote into the file ourselves counts before these.

    Raises
    ------
    MedRefineError
        If the file is missing, damaged, or holds no affine transform in 2-D.
    """
    chosen = format_of(path, format)
    if chosen.read is None:
        raise MedRefineError(f"{path} is a table; placements are read from one file each.")
    return chosen.read(Path(path), Sides(field, overview))
