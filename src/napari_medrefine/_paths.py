"""Questions about paths that have an answer for every path: rings of links, endless names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from napari_medrefine.errors import MedRefineError


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


def check_no_input(output: Path, inputs: Iterable[Path | None], *, replaced: bool = True) -> None:
    """Raise a `MedRefineError` where writing `output` would destroy one of the `inputs`.

    That is where it is the same file or folder, whatever the two are called and whatever links lie
    on the way; and, where all of a folder is `replaced`, where it lies around the input. None
    stands for an input that was not given.
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
