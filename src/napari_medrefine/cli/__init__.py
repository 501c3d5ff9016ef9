"""The `medrefine` command: every job of the plugin, without a screen."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from napari_medrefine import __version__
from napari_medrefine._atomic import cannot
from napari_medrefine.cli._stopping import Terminated, heeding_sigterm, status_of
from napari_medrefine.errors import NO_MEMORY, MedRefineError, is_out_of_memory

DESCRIPTION = """\
Put every microscope photo where it belongs on the slide, and see what lies between the photos.
For research, not for diagnosis."""

EXIT_CODES = """\
exit status:
  0    done
  1    the input cannot be used; one sentence says why
  2    the command line itself is wrong
  3    register: at least one photo was refused (its place is not on that overview);
       learn: it did not help enough, and no weights were kept
  4    verify: something differs
  130  stopped with Ctrl-C; nothing half-written is left behind
  143  ended with SIGTERM; likewise"""

NO_READER = (
    "Stopped, since the program that read what is printed here has ended; what was written before "
    "that stays."
)
NO_FOLDER = (
    "The folder that this was started in is not there any more; go to another one, and start again."
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    # Here: they take their time, in which Ctrl-C is to be one sentence, too.
    from napari_medrefine.cli import (
        atlas,
        demo,
        evaluate,
        export,
        export_model,
        import_placements,
        learn,
        magnify,
        prepare,
        register,
        train,
        verify,
    )

    parser = argparse.ArgumentParser(
        prog="medrefine",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"medrefine {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (
        demo, register, export, import_placements, atlas, magnify, prepare, train, learn, evaluate,
        export_model, verify,
    ):  # fmt: skip
        command.add_to(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return the exit status."""
    _open_what_was_closed()
    _print_any_name()
    with heeding_sigterm():
        return _run(argv)


def _open_what_was_closed() -> None:
    """Open standard streams that whoever started us has closed: Python has None in their place.

    A file of ours would get their number else, and be written into by libraries that print there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - until we end
            setattr(sys, name, stream)


def _print_any_name() -> None:
    """Have what the terminal's encoding lacks printed escaped: Python does so for errors only."""
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = build_parser().parse_args(argv)
        status: int = arguments.run(arguments)
        sys.stdout.flush()  # now, where it can be told that nobody reads it
    except MedRefineError as error:
        print(f"medrefine: {_how(str(error))}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        _print_nowhere()
        print(f"medrefine: {NO_READER}", file=sys.stderr)
        return 1
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        if is_out_of_memory(error):
            print(f"medrefine: {NO_MEMORY}", file=sys.stderr)
        elif isinstance(error, OSError):
            print(f"medrefine: {_sentence(error)}", file=sys.stderr)
        else:
            raise
        return 1
    except KeyboardInterrupt as stop:
        print("medrefine: stopped", file=sys.stderr)
        return status_of(signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)
    return status


def _how(sentence: str) -> str:
    """Return a sentence that asks the user to say something with how it is said here."""
    return sentence.replace("may be replaced.", "may be replaced (--overwrite).")


def _sentence(error: OSError) -> str:
    if isinstance(error.filename, str):
        return cannot("use", Path(error.filename), error)
    if isinstance(error, FileNotFoundError) and not _has_folder():
        return NO_FOLDER
    return f"Cannot use: {error.strerror or type(error).__name__}."


def _has_folder() -> bool:
    """Return whether the folder is there that paths are relative to."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def _print_nowhere() -> None:
    """Have what is still to be printed thrown away: Python would complain when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
