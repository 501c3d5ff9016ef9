"""The errors a user may see: each message is one clear sentence."""

from __future__ import annotations

NO_MEMORY = (
    "There is not enough memory for this; close other programs or layers, or choose a smaller "
    "region or scale."
)
# What libraries say that do not raise a MemoryError: torch, zlib, the dynamic linker, the system.
_SAID = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "failed to map segment",
    "can't start new thread",
    "could not create a primitive",  # oneDNN
)


class MedRefineError(ValueError):
    """Something about the input is wrong; the message says what, and what to do about it."""


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether `error` is that memory has run out, whoever raised it."""
    if isinstance(error, MemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError | OSError | ImportError) and any(
        words in said for words in _SAID
    )
