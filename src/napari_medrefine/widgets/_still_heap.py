"""Python's garbage collector during a job: it halts nobody, and runs in the main thread only.

A full collection looks at every object there is, and no thread runs meanwhile: napari's own take
0.1 s, those of torch another 0.2 s. During a job only what is made by then is looked at.

And a collection runs in the thread that happens to make an object. Among what it finds may be Qt's
objects, of a window or a dock widget that was closed: only the main thread may delete them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_jobs = 0  # that are under way
_was_on = True


def hold_heap() -> None:
    """Set aside what there is, and collect nothing but in `collect`, until `release_heap`.

    Called in the main thread, as are the two others. Garbage among what there is waits for the end
    of the last job.
    """
    global _jobs, _was_on  # noqa: PLW0603 - of the process, as its heap is
    if _jobs == 0:
        _was_on = gc.isenabled()
    _jobs += 1
    gc.disable()
    gc.freeze()


def release_heap() -> None:
    """End what `hold_heap` began; after the last job all is as it was."""
    global _jobs  # noqa: PLW0603
    _jobs -= 1
    if _jobs == 0:
        gc.unfreeze()
        if _was_on:
            gc.enable()


def collect() -> None:
    """Collect what Python itself would by now, were it not for `hold_heap`."""
    if not _jobs or not _was_on:
        return
    due = zip(range(3), gc.get_count(), gc.get_threshold(), strict=True)
    generations = [number for number, count, most in due if most and count > most]
    if generations:
        gc.collect(generations[-1])


@contextmanager
def no_collection() -> Iterator[None]:
    """Collect nothing while many objects are made that stay; a job sets them aside, too."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if _jobs:
            gc.freeze()
        elif was_on:
            gc.enable()
