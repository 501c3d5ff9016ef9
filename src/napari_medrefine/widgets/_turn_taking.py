"""During a job the window's thread soon has Python's lock back, as often as it gives it up."""

from __future__ import annotations

import sys

SOON_S = 0.0005  # Python's own is ten times as long

_jobs = 0  # that are under way
_before = 0.0


def take_turns() -> None:
    """Have threads take turns more often, until `as_before`; called in the main thread, as that is.

    At every call into Qt its binding gives the lock up. A job that computes in Python takes it, and
    gives it back when asked for that long: showing a progress bar is dozens of such calls.
    """
    global _jobs, _before  # noqa: PLW0603 - of the process, as its lock is
    if _jobs == 0:
        _before = sys.getswitchinterval()
        sys.setswitchinterval(min(SOON_S, _before))
    _jobs += 1


def as_before() -> None:
    """End what `take_turns` began; after the last job all is as it was."""
    global _jobs  # noqa: PLW0603
    _jobs -= 1
    if _jobs == 0:
        sys.setswitchinterval(_before)
