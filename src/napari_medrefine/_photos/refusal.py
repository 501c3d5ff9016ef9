"""Whatever goes wrong with a picture's file becomes one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path

from napari_medrefine._atomic import cannot
from napari_medrefine.errors import MedRefineError, is_out_of_memory

# Errors that damage causes in code which trusted the file, and words of such.
_INTERNAL = (
    TypeError, AttributeError, LookupError, AssertionError, NameError, RecursionError,
    UnicodeError, JSONDecodeError,
)  # fmt: skip
NO_ROOM = "it does not fit into memory."  # how such sentences end
_PYTHON = (
    "<", "NoneType", "Errno", "unpack", "argument", "invalid literal", "could not convert",
    "out of range",
)  # fmt: skip


@contextmanager
def one_sentence(path: Path) -> Iterator[None]:
    """Turn errors of the block into one that names `path` and the reason.

    A `MedRefineError` inside is a whole sentence where it ends with a full stop; else it is a
    reason that reads on after "Cannot read FILE: ".

    Raises
    ------
    MedRefineError
        Where the block raised anything.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise MedRefineError(cannot("read", path, error)) from error
        raise MedRefineError(_damaged(path, error)) from error
    except MedRefineError as error:
        raise MedRefineError(_sentence(path, str(error))) from error
    except Exception as error:  # damaged files raise anything, from IndexError to zlib.error
        if is_out_of_memory(error):
            raise MedRefineError(f"Cannot read {path}: {NO_ROOM}") from error
        raise MedRefineError(_damaged(path, error)) from error


def _sentence(path: Path, message: str) -> str:
    return message if message.endswith(".") else f"Cannot read {path}: {message}."


def _damaged(path: Path, error: Exception) -> str:
    reason = _reason(error)
    return f"Cannot read {path}: it is damaged or incomplete{f' ({reason})' if reason else ''}."


def _reason(error: Exception) -> str:
    """Return what a library says of a file; nothing where it only speaks of its own insides."""
    text = "".join(c if c.isprintable() else " " for c in str(error))
    text = " ".join(text.split()).rstrip(".")
    internal = isinstance(error, _INTERNAL) or any(word in text for word in _PYTHON)
    return "" if internal else text[:120]
