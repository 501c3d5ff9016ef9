"""Whatever goes wrong with a picture's file becomes one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_medrefine._atomic import cannot
from napari_medrefine.errors import MedRefineError


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
    except MemoryError as error:
        raise MedRefineError(f"Cannot read {path}: it does not fit into memory.") from error
    except Exception as error:  # damaged files raise anything, from IndexError to zlib.error
        raise MedRefineError(_damaged(path, error)) from error


def _sentence(path: Path, message: str) -> str:
    return message if message.endswith(".") else f"Cannot read {path}: {message}."


def _damaged(path: Path, error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"Cannot read {path}: it is damaged or incomplete ({reason[:120]})."
