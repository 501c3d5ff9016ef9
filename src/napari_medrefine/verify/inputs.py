"""Finding what a result was made from: beside it, or in the folder that is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_medrefine._hashing import sha256_of_file
from napari_medrefine._names import MARK, as_text
from napari_medrefine._paths import is_there, real
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, sha256_of
from napari_medrefine.io.slide_layers import SUFFIXES as SLIDES
from napari_medrefine.photos import SUFFIXES, Photo, read_photo
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
            if name and is_there(inside) and real(inside).is_relative_to(real(place)):
                yield inside
            if MARK in name:  # a name that is no text was noted with marks
                yield from (path for path in sorted(place.iterdir()) if as_text(path.name) == name)

    def photos(self) -> Iterator[Path]:
        """Yield the photos there."""
        return self._ending(SUFFIXES)

    def slides(self) -> Iterator[Path]:
        """Yield the photos and the files of slides there."""
        return self._ending(SUFFIXES | frozenset(SLIDES))

    def _ending(self, suffixes: frozenset[str]) -> Iterator[Path]:
        for place in self.places:
            found = sorted(p for p in place.iterdir() if p.suffix.lower() in suffixes)
            yield from found[:MOST]


def find_file(folders: Folders, name: str, sha256: str | None, report: Report) -> Path | None:
    """Return the file with the bytes that the input `name` had, whatever its name now.

    Without a hash of the bytes the one of that name, of which nothing is said.
    """
    problem = f"The input {name} is not there; say where with --inputs."
    for path in folders.called(name):
        if sha256 is None or not path.is_file():
            return path
        if sha256_of_file(path) == sha256:
            report.confirmed.append(f"The input {path.name} is the file that it was.")
            return path
        problem = f"The input {path.name} is another file than it was."
    for path in folders.slides() if sha256 is not None else ():
        if path.is_file() and _hash(path) == sha256:
            report.confirmed.append(f"The input {name} is there as {path.name}.")
            return path
    report.problems.append(problem)
    return None


def find_photo(
    folders: Folders,
    name: str,
    sha256: str | None,
    report: Report,
    part: Callable[[Image], Image] = lambda image: image,
) -> Photo | None:
    """Return the photo of which `part` has the pixels it had, whatever its name now."""
    problem = f"The input {name or 'photo'} is not there; say where with --inputs."
    for path in folders.called(name):
        photo = read_photo(path)
        if sha256 is None:
            report.remarks.append(not_known(path.name))
            return photo
        if sha256_of(part(photo.image)) == sha256:
            report.confirmed.append(f"The input {path.name} has the pixels that it had.")
            return photo
        problem = f"The input {path.name} has other pixels than it had."
    for path in folders.photos() if sha256 is not None else ():
        other = _read(path)
        if other is not None and sha256_of(part(other.image)) == sha256:
            report.confirmed.append(f"The input {name} is there as {path.name}.")
            return other
    report.problems.append(problem)
    return None


def not_known(name: str) -> str:
    """Return what is to be said of an input of which no hash was noted."""
    return f"No hash of the input {name} was noted: whether it is as it was is not known."


def _read(path: Path) -> Photo | None:
    try:
        return read_photo(path)
    except MedRefineError:
        return None


def _hash(path: Path) -> str | None:
    try:
        return sha256_of_file(path)
    except MedRefineError:
        return None
