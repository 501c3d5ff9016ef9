"""Finding what a result was made from: beside it, or in the folder that is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_medrefine._hashing import sha256_of_file
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, sha256_of
from napari_medrefine.photos import SUFFIXES, read_photo
from napari_medrefine.verify.report import Report

MOST = 200  # files that are looked through for one that was renamed


@dataclass(frozen=True)
class Folders:
    """Where inputs may lie.

    Attributes
    ----------
    places : tuple of Path
        Folders, looked into in this order.
    """

    places: tuple[Path, ...]

    @classmethod
    def near(cls, path: Path, inputs: Path | None) -> Folders:
        """Return the folder of `path`, after the one that was named.

        Raises
        ------
        MedRefineError
            If that is none.
        """
        if inputs is not None and not inputs.is_dir():
            raise MedRefineError(f"The folder of inputs, {inputs}, is not there.")
        named = [] if inputs is None else [inputs]
        return cls((*named, path.absolute().parent))

    def called(self, name: str) -> Iterator[Path]:
        """Yield what has this name, or stands where it says inside a folder."""
        for place in self.places:
            inside = place / name
            if name and inside.resolve().is_relative_to(place.resolve()) and inside.exists():
                yield inside

    def photos(self) -> Iterator[Path]:
        """Yield the photos there."""
        for place in self.places:
            found = sorted(p for p in place.iterdir() if p.suffix.lower() in SUFFIXES)
            yield from found[:MOST]


def find_file(folders: Folders, name: str, sha256: str | None, report: Report) -> Path | None:
    """Return the input called `name` if its bytes are as they were; report what is so."""
    found = next(folders.called(name), None)
    if found is None:
        report.problems.append(f"The input {name} is not there; say where with --inputs.")
        return None
    if sha256 is not None and found.is_file():
        if sha256_of_file(found) != sha256:
            report.problems.append(f"The input {found.name} is another file than it was.")
            return None
        report.confirmed.append(f"The input {found.name} is the file that it was.")
    return found


def find_photo(
    folders: Folders,
    name: str,
    sha256: str | None,
    report: Report,
    part: Callable[[Image], Image] = lambda image: image,
) -> Image | None:
    """Return the photo of which `part` has the pixels it had, whatever its name now."""
    problem = f"The input {name or 'photo'} is not there; say where with --inputs."
    for path in folders.called(name):
        image = read_photo(path).image
        if sha256 is None or sha256_of(part(image)) == sha256:
            report.confirmed.append(f"The input {path.name} has the pixels that it had.")
            return image
        problem = f"The input {path.name} has other pixels than it had."
    for path in folders.photos() if sha256 is not None else ():
        other = _read(path)
        if other is not None and sha256_of(part(other)) == sha256:
            report.confirmed.append(f"The input {name} is there as {path.name}.")
            return other
    report.problems.append(problem)
    return None


def _read(path: Path) -> Image | None:
    try:
        return read_photo(path).image
    except MedRefineError:
        return None
