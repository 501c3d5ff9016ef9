"""A folder of photos into an atlas: the record, a table, and every placement as a file."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from os.path import relpath
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medrefine._atomic import PART, cannot, move, part_beside, sync_folder
from napari_medrefine._cluster import client_for, executor_of
from napari_medrefine._hashing import sha256_of_file
from napari_medrefine._lock import making
from napari_medrefine._names import as_text
from napari_medrefine._paths import is_folder, is_there, real
from napari_medrefine._photos.refusal import NO_ROOM
from napari_medrefine._tables import Cell, write_csv
from napari_medrefine.atlas.covered import COLUMNS, coverage_rows
from napari_medrefine.atlas.record import (
    PLACEMENTS,
    RECORD,
    Atlas,
    PhotoRecord,
    Role,
    load_atlas,
    load_placement,
    save_atlas,
)
from napari_medrefine.atlas.table import COLUMNS as TABLE_COLUMNS
from napari_medrefine.atlas.table import row_of
from napari_medrefine.dataset.sources import find_sources, name_photos
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import PhotoHeader, read_header, read_photo
from napari_medrefine.progress import Step, in_part
from napari_medrefine.registration import Placement
from napari_medrefine.registration.atlas import Entry
from napari_medrefine.registration.box import Arrangement, BoxPhoto, arrange_steps

TABLE, COVERED = "atlas.csv", "coverage.csv"
LOOKED = 0.03  # of the job is done when the files were looked at
OURS = frozenset({RECORD, TABLE, COVERED, PLACEMENTS})


@dataclass(frozen=True, slots=True)
class _File:
    """A photo's file: its path, SHA-256, and header, or why it cannot be read."""

    source: str
    name: str
    path: Path
    sha256: str | None
    header: PhotoHeader | None
    problem: str = ""

    def read(self) -> npt.NDArray[np.generic]:
        try:
            return read_photo(self.path).image
        except MedRefineError as error:
            if str(error).endswith(NO_ROOM):  # of this process, not of the photo: it ends the job
                raise MemoryError from error
            raise


def atlas_steps(
    photos_folder: str | Path,
    output_folder: str | Path,
    *,
    overviews: Iterable[str] | None = None,
    objectives: Mapping[str, float] | None = None,
    overwrite: bool = False,
    client: Any = None,
) -> Generator[Step, None, Atlas]:
    """Put the photos of a folder in order; a job, see `napari_medrefine.progress`.

    Parameters
    ----------
    photos_folder : path
        JPEG, PNG, TIFF and BMP photos, also in sub-folders; nothing in it is changed.
    output_folder : path
        Where the atlas goes; made if missing.
    overviews : iterable of str, optional
        Files (names, or paths inside the folder) that are overviews; else it is found out.
    objectives : mapping of str to float, optional
        Objective by file, for photos whose name and metadata do not say it, or say it wrongly.
    overwrite : bool
        Replace an atlas that is there.
    client : distributed.Client or False, optional
        A Dask cluster whose workers see the photos under the same names, and look for them.
        Default: the client that is current in this process, if there is one; False: none.

    Returns
    -------
    Atlas

    Raises
    ------
    MedRefineError
        If there are no photos, a named file is not among them, none can be an overview, the output
        folder holds something else or cannot be made, or another job is making an atlas there.
    """
    photos, output = Path(photos_folder).absolute(), Path(output_folder)
    _check_free(output, overwrite=overwrite)
    paths = find_sources(photos, output)
    given = _by_source(objectives or {}, paths)
    chosen = None if overviews is None else _by_source(dict.fromkeys(overviews, 0.0), paths)
    with making(output):
        files, records = yield from _looked_for(photos, paths, given, chosen, client)
        _check_still_there(files, records)
        return _write(photos, output, records)


def _looked_for(
    photos: Path,
    paths: Mapping[str, Path],
    given: Mapping[str, float],
    chosen: Mapping[str, float] | None,
    client: Any,
) -> Generator[Step, None, tuple[list[_File], list[tuple[PhotoRecord, Placement | None]]]]:
    """Look at the photos and for them; return their files and a record of each."""
    files = yield from in_part(_look_at_files(paths), 0, LOOKED)
    readable = [file for file in files if file.header is not None]
    box = [_in_box(file, given) for file in readable]
    roots = (
        None if chosen is None else [n for n, file in enumerate(readable) if file.source in chosen]
    )
    if not box:
        raise MedRefineError(f"No photo in {photos} can be read: {files[0].problem}")
    arranging = arrange_steps(box, roots, executor=executor_of(client_for(client)))
    arranged = yield from in_part(arranging, LOOKED, 1)
    return files, _records(files, readable, box, arranged)


