"""The one judgement of every fuzz test: a result, or one clear sentence; and nothing else."""

from __future__ import annotations

import hashlib
import io
import signal
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import napari_medrefine.superres.models  # noqa: F401 - judged is the work, not torch's import
from napari_medrefine.cli import main
from napari_medrefine.errors import MedRefineError

SECONDS = 5.0  # of the processor: a busy machine makes nothing a hang
WAITING = 60.0  # seconds on the clock: for what waits and computes nothing
LONGEST = 1500  # letters of a sentence, without the path it names
# What a library or Python says, and no user should read.
_FOREIGN = (
    "Traceback",
    " object at 0x",
    "<class '",
    "[Errno",
    "NoneType",
    "pydantic",
    "For further information",
    "Expecting value: line",
    "\n",
    "\r",
    "object is not",
    "has no attribute",
    "unexpected keyword",
    "positional argument",
    "to unpack",
    "subscriptable",
    "index out of range",
    "codec can't",
    "invalid literal",
    "not supported between",
    "unhashable",
    "iterable",
)

CASES: Counter[str] = Counter()  # how many cases were judged, by what was called


@dataclass(frozen=True)
class Verdict:
    """What came of a call: its result, or the sentence of the refusal."""

    value: Any = None
    sentence: str | None = None

    @property
    def refused(self) -> bool:
        return self.sentence is not None


class Hang(BaseException):
    """Not an Exception: nothing under test shall take it for a damaged file."""


def judge(call: Callable[[], Any], *inputs: Path, kind: str, named: Path | None = None) -> Verdict:
    """Call, and fail on anything but a result or a `MedRefineError` with one clear sentence.

    Parameters
    ----------
    call : callable
        What is tested.
    *inputs : Path
        Files and folders that must be the same afterwards.
    kind : str
        For the count.
    named : Path, optional
        What the sentence must name; by default the last of `inputs`, if there is any. Of a folder
        it may name a file inside.
    """
    CASES[kind] += 1
    before = [_fingerprint(path) for path in inputs]
    verdict = _call(call)
    assert [_fingerprint(path) for path in inputs] == before, "an input file was changed"
    if verdict.sentence is not None:
        check_sentence(verdict.sentence, named or (inputs[-1] if inputs else None))
    return verdict


def judge_command(argv: list[str], *inputs: Path, named: Path | None = None) -> Verdict:
    """Run the command line; its value is the exit status, its sentence what stderr says.

    Exit 0 or 3 (a field was refused) is a result; 1 needs one sentence; 2 is argparse's, which
    tells the usage and one line.
    """
    CASES[f"command {argv[0] if argv else ''}"] += 1
    before = [_fingerprint(path) for path in inputs]
    out, err = io.StringIO(), io.StringIO()

    def run() -> object:
        with redirect_stdout(out), redirect_stderr(err):
            try:
                return main(argv)
            except SystemExit as stop:
                return stop.code

    status = _call(run).value
    assert [_fingerprint(path) for path in inputs] == before, "an input file was changed"
    said = err.getvalue()
    assert "Traceback" not in said + out.getvalue()
    assert status in (0, 1, 2, 3), f"exit status {status}"
    if status == 1:
        lines = said.strip().splitlines()
        told = [line for line in lines if line.startswith("medrefine: ")]
        # `register` goes on with the other photos: a sentence for each that it leaves out.
        several = all(" is left out: " in line for line in told)
        assert len(told) == 1 or (told and several), f"not one sentence: {said!r}"
        for sentence in told:
            check_sentence(sentence.removeprefix("medrefine: "), named)
        return Verdict(status, told[0])
    if status == 2:
        assert ": error: " in said.strip().splitlines()[-1], said
    return Verdict(status)


def check_sentence(sentence: str, named: Path | None = None) -> None:
    """Fail unless `sentence` is one line for people, ends with a full stop and names the file."""
    assert sentence.endswith("."), f"no full stop: {sentence!r}"
    assert not sentence.endswith(".."), f"two full stops: {sentence!r}"
    assert len(sentence) < LONGEST + (len(str(named)) if named else 0), f"{len(sentence)} letters"
    for word in _FOREIGN:
        assert word not in sentence, f"{word!r} in {sentence!r}"
    if named is not None:
        assert any(name in sentence for name in _names(named)), f"{named.name} not in {sentence!r}"


def _names(path: Path) -> Iterator[str]:
    yield path.name
    if path.is_dir():
        yield from (inner.name for inner in path.rglob("*"))


def _call(call: Callable[[], Any]) -> Verdict:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with _time_limit():
            try:
                verdict = Verdict(call())
            except (MedRefineError, *_napari_errors()) as error:
                verdict = Verdict(sentence=str(error))
    for warning in told:
        _check_warning(warning)
    return verdict


def _napari_errors() -> tuple[type[Exception], ...]:
    from napari_medrefine.io.writer import SavingError

    return (SavingError,)


def _check_warning(warning: warnings.WarningMessage) -> None:
    """Fail where NumPy or Python complains of our own code; our own warnings are sentences."""
    if "napari_medrefine" not in Path(warning.filename).parts:
        return
    assert issubclass(warning.category, UserWarning), f"{warning.filename}: {warning.message}"
    check_sentence(str(warning.message))


@contextmanager
def _time_limit() -> Iterator[None]:
    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise Hang(f"more than {SECONDS if number == signal.SIGPROF else WAITING} s")

    old = {number: signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WAITING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in old.items():
            signal.signal(number, handler)


def _fingerprint(path: Path) -> dict[str, str]:
    """Return what is at `path`, by name: contents of files, aims of links."""
    if path.is_dir() and not path.is_symlink():
        return {str(p.relative_to(path)): _of_file(p) for p in sorted(path.rglob("*"))}
    return {"": _of_file(path)}


def _of_file(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    if not path.is_file():
        return "folder" if path.is_dir() else "nothing"
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except PermissionError:
        return "locked"
