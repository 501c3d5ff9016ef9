"""Questions about paths that have an answer for every path, and files that can be read to an end.

Paths may form rings of links, or be longer than names can be; pipes and devices may never end.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from napari_medrefine.errors import MedRefineError

ZARR = ("zarr.json", ".zgroup", ".zattrs", ".zarray")  # one of them lies in every Zarr
MOST = 2**29  # bytes; the list of a million tiles has 400 MB
SMALL = 10_000_000  # bytes of a placement, a transform, a table: they have some thousand


def real(path: Path) -> Path:
    """Return `path` without links on the way; as far as that goes where they form a ring."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:  # a name that cannot be
        return path


def is_file(path: Path) -> bool:
    """Return whether a file is there; none is under a name that cannot be."""
    return _answered(path.is_file)


def is_folder(path: Path) -> bool:
    """Return whether a folder is there; none is under a name that cannot be."""
    return _answered(path.is_dir)


def is_there(path: Path) -> bool:
    """Return whether anything is there; nothing is under a name that cannot be."""
    return _answered(path.exists)


def is_zarr(path: Path) -> bool:
    """Return whether a folder is a Zarr: a picture, or a part of one."""
    return any(is_file(path / marker) for marker in ZARR)


def open_file(path: Path) -> BufferedReader:
    """Open a file for reading its bytes, as photos, slides and weights are.

    Raises
    ------
    OSError
        If it cannot be opened, or is none: a pipe is opened once somebody writes to it, and what
        some devices give never ends.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # the system says what a folder is
        raise OSError(errno.EINVAL, "it is a pipe, a socket or a device, not a file", str(path))
    return path.open("rb")


def read_file(path: Path, most: int = MOST) -> bytes:
    """Return the content of a file that is read whole: a record, a table, a log.

    Raises
    ------
    OSError
        As `open_file`; or if it has more than `most` bytes.
    """
    with open_file(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EINVAL, f"it is too large to be such a file (over {most:,} bytes)")
        return file.read()


def check_no_input(output: Path, inputs: Iterable[Path | None], *, replaced: bool = True) -> None:
    """Raise a `MedRefineError` where writing `output` would destroy or change one of the `inputs`.

    That is where it is the same file or folder, whatever the two are called and whatever links lie
    on the way; where it lies in a Zarr that is the input, or holds it; and, where all of a folder
    is `replaced`, where it lies around the input. None stands for an input that was not given.
    """
    for one in (given for given in inputs if given is not None):
        if _are_same(output, one):
            raise MedRefineError(
                f"{output} is an input too, which is never replaced; choose another output."
            )
        if replaced and real(output) in real(one).parents:
            raise MedRefineError(
                f"The input {one} lies in {output}, which would be replaced; choose another output."
            )
        for around in {real(one), *real(one).parents} & set(real(output).parents):
            if is_zarr(around):
                raise MedRefineError(
                    f"{output} lies in {around}, a picture that is an input, too, and never "
                    "changed; choose another output."
                )


def _are_same(one: Path, other: Path) -> bool:
    with suppress(OSError, ValueError):
        if one.samefile(other):  # on some systems, names that differ in case are one
            return True
    return real(one) == real(other)


def _answered(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except (OSError, ValueError):
        return False