def finished_steps(
    photos_folder: str | Path,
    output_folder: str | Path,
    *,
    overviews: Iterable[str] | None = None,
    objectives: Mapping[str, float] | None = None,
) -> Generator[Step, None, Atlas | None]:
    """Return the atlas that the same call of `atlas_steps` has made; None if there is none.

    Of the same photos, byte for byte, with the same objectives and the overviews that are named.
    """
    photos, output = Path(photos_folder).absolute(), Path(output_folder)
    if not (output / RECORD).exists():
        return None
    atlas = load_atlas(output)
    paths = find_sources(photos, output)
    given = _by_source(objectives or {}, paths)
    chosen = None if overviews is None else set(_by_source(dict.fromkeys(overviews, 0.0), paths))
    files = yield from _look_at_files(paths)
    now = {
        file.source: (file.sha256, _in_box(file, given).objective if file.header else None)
        for file in files
    }
    then = {photo.source: (photo.sha256, photo.objective) for photo in atlas.photos}
    same = now == then and real(output / atlas.folder) == real(photos)
    return atlas if same and chosen in (None, {one.source for one in atlas.overviews}) else None


def looked_at_steps(
    paths: Mapping[str, Path], atlas: Atlas
) -> Generator[Step, None, dict[str, PhotoRecord]]:
    """Return what the records of an atlas would say of their photos' files today; a job.

    Parameters
    ----------
    paths : mapping of str to Path
        The photos that are there, by source.
    atlas : Atlas
        Whose photos are looked at; those that are gone are left out.

    Returns
    -------
    dict of str to PhotoRecord
        By source; what no file says, such as the role, is as in the atlas.
    """
    names = name_photos(photo.source for photo in atlas.photos)
    there = {photo.source: photo for photo in atlas.photos if photo.source in paths}
    files = yield from _look_at_files({source: paths[source] for source in there})
    now = {}
    for file in files:
        photo = there[file.source]
        box = None if file.header is None else _in_box(file, {})
        record = _record(file, box, photo.role, photo.reason)
        kept = {"overview": photo.overview, "placement": photo.placement}
        now[file.source] = record.model_copy(update={"name": names[file.source], **kept})
    return now


def rows_of(path: str | Path, atlas: Atlas) -> list[dict[str, Cell]]:
    """Return the table of the atlas at `path`, a row for every photo."""
    return [row_of(photo, load_placement(path, photo)) for photo in atlas.photos]


def _check_free(output: Path, *, overwrite: bool) -> None:
    if is_there(output) and not is_folder(output):
        raise MedRefineError(f"{output} is a file; choose a folder for the atlas.")
    there = {path.name for path in output.iterdir()} if is_folder(output) else set()
    others = {name for name in there if not name.startswith(".")} - OURS
    if (others or RECORD in there) and not overwrite:
        raise MedRefineError(
            f"{output} is not empty; choose another folder, or say that an atlas there may be "
            "replaced."
        )


def _check_still_there(
    files: list[_File], records: list[tuple[PhotoRecord, Placement | None]]
) -> None:
    """Refuse to write an atlas that lacks photos only since they were not to be had for a while."""
    paths = {file.source: file.path for file in files}
    for record, _ in records:
        if record.role == "unreadable" and not paths[record.source].exists():
            raise MedRefineError(
                f"The photo {paths[record.source]} is not there any more; bring it back, or take "
                "it out for good, and start again."
            )
        if record.role == "unreadable" and record.reason.endswith(NO_ROOM):
            raise MedRefineError(
                f"{record.reason.rstrip('.')}; close other programs, or take it "
                "out of the folder, and start again."
            )


def _by_source(named: Mapping[str, float], paths: Mapping[str, Path]) -> dict[str, float]:
    """Return `named` by path inside the folder.

    Files may be named without their sub-folder, or by the path that leads to them from here, as a
    shell completes it.

    Raises
    ------
    MedRefineError
        If there is no such file, or several.
    """
    found = {}
    places = {real(path): source for source, path in paths.items()}
    for name, value in named.items():
        plain = name.replace("\\", "/")
        same = [s for s in paths if plain in (s, PurePosixPath(s).name, PurePosixPath(s).stem)]
        typed = places.get(real(Path(name)))
        same = [plain] if plain in paths else same if typed is None else [typed]
        if len(same) != 1:
            many = f"several ({', '.join(same[:3])})" if same else "none"
            raise MedRefineError(f"There should be one photo called {name}, there are {many}.")
        found[same[0]] = value
    return found


def _look_at_files(paths: Mapping[str, Path]) -> Generator[Step, None, list[_File]]:
    files, names = [], name_photos(paths)
    for number, (source, path) in enumerate(paths.items()):
        yield Step(number, len(paths), f"looking at {source}")
        try:
            files.append(
                _File(source, names[source], path, sha256_of_file(path), read_header(path))
            )
        except (MedRefineError, OSError) as error:
            files.append(_File(source, names[source], path, None, None, str(error)))
    return files


