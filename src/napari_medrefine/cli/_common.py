"""What the commands share: progress in the terminal, output that is never overwritten unasked."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from tqdm import tqdm

from napari_medrefine._cluster import connected
from napari_medrefine._paths import check_no_input, is_file, is_folder
from napari_medrefine._records import first_problem
from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step, finish

T = TypeVar("T")
Settings = TypeVar("Settings", bound=BaseModel)
Commands = Any  # argparse keeps the type of add_subparsers() private


def add_command(
    commands: Commands, name: str, summary: str, examples: str
) -> argparse.ArgumentParser:
    """Add the sub-command `name` with its one-line `summary` and `examples` for its help."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def add_overwrite(
    parser: argparse.ArgumentParser, does: str = "replace what is already there"
) -> None:
    """Add ``--overwrite``; what it `does` goes into the help."""
    parser.add_argument("--overwrite", action="store_true", help=does)


def argument(parse: Callable[[str], T], wanted: str) -> Callable[[str], T]:
    """Return `parse` for argparse; on a `ValueError` the user is told what is `wanted`."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"'{text}' is not {wanted}") from error

    return parsed


def parse_positive(text: str) -> float:
    """Return a number above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def parse_objective(text: str) -> float:
    """Return the number of ``40`` or ``40x``."""
    return parse_positive(text.strip().rstrip("xX×"))


def settings_of(kind: type[Settings], given: Mapping[str, Any]) -> Settings:
    """Return the settings that were `given`; what is None is as usual.

    Raises
    ------
    MedRefineError
        If they are impossible.
    """
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        option, colon, what = first_problem(error).partition(": ")
        said = option.replace("_", "-") + colon + what
        raise MedRefineError(f"These settings are impossible: {said}.") from error


def parse_address(text: str) -> str:
    """Return `text` if it is not empty: an empty variable in a script is not meant as none."""
    if not text.strip():
        raise ValueError(text)
    return text


def add_scheduler(parser: argparse.ArgumentParser, does: str) -> None:
    """Add ``--scheduler``; what the cluster `does` goes into the help."""
    parser.add_argument(
        "--scheduler",
        type=argument(parse_address, "an address, such as tcp://10.0.0.1:8786"),
        metavar="ADDRESS",
        help=f"of a Dask cluster that {does}",
    )


def cluster_of(arguments: argparse.Namespace) -> AbstractContextManager[Any]:
    """Connect to the cluster that ``--scheduler`` names; else False, for none."""
    return connected(arguments.scheduler) if arguments.scheduler else nullcontext(False)


def run_with_progress(job: Generator[Step, None, T], label: str) -> T:
    """Run `job` with a progress bar on standard error (none where that is not a terminal)."""
    with _bar(label) as bar:
        return finish(job, partial(_show, bar))


def items_with_progress(job: Generator[Step | T, None, object], label: str) -> Iterator[T]:
    """Run `job` with a progress bar, and hand on what it yields besides steps."""
    with _bar(label) as bar:
        try:
            for item in job:
                if isinstance(item, Step):
                    _show(bar, item)
                else:
                    yield item
        finally:
            job.close()


def _bar(label: str) -> tqdm:
    return tqdm(desc=label, disable=None, leave=False, file=sys.stderr)


def _show(bar: tqdm, step: Step) -> None:
    bar.total = step.total
    bar.set_postfix_str(step.text, refresh=False)
    bar.update(step.done - bar.n)


def check_free(path: Path, *, overwrite: bool, inputs: Iterable[Path | None] = ()) -> Path:
    """Return `path` if it may be written.

    Raises
    ------
    MedRefineError
        If something is there already and `overwrite` is false, or it is one of the `inputs`.
    """
    check_no_input(path, inputs)
    if path.exists() and not overwrite:
        raise MedRefineError(f"{path} is already there; say --overwrite to replace it.")
    return path


def check_place(path: Path) -> Path:
    """Return `path` if its folder is there: told now, and not once the work is done.

    Raises
    ------
    MedRefineError
        If it is not.
    """
    if not is_folder(path.parent):
        raise MedRefineError(f"The folder {path.parent} does not exist; make it first.")
    return path


def check_folder(path: Path) -> Path:
    """Return `path` if it is a folder or one can be made there, which is not done yet.

    Raises
    ------
    MedRefineError
        If it is a file, or lies in one.
    """
    for there in (path, *path.absolute().parents):
        if is_file(there):
            raise MedRefineError(f"{there} is a file; choose a folder.")
    return path
