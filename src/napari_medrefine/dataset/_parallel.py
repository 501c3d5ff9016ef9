"""Many like jobs in threads (Pillow, zlib and hashlib release the interpreter lock)."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from napari_medrefine.progress import Step

MOST_WORKERS = 8  # each holds a decoded photo
PATIENCE = 0.5  # seconds between two reports

A = TypeVar("A")
B = TypeVar("B")


@contextmanager
def threads(workers: int | None) -> Iterator[ThreadPoolExecutor]:
    """Open a pool of `workers` threads (None: one per processor); left early, it drops the rest."""
    # A process may be confined to fewer processors than there are; only Linux says so.
    allowed = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    pool = ThreadPoolExecutor(workers or min(len(allowed), MOST_WORKERS))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[A], B],
    items: Sequence[A],
    step: Callable[[int, A], Step],
    then: Callable[[B], object] = lambda _: None,
) -> Generator[Step, None, list[B]]:
    """Call `work` with every item, and `then` with every result, in order; a job, see `progress`.

    `step` makes the report from the number of finished items and the item that is waited for. Few
    items are under way at a time, so that stopping is quick and results do not pile up.
    """
    todo = iter(items)
    results: list[B] = []
    running = deque((item, pool.submit(work, item)) for item in islice(todo, 2 * MOST_WORKERS))
    while running:
        item, future = running.popleft()
        while not wait([future], timeout=PATIENCE).done:
            yield step(len(results), item)
        results.append(future.result())
        then(results[-1])
        running.extend((item, pool.submit(work, item)) for item in islice(todo, 1))
        yield step(len(results), item)
    return results
