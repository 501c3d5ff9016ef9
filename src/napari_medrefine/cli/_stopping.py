"""SIGTERM, by which systems end processes, is heeded as Ctrl-C is."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Terminated(KeyboardInterrupt):
    """Raised by SIGTERM, so that all that Ctrl-C tidies up is tidied up."""


def terminate(number: int, frame: object) -> None:  # noqa: ARG001
    """Raise `Terminated`; a handler of signals."""
    raise Terminated


@contextmanager
def heeding_sigterm() -> Iterator[None]:
    """Raise `Terminated` in the block on SIGTERM, unless the process has a handler of its own."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    try:
        signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # not the main thread: whoever runs us there handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def status_of(number: int) -> int:
    """Return the exit status of a process that a signal has stopped, as shells have it."""
    return 128 + number