def _in_box(file: _File, objectives: Mapping[str, float]) -> BoxPhoto:
    header = file.header
    said = header.objective if header is not None else None
    pixel_um = header.pixel_um if header is not None else None
    return BoxPhoto(file.read, objectives.get(file.source, said), pixel_um)


def _records(
    files: list[_File], readable: list[_File], box: list[BoxPhoto], arranged: Arrangement
) -> list[tuple[PhotoRecord, Placement | None]]:
    """Return a record, and a placement if there is one, for every file."""
    sources = [file.source for file in readable]
    numbers = {source: number for number, source in enumerate(sources)}
    records = []
    for file in files:
        number = numbers.get(file.source)
        entry = None if number is None else arranged.entries.get(number)
        if number is None:
            record = _record(file, None, "unreadable", file.problem)
        elif entry is None:
            record = _record(file, box[number], "overview", "")
        else:
            record = _record_of(file, box[number], entry, sources)
        records.append((record, entry.placement if entry is not None else None))
    return records


def _record_of(file: _File, photo: BoxPhoto, entry: Entry, sources: list[str]) -> PhotoRecord:
    """Return the record of a photo that was looked for."""
    place = entry.placement
    role: Role = "field" if entry.overview is not None else "refused"
    if entry.problem.startswith("Cannot read"):
        role = "unreadable"  # its header could be read, and its pixels could not
    on = entry.guess if entry.overview is None else entry.overview
    record = _record(file, photo, role, entry.problem if place is None else place.reason)
    return record.model_copy(
        update={
            "overview": None if on is None or place is None else sources[on],
            "placement": f"{PLACEMENTS}/{file.name}.placement.json" if place is not None else None,
        }
    )


def _record(file: _File, photo: BoxPhoto | None, role: Role, reason: str) -> PhotoRecord:
    header = file.header
    return PhotoRecord(
        source=file.source,
        name=file.name,
        sha256=file.sha256,
        shape=None if header is None else (header.shape[0], header.shape[1]),
        objective=None if photo is None else photo.objective,
        pixel_um=None if photo is None else photo.pixel_um,
        role=role,
        reason=reason,
    )


def _write(
    photos: Path, output: Path, records: list[tuple[PhotoRecord, Placement | None]]
) -> Atlas:
    """Write the placements, the tables, and last the record; take away what was there before.

    All is written and on the disk before anything of an atlas that was there is touched.
    """
    atlas = Atlas(
        software=f"napari-medrefine {version('napari-medrefine')}",
        folder=as_text(_relative(photos, output)),
        photos=tuple(record for record, _ in records),
    )
    before = _placements_of(output)
    part = part_beside(output / RECORD)
    try:
        output.mkdir(parents=True, exist_ok=True)
        for dead in output.glob(f"{PART}*.part"):  # of a job that was killed
            if (dead / PLACEMENTS).is_dir():
                shutil.rmtree(dead)
        (part / PLACEMENTS).mkdir(parents=True)
        for record, place in records:
            if place is not None and record.placement is not None:
                named = replace(
                    place, field_name=record.source, overview_name=record.overview or ""
                )
                named.save(part / record.placement)
        write_csv(part / TABLE, [row_of(*one) for one in records], tuple(TABLE_COLUMNS))
        write_csv(part / COVERED, coverage_rows(part, atlas), COLUMNS)
        save_atlas(part, atlas)
        _take_over(part, output)
    except OSError as error:
        raise MedRefineError(cannot("write into", output, error)) from error
    except MedRefineError as error:  # of a name that is nobody's business
        raise MedRefineError(str(error).replace(str(part), str(output))) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for stale in before - {record.placement for record, _ in records}:
        with suppress(OSError):
            (output / stale).unlink(missing_ok=True)
    return atlas


def _take_over(part: Path, output: Path) -> None:
    """Move what is in `part` to where it belongs, the record last; without it there is no atlas."""
    (output / RECORD).unlink(missing_ok=True)
    (output / PLACEMENTS).mkdir(exist_ok=True)
    files = [path.relative_to(part) for path in part.rglob("*") if path.is_file()]
    for file in sorted(files, key=lambda file: file == Path(RECORD)):
        move(part / file, output / file)
    sync_folder(output / PLACEMENTS)
    sync_folder(output)


def _placements_of(output: Path) -> set[str]:
    """Return the placements' files of an earlier atlas in `output`."""
    with suppress(MedRefineError):
        return {photo.placement for photo in load_atlas(output).photos if photo.placement}
    return set()


def _relative(photos: Path, output: Path) -> str:
    """Return the folder of photos relative to the atlas; as it is where that cannot be."""
    with suppress(ValueError):  # another drive
        return Path(relpath(photos.resolve(), output.resolve())).as_posix()
    return photos.resolve().as_posix()
