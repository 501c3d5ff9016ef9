"""Keeping Python's garbage collector from halting everybody in the middle of a job.

A full collection looks at every object there is, and no thread runs meanwhile: napari's own take
0.1 s, those of torch another 0.2 s. During a job only what is made by then is looked at.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_jobs = 0  # that are under way


@contextmanager
def still_heap() -> Iterator[None]:
    """Set aside what there is for the time of a job; garbage among it waits for the job's end."""
    global _jobs  # noqa: PLW0603 - of the process, as its heap is
    with _lock:
        _jobs += 1
        gc.freeze()
    try:
        yield
    finally:
        with _lock:
            _jobs -= 1
            if _jobs == 0:
                gc.unfreeze()


@contextmanager
def no_collection() -> Iterator[None]:
    """Collect nothing while many objects are made that stay; a job sets them aside, too."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        with _lock:
            if _jobs:
                gc.freeze()
        if was_on:
            gc.enable()
